//! Flows.

use super::{
    address::Address,
    association::Phase as Association,
    counters::Traffic,
    units::{ContainerId, Nanos, Port, Protocol, Ticks, Zone},
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

/// What tells flows apart. The smaller end (address as words in memory, then port) comes first, so that both
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
    /// How many words it has.
    pub const WORDS: usize = 10;
    /// The place of `zone_protocol` among them.
    pub const ZONE_PROTOCOL: usize = 9;

    /// One of its words, as they lie in memory; zero beyond the last.
    #[inline(always)]
    pub const fn word(&self, place: usize) -> u32 {
        let (Address(low), Address(high)) = (self.low, self.high);
        match place {
            0 => low[0],
            1 => low[1],
            2 => low[2],
            3 => low[3],
            4 => high[0],
            5 => high[1],
            6 => high[2],
            7 => high[3],
            8 => self.low_port.0 as u32 | (self.high_port.0 as u32) << 16,
            9 => self.zone_protocol,
            _ => 0,
        }
    }

    /// The zone; of a connection that is awaited, with [`Zone::AWAITED`].
    pub const fn zone(&self) -> Zone {
        Zone(self.zone_protocol >> 8)
    }

    /// The protocol.
    #[inline(always)]
    pub const fn protocol(&self) -> Protocol {
        Protocol(self.zone_protocol as u8)
    }
}

/// Value of the `FLOWS` array: a slot of the flow table ([`crate::engine::flow_table`]).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// When it ends unless more packets come. Zero: nobody's, or claimed. Whoever revives or deletes an expired flow
    /// first swaps this word, and only the one who succeeds goes on. With the highest bit set it is held: its entry in the index
    /// is being moved, and it can be neither revived nor deleted.
    pub expires: Nanos,
    /// Whose it is among all flows.
    pub key: FlowKey,
    /// Where it stands.
    pub state: State,
    /// Who opened it, and is charged for it.
    pub opener: ContainerId,
    /// Who holds the other end, where that is on this node.
    pub responder: ContainerId,
    /// [`super::config::Runtime::port_epoch`] (low half) when its ends were last held against the reservations.
    pub port_epoch: u32,
    /// The node that follows in the ring of a container, plus one; zero if none does.
    pub next: u32,
    /// When it began; of a slot that is free, when the flow before ended.
    pub created: Ticks,
    /// From the opener.
    pub out: Traffic,
    /// To the opener.
    pub back: Traffic,
    /// TCP and SCTP: what its packets are held against, as [`crate::engine::tcp`] and [`crate::engine::association`] pack it.
    pub numbers: [u64; NUMBERS],
    /// What the rules of the container whose flow this is say of packets to it and from it: see
    /// [`crate::engine::cached`]. Zero: not known. Of one that is [heard](State::HEARD): see [`crate::engine::ftp`].
    pub verdicts: [[u64; VERDICT_WORDS]; 2],
}

/// Words that a TCP connection is kept in, beside its [`State`].
pub const NUMBERS: usize = 5;

/// Words of a verdict.
pub const VERDICT_WORDS: usize = 2;

/// Where a flow stands, in a word that processors change as a whole: from the lowest bit on eight of
/// [`State::OPENER_LOW`] and its neighbours, and of TCP 18 about its two ends and 4 of the [`Phase`], as
/// [`crate::engine::tcp`] packs them, and two more flags; of SCTP 4 of the [`Association`]'s phase and 4 about who has begun it.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State(pub u32);

impl State {
    /// The opener is the smaller end of the key.
    pub const OPENER_LOW: u32 = 1;
    /// A packet came from the responder (`IPS_SEEN_REPLY`).
    pub const REPLIED: u32 = 2;
    /// It has gone far enough to be worth keeping (`IPS_ASSURED`).
    pub const ASSURED: u32 = 4;
    /// A connlimit counts it ([`super::guard::Counted`]), and is to be told when it is closed.
    pub const COUNTED: u32 = 8;
    /// It has ended before anybody answered it: what comes now is none of it.
    pub const OVER: u32 = 16;
    /// A segment (TCP) or chunks (SCTP) are being looked at, and others wait.
    pub const LOCKED: u32 = 32;
    /// One has not been looked at, since it could not wait.
    pub const MISSED: u32 = 64;
    /// It has been deleted, and its slot waits for the hand of the ring that it is in.
    pub const GONE: u32 = 128;

    /// TCP: another connection announced it (`IPS_EXPECTED`). [`Protocol::EXPECTED`]: it is awaited.
    pub const EXPECTED: u32 = 1 << 30;
    /// TCP: what is said on it is listened to, and it keeps no verdicts.
    pub const HEARD: u32 = 1 << 31;

    const FLAGS: u32 = 8;
    /// TCP: bits of each end.
    pub const END_BITS: u32 = 9;

    /// Whether a flag is set.
    #[inline(always)]
    pub const fn has(self, flag: u32) -> bool {
        self.0 & flag != 0
    }

    /// With these flags, too.
    #[inline(always)]
    pub const fn with(self, flags: u32) -> Self {
        Self(self.0 | flags)
    }

    /// TCP: its ends and its phase. SCTP: its phase, and more.
    #[inline(always)]
    pub const fn connection(self) -> u32 {
        self.0 >> Self::FLAGS
    }

    /// The same with another such.
    #[inline(always)]
    pub const fn with_connection(self, connection: u32) -> Self {
        const KEPT: u32 = ((1 << State::FLAGS) - 1) | State::EXPECTED | State::HEARD;
        Self(self.0 & KEPT | connection << Self::FLAGS & !KEPT)
    }

    /// TCP: its phase; [`Phase::None`] of other protocols.
    #[inline(always)]
    pub const fn phase(self) -> Phase {
        Phase::from_number((self.connection() >> (2 * Self::END_BITS)) as u8 & 0xf)
    }

    /// Whether it has come to its end, and only its entry is left.
    #[inline(always)]
    pub const fn is_closed(self) -> bool {
        matches!(self.phase(), Phase::TimeWait | Phase::Close)
    }

    /// Its name in output: nf_conntrack's for TCP and SCTP, and for others whether they were answered.
    pub const fn name(self, protocol: Protocol) -> &'static str {
        match protocol {
            Protocol::TCP => self.phase().name(),
            Protocol::SCTP => Association::from_number(self.connection() as u8 & 0xf).name(),
            Protocol::EXPECTED if self.has(Self::EXPECTED) => "EXPECTED",
            _ if self.has(Self::REPLIED) => "REPLIED",
            _ => "UNREPLIED",
        }
    }
}

/// Where a TCP connection stands. The names are nf_conntrack's (net/netfilter/nf_conntrack_proto_tcp.c), and so are the
/// numbers.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Nothing was seen.
    None = 0,
    /// A SYN.
    SynSent = 1,
    /// A SYN and ACK that answers it.
    SynRecv = 2,
    /// Open.
    Established = 3,
    /// One end has closed.
    FinWait = 4,
    /// That was acknowledged.
    CloseWait = 5,
    /// The other end has closed, too.
    LastAck = 6,
    /// That was acknowledged.
    TimeWait = 7,
    /// Reset.
    Close = 8,
    /// Both ends have sent a SYN.
    SynSent2 = 9,
}

impl Phase {
    /// From its number; what has no name is closed.
    #[inline(always)]
    pub const fn from_number(number: u8) -> Self {
        match number {
            0 => Self::None,
            1 => Self::SynSent,
            2 => Self::SynRecv,
            3 => Self::Established,
            4 => Self::FinWait,
            5 => Self::CloseWait,
            6 => Self::LastAck,
            7 => Self::TimeWait,
            9 => Self::SynSent2,
            _ => Self::Close,
        }
    }

    /// Whether an end has closed: then the same ends may begin anew any time.
    #[inline(always)]
    pub const fn is_closing(self) -> bool {
        matches!(self, Self::FinWait | Self::CloseWait | Self::LastAck | Self::TimeWait | Self::Close)
    }

    /// Its name in output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::SynSent => "SYN_SENT",
            Self::SynRecv => "SYN_RECV",
            Self::Established => "ESTABLISHED",
            Self::FinWait => "FIN_WAIT",
            Self::CloseWait => "CLOSE_WAIT",
            Self::LastAck => "LAST_ACK",
            Self::TimeWait => "TIME_WAIT",
            Self::Close => "CLOSE",
            Self::SynSent2 => "SYN_SENT2",
        }
    }
}
