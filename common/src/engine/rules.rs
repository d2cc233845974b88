//! Stage 5: what the owner's rules say of a packet; what they let through begins its flow.

use super::{
    attribute, flow,
    headers::{Headers, Part, Place},
    state,
    tables::{Tables, Which},
    track::{Standing, Track},
    verdict::{Owner, Verdict, Way},
};
use crate::{
    abi::{
        container::{Container, Mode},
        counters::Traffic,
        reason::Reason,
        rules::BuiltIn,
        units::{ContainerId, Zone},
    },
    wire::Packet,
};

/// What rules are asked, beside what is in the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    /// Whose rules.
    pub container: ContainerId,
    /// Which chain.
    pub chain: Chain,
    /// State of the packet's flow: [`crate::abi::rules::dimension::state`].
    pub state: u8,
    /// Direction in its flow: [`crate::abi::rules::dimension::direction`].
    pub direction: u8,
    /// Bits of [`crate::abi::rules::status`].
    pub status: u8,
    /// Whether rules look at what kind of address the source and the destination are.
    pub asks_types: bool,
    /// Where the packet is.
    pub network: Network,
    /// Whether the packet has not left the container, as far as rules are concerned: it is on `lo`.
    pub is_inside: bool,
    /// Whether its flow has come to its end, and was counted by rules.
    pub ends: bool,
}

/// The chain that is asked about a packet, and which way the packet goes.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chain {
    /// INPUT.
    Input = 0,
    /// OUTPUT.
    Output = 1,
    /// FORWARD, of a packet that comes to the container.
    Entering = 2,
    /// FORWARD, of one that leaves it.
    Leaving = 3,
    /// Nat's PREROUTING.
    NatPrerouting = 4,
    /// Nat's INPUT.
    NatInput = 5,
    /// Nat's OUTPUT.
    NatOutput = 6,
    /// Nat's POSTROUTING.
    NatPostrouting = 7,
}

impl Chain {
    /// From its number.
    #[inline(always)]
    pub const fn from_number(number: u8) -> Self {
        match number {
            0 => Self::Input,
            1 => Self::Output,
            2 => Self::Entering,
            3 => Self::Leaving,
            4 => Self::NatPrerouting,
            5 => Self::NatInput,
            6 => Self::NatOutput,
            _ => Self::NatPostrouting,
        }
    }

    /// By its name.
    #[inline(always)]
    pub const fn built_in(self) -> BuiltIn {
        match self {
            Self::Input => BuiltIn::Input,
            Self::Output => BuiltIn::Output,
            Self::Entering | Self::Leaving => BuiltIn::Forward,
            Self::NatPrerouting => BuiltIn::NatPrerouting,
            Self::NatInput => BuiltIn::NatInput,
            Self::NatOutput => BuiltIn::NatOutput,
            Self::NatPostrouting => BuiltIn::NatPostrouting,
        }
    }

    /// Whether the packet comes to the container.
    #[inline(always)]
    pub const fn is_inward(self) -> bool {
        matches!(self, Self::Input | Self::Entering | Self::NatPrerouting | Self::NatInput)
    }
}

/// Where a packet is that rules are asked about.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// On the container's own interface.
    Own = 0,
    /// On an uplink.
    Uplink = 1,
    /// On another interface of the node.
    Local = 2,
}

impl Case {
    /// Whether the packet is on the container's own interface.
    #[inline(always)]
    pub const fn own_interface(&self) -> bool {
        matches!(self.network, Network::Own)
    }

    /// As one number, which takes less room on a small stack than its fields.
    #[inline(always)]
    pub const fn to_number(&self) -> u64 {
        self.container.0 as u64
            | (self.state as u64) << 34
            | (self.direction as u64) << 38
            | (self.asks_types as u64) << 39
            | (self.network as u64) << 40
            | (self.is_inside as u64) << 42
            | (self.ends as u64) << 43
            | (self.status as u64) << 48
            | (self.chain as u64) << 56
    }

    /// From such a number.
    #[inline(always)]
    pub const fn from_number(number: u64) -> Self {
        Self {
            container: ContainerId(number as u32),
            chain: Chain::from_number((number >> 56) as u8),
            state: (number >> 34 & 0xf) as u8,
            direction: (number >> 38 & 1) as u8,
            asks_types: number >> 39 & 1 != 0,
            network: match number >> 40 & 3 {
                0 => Network::Own,
                1 => Network::Uplink,
                _ => Network::Local,
            },
            is_inside: number >> 42 & 1 != 0,
            ends: number >> 43 & 1 != 0,
            status: (number >> 48) as u8,
        }
    }

    /// The zone of the packet's flow.
    #[inline(always)]
    pub const fn zone(&self) -> Zone {
        match self.network {
            Network::Own => Zone::of(self.container),
            Network::Uplink => Zone::UPLINK,
            Network::Local => Zone::LOCAL,
        }
    }
}

/// What rules answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// [`Reason::None`] if the packet passes.
    pub reason: Reason,
    /// How it is rejected, if it is.
    pub code: u8,
    /// Whether it passes, and its flow, which is new, has been counted.
    pub is_counted: bool,
}

impl Ruling {
    /// It passes.
    pub const PASS: Self = Self { reason: Reason::None, code: 0, is_counted: false };
    /// Nobody could be asked: it is dropped.
    pub const BUSY: Self = Self { reason: Reason::RulesBusy, code: 0, is_counted: false };
}

/// The verdict on a packet that may go its way as far as ownership is concerned. `chain` is the chain of the owner's
/// rules that is asked, if one is to be, in the zone `zone`; the flow is opened, and counts the packet, if it is given
/// `traffic`.
#[inline(always)]
pub fn settle<T: Tables, P: Packet>(
    tables: &T,
    (packet, headers): (&P, &Headers),
    (owner, zone): (Owner, Zone),
    chain: Option<Chain>,
    (mut track, traffic): (Track<T::Flow>, Option<Traffic>),
) -> Verdict {
    track.look_for_announcement(tables, headers, (owner.id, zone));
    let ruling = match chain {
        Some(chain) => judge(tables, (packet, headers), (owner, zone), chain, &track),
        None => Ruling::PASS,
    };
    // What arrives for a container and opens no connection leaves nothing. What it sends does, so that it stays known whose the
    // connection is when its socket is gone.
    let opens = track.opening.is_wanted()
        && (!track.opening.is_received() || state::may_begin(headers, tables.tcp()));
    let announces = track.opening.is_announced();
    let makes_sense = track.standing != Standing::Invalid;
    let passed = Verdict { owner, reason: ruling.reason, code: ruling.code, makes_sense };
    if ruling.reason != Reason::None || !(opens || announces) {
        return passed;
    }
    let (place, parties) = if announces {
        let Some((parties, port)) = tables.make_way(headers, zone) else { return passed };
        (Place::awaited(zone, port, Which::Source, parties.charged()), parties)
    } else {
        let is_inside = track.opening.is_inside();
        let other = if is_inside { attribute::far_end(tables, headers) } else { ContainerId::UNOWNED };
        let parties = track.opening.parties(owner.id, other);
        (track.opening.place(zone, owner.id), parties.expected(track.standing == Standing::Expected))
    };
    let first = if announces { Traffic::default() } else { traffic.unwrap_or_default() };
    let reason = tables.open_flow(headers, place, &parties, (first, ruling.is_counted && !announces));
    if announces {
        // What is awaited and finds no room is new to rules when it comes.
        if reason == Reason::None {
            tables.note_awaited(headers, zone);
        }
        return passed;
    }
    if reason == Reason::None {
        flow::begin(tables, packet, headers, place);
    }
    Verdict::because(owner, reason)
}

#[inline(always)]
fn judge<T: Tables, P: Packet>(
    tables: &T,
    (packet, headers): (&P, &Headers),
    (owner, zone): (Owner, Zone),
    chain: Chain,
    track: &Track<T::Flow>,
) -> Ruling {
    // Later fragments share the fate of the first, which had the ports that rules ask for.
    if !owner.id.is_container() || (headers.fragment == Part::Later && owner.way != Way::Address) {
        return Ruling::PASS;
    }
    let Some(container) = tables.container(owner.id) else { return Ruling::PASS };
    if container.flags & Container::HAS_RULES == 0 || container.mode() == Mode::Disabled {
        return Ruling::PASS;
    }
    let (state, direction) = track.state(headers, tables.tcp());
    let case = Case {
        container: owner.id,
        chain,
        state: state as u8,
        direction: direction as u8,
        status: track.status & !Track::<T::Flow>::ENDS,
        asks_types: container.flags & Container::ASKS_ADDRESS_TYPES != 0,
        network: match (owner.way, zone) {
            (Way::Interface, _) => Network::Own,
            (_, Zone::LOCAL) => Network::Local,
            _ => Network::Uplink,
        },
        // What a container's own rules have rejected of what it sent comes back to it from inside.
        is_inside: track.standing == Standing::Notice && chain == Chain::Input,
        ends: track.status & Track::<T::Flow>::ENDS != 0,
    };
    // Later ones of its fragments have no ports. What goes through a container may pass it on several interfaces, either way.
    let keeps = headers.fragment == Part::Whole && chain.built_in() != BuiltIn::Forward;
    let flow = if keeps { track.flow } else { None };
    tables.rule(packet, headers, &case, flow)
}
