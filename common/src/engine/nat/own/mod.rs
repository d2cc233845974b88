//! What a container's own rules translate (table nat), on its own interface.
//!
//! A flow is in the table as rules of filter see it: behind the translation of destinations, and before that of sources. Who has opened it
//! may have asked for another destination, and who is asked may see another source; so a flow has up to two more *names*
//! ([`super::Naming`]), one of each [`Layer`]. A name is borne by packets on one [`Side`] of where rules are asked: *outside*, between the
//! interface and the rest of the world (PREROUTING, POSTROUTING), or *inside*, between there and the container (OUTPUT, INPUT).
//!
//! Before all else a packet's destination is put right, if it bears a name; or, if it begins a flow, rules are asked where it goes. After all
//! else its source gets the name that the flow has there; or rules are asked, once for each flow, and what they say is kept as long as it
//! lasts. That is the order of netfilter's hooks (include/uapi/linux/netfilter_ipv4.h), and as there table nat is asked about the first packet alone.

mod about;
mod arrive;
mod choose;
mod depart;

pub use about::{arrive_about, depart_about};
pub use arrive::{aim, arrive, is_free};
pub use choose::{Ports, plan};
pub use depart::{depart, is_live, keep, name_destination, settle};

use super::{
    super::{
        flow_table::Slot,
        headers::{Headers, Place},
        tables::{FlowEntry, Word},
    },
    NatTables, TranslationEntry, is_of_key, stamp_of_flow,
};
use crate::abi::{
    address::Address,
    nat::NatEnd,
    reason::Reason,
    units::{ContainerId, Zone},
};

/// Which of a flow's names. (On the uplinks it may have another, whose number is that of its slot.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// The destination that its opener has asked for.
    Destination = 1,
    /// The source that whoever is asked sees.
    Source = 2,
}

/// How many ports are tried.
const TRIES: u32 = 64;

/// Bits of a slot's number.
const SLOT: u32 = 0x00ff_ffff;

/// Not a slot.
pub const NO_SLOT: u32 = u32::MAX;

impl Layer {
    /// The number of that name of the flow in a slot.
    #[inline(always)]
    pub const fn number(self, slot: u32) -> u32 {
        slot & SLOT | (self as u32) << 24
    }
}

/// The slot of the flow whose name has this number.
#[inline(always)]
pub const fn slot_of(number: u32) -> u32 {
    number & SLOT
}

/// Where packets bear a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Between the container's interface and the rest of the world.
    Outside,
    /// Between there and the container.
    Inside,
}

/// Bits of a container's id, in a zone of its own.
const ID: u32 = 0x001f_ffff;
/// Of [`Side::Outside`], and [`Side::Inside`].
const OUTSIDE: u32 = 1 << 22;
const INSIDE: u32 = 1 << 21;

impl Side {
    /// Where a packet on the interface of a container, to which it goes (`inward`) or from which it comes, has been so far.
    #[inline(always)]
    pub const fn before(inward: bool) -> Self {
        if inward { Self::Outside } else { Self::Inside }
    }

    /// Where it goes.
    #[inline(always)]
    pub const fn after(inward: bool) -> Self {
        Self::before(!inward)
    }

    /// The zone of names there, of flows in the zone of a container's own.
    #[inline(always)]
    pub const fn zone(self, flows: Zone) -> Zone {
        let bit = match self {
            Self::Outside => OUTSIDE,
            Self::Inside => INSIDE,
        };
        Zone(flows.0 & ID | bit)
    }
}

/// The zone of the flows that have names in this one.
#[inline(always)]
pub const fn flows_of(names: Zone) -> Zone {
    if names.0 == Zone::UPLINK.0 { names } else { Zone(names.0 & ID) }
}

/// On whose interface a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whose {
    /// The container.
    pub id: ContainerId,
    /// Whether the packet goes to it.
    pub inward: bool,
    /// Index of the interface.
    pub ifindex: u32,
}

impl Whose {
    /// As one number.
    #[inline(always)]
    pub const fn to_number(self) -> u64 {
        self.id.0 as u64 & 0x00ff_ffff | (self.inward as u64) << 24 | (self.ifindex as u64) << 32
    }

    /// From such a number.
    #[inline(always)]
    pub const fn from_number(number: u64) -> Self {
        Self {
            id: ContainerId(number as u32 & 0x00ff_ffff),
            inward: number >> 24 & 1 != 0,
            ifindex: (number >> 32) as u32,
        }
    }

    /// The zone of its flows.
    #[inline(always)]
    pub const fn flows(self) -> Zone {
        Zone::of(self.id)
    }

    /// The zone of the names that the packet may have borne so far.
    #[inline(always)]
    pub const fn before(self) -> Zone {
        Side::before(self.inward).zone(self.flows())
    }

    /// The zone of the names that it may bear from now on.
    #[inline(always)]
    pub const fn after(self) -> Zone {
        Side::after(self.inward).zone(self.flows())
    }
}

/// What becomes of a packet.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It stays as it is.
    AsItIs,
    /// An end of it is another, which was written where the caller said.
    Translated,
    /// Rules have to be asked: it is in no flow yet, or the one in this slot has not been decided about.
    Asks(u32),
    /// It is dropped.
    Dropped(Reason),
}

/// The flow of a packet as rules of filter see it.
#[inline(always)]
pub fn live<T: NatTables>(tables: &T, headers: &Headers, flows: Zone) -> Option<Slot<T::Flow>> {
    let slot = tables.find(headers, Place::in_zone(flows))?;
    if slot.flow.expires().released() > tables.now() { Some(slot) } else { None }
}

/// As [`NatTables::own_number`].
#[inline(always)]
pub fn number_by_name<T: NatTables>(tables: &T, headers: &Headers, zone: Zone) -> u32 {
    let key = Place::in_zone(zone).key(headers);
    let Some(number) = tables.name(&key).map(|name| name.load() as u32) else { return NO_SLOT };
    let (Some(flow), Some(translation)) = (tables.slot(slot_of(number)), tables.translation(number)) else {
        return NO_SLOT;
    };
    let is_its = || is_of_key(translation.stamp().load(), stamp_of_flow(&flow));
    // If it is changed meanwhile, so is the stamp.
    let counts =
        flow.expires().released() > tables.now() && is_its() && translation.has_outer(&key) && is_its();
    if counts { number } else { NO_SLOT }
}

/// As [`NatTables::own_end`].
#[inline(always)]
pub fn end_of<T: NatTables>(tables: &T, slot: u32, remote: &Address, zone: Zone, end: &mut NatEnd) -> bool {
    let Some(flow) = tables.slot(slot) else { return false };
    for layer in [Layer::Destination, Layer::Source] {
        let Some(translation) = tables.translation(layer.number(slot)) else { continue };
        let is_its = || translation.stamp().load() == stamp_of_flow(&flow);
        // If it is changed meanwhile, so is the stamp.
        if is_its() && translation.faces(remote, zone) {
            *end = translation.outer_end().into();
            return is_its();
        }
    }
    false
}
