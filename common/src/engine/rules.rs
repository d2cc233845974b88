//! Stage 5: what the owner's rules say of a packet; what they let through begins its flow.

use super::{
    headers::{Headers, Part},
    tables::Tables,
    track::{Opening, Standing, Track},
    verdict::{Owner, Verdict, Way},
};
use crate::{
    abi::{
        container::{Container, Mode},
        counters::Traffic,
        reason::Reason,
        rules::BuiltIn,
        units::ContainerId,
    },
    wire::Packet,
};

/// What rules are asked, beside what is in the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    /// Whose rules.
    pub container: ContainerId,
    /// Which chain.
    pub chain: BuiltIn,
    /// State of the packet's flow: [`crate::abi::rules::dimension::state`].
    pub state: u8,
    /// Direction in its flow: [`crate::abi::rules::dimension::direction`].
    pub direction: u8,
    /// Bits of [`crate::abi::rules::status`].
    pub status: u8,
    /// Whether rules look at what kind of address the source and the destination are.
    pub asks_types: bool,
    /// Whether the packet is on the container's own interface.
    pub own_interface: bool,
    /// Whether the packet has not left the container, as far as rules are concerned: it is on `lo`.
    pub is_inside: bool,
}

impl Case {
    /// As one number, which takes less room on a small stack than its fields.
    #[inline(always)]
    pub const fn to_number(&self) -> u64 {
        self.container.0 as u64
            | (self.chain as u64) << 32
            | (self.state as u64) << 34
            | (self.direction as u64) << 38
            | (self.asks_types as u64) << 39
            | (self.own_interface as u64) << 40
            | (self.is_inside as u64) << 41
            | (self.status as u64) << 48
    }

    /// From such a number.
    #[inline(always)]
    pub const fn from_number(number: u64) -> Self {
        Self {
            container: ContainerId(number as u32),
            chain: match number >> 32 & 3 {
                0 => BuiltIn::Input,
                1 => BuiltIn::Output,
                _ => BuiltIn::Forward,
            },
            state: (number >> 34 & 0xf) as u8,
            direction: (number >> 38 & 1) as u8,
            asks_types: number >> 39 & 1 != 0,
            own_interface: number >> 40 & 1 != 0,
            is_inside: number >> 41 & 1 != 0,
            status: (number >> 48) as u8,
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
}

impl Ruling {
    /// It passes.
    pub const PASS: Self = Self { reason: Reason::None, code: 0 };
    /// Nobody could be asked: it is dropped.
    pub const BUSY: Self = Self { reason: Reason::RulesBusy, code: 0 };
}

/// The verdict on a packet that may go its way as far as ownership is concerned. `chain` is the chain of the owner's
/// rules that is asked, if one is to be; the flow is opened, and counts the packet, if it is given `traffic`.
#[inline(always)]
pub fn settle<T: Tables, P: Packet>(
    tables: &T,
    (packet, headers): (&P, &Headers),
    owner: Owner,
    chain: Option<BuiltIn>,
    (track, traffic): (&Track, Option<Traffic>),
) -> Verdict {
    if let Some(chain) = chain {
        let ruling = judge(tables, (packet, headers), owner, chain, track);
        if ruling.reason != Reason::None {
            return Verdict { owner, reason: ruling.reason, code: ruling.code };
        }
    }
    let Opening { wanted, place, parties } = &track.opening;
    if !wanted {
        return Verdict::pass(owner);
    }
    Verdict::because(owner, tables.open_flow(headers, *place, parties, traffic.unwrap_or_default()))
}

#[inline(always)]
fn judge<T: Tables, P: Packet>(
    tables: &T,
    (packet, headers): (&P, &Headers),
    owner: Owner,
    chain: BuiltIn,
    track: &Track,
) -> Ruling {
    // Later fragments share the fate of the first, which had the ports that rules ask for.
    if !owner.id.is_container() || (headers.fragment == Part::Later && owner.way != Way::Address) {
        return Ruling::PASS;
    }
    let Some(container) = tables.container(owner.id) else { return Ruling::PASS };
    if container.flags & Container::HAS_RULES == 0 || container.mode() == Mode::Disabled {
        return Ruling::PASS;
    }
    let (state, direction) = track.state(headers);
    let case = Case {
        container: owner.id,
        chain,
        state: state as u8,
        direction: direction as u8,
        status: track.status,
        asks_types: container.flags & Container::ASKS_ADDRESS_TYPES != 0,
        own_interface: owner.way == Way::Interface,
        // What a container's own rules have rejected of what it sent comes back to it from inside.
        is_inside: track.standing == Standing::Notice && chain == BuiltIn::Input,
    };
    tables.rule(packet, headers, &case)
}
