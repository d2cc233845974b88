//! Flows.

use super::{
    address::Address,
    counters::Traffic,
    units::{ContainerId, Nanos, Port, Protocol, Zone},
};

/// One end of a flow.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct End {
    /// Its address.
    pub address: Address,
    /// Its port, or what plays that part.
    pub port: Port,
}

/// Key of the `FLOWS` map. The smaller end (address as words in memory, then port) comes first, so that both
/// directions have the same key.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowKey {
    /// Address of the smaller end.
    pub low: Address,
    /// Address of the larger end.
    pub high: Address,
    /// Port of the smaller end.
    pub low_port: Port,
    /// Port of the larger end.
    pub high_port: Port,
    /// Zone (upper 24 bits) and protocol (lower 8).
    pub zone_protocol: u32,
}

impl FlowKey {
    /// The zone.
    pub const fn zone(&self) -> Zone {
        Zone(self.zone_protocol >> 8)
    }

    /// The protocol.
    #[inline(always)]
    pub const fn protocol(&self) -> Protocol {
        Protocol(self.zone_protocol as u8)
    }
}

/// Value of the `FLOWS` map.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// When it ends unless more packets come. Zero: claimed for deletion. Whoever revives or deletes an expired entry
    /// first swaps this word, and only the one who succeeds goes on.
    pub expires: Nanos,
    /// When it began.
    pub created: Nanos,
    /// From the opener.
    pub out: Traffic,
    /// To the opener.
    pub back: Traffic,
    /// Who opened it, and is charged for it.
    pub opener: ContainerId,
    /// Who holds the other end, where that is on this node.
    pub responder: ContainerId,
    /// [`super::config::Runtime::port_epoch`] (low half) when its ends were last held against the reservations.
    pub port_epoch: u32,
    /// A [`State`] as a number.
    pub state: u8,
    /// Bits of [`Flow::OPENER_LOW`] and its neighbours.
    pub flags: u8,
    /// Unused.
    pub padding: u16,
    /// What the rules of the container whose flow this is say of packets to it and from it: see
    /// [`crate::engine::cached`]. Zero: not known.
    pub verdicts: [[u64; VERDICT_WORDS]; 2],
}

/// Words of a verdict.
pub const VERDICT_WORDS: usize = 2;

impl Flow {
    /// The opener is the smaller end of the key.
    pub const OPENER_LOW: u8 = 1;
    /// A packet came from the responder.
    pub const REPLIED: u8 = 2;
    /// TCP: the opener has sent FIN.
    pub const OPENER_FIN: u8 = 4;
    /// TCP: the responder has sent FIN.
    pub const RESPONDER_FIN: u8 = 8;
    /// A connlimit counts it ([`super::guard::Counted`]), and is to be told when it is closed.
    pub const COUNTED: u8 = 16;
}

/// Where a flow stands. The names are nf_conntrack's.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Not TCP, nothing came back yet.
    Unreplied = 0,
    /// Not TCP, packets have passed both ways.
    Replied = 1,
    /// TCP: SYN seen.
    SynSent = 2,
    /// TCP: SYN/ACK seen.
    SynRecv = 3,
    /// TCP: open.
    Established = 4,
    /// TCP: one side has closed.
    FinWait = 5,
    /// TCP: both sides have closed.
    TimeWait = 6,
    /// TCP: reset.
    Close = 7,
}

impl State {
    /// Whether it has come to its end, and only its entry is left.
    #[inline(always)]
    pub const fn is_closed(self) -> bool {
        matches!(self, Self::TimeWait | Self::Close)
    }

    /// From its number; what has no name is closed.
    #[inline(always)]
    pub const fn from_number(number: u8) -> Self {
        match number {
            0 => Self::Unreplied,
            1 => Self::Replied,
            2 => Self::SynSent,
            3 => Self::SynRecv,
            4 => Self::Established,
            5 => Self::FinWait,
            6 => Self::TimeWait,
            _ => Self::Close,
        }
    }

    /// Its name in output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unreplied => "UNREPLIED",
            Self::Replied => "REPLIED",
            Self::SynSent => "SYN_SENT",
            Self::SynRecv => "SYN_RECV",
            Self::Established => "ESTABLISHED",
            Self::FinWait => "FIN_WAIT",
            Self::TimeWait => "TIME_WAIT",
            Self::Close => "CLOSE",
        }
    }
}
