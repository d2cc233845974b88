//! What leaves by an uplink, or goes to a container, for another container.

use super::{
    super::{
        flow_table::Slot,
        headers::{Headers, Kind, Part, Place},
        tables::{FlowEntry, Which},
    },
    Answer, Naming, NatTables, name, own, pending,
};
use crate::abi::{
    address::Address,
    flow::State,
    nat::{NatEnd, NatOwner, NatSource},
    reason::Reason,
    units::{ContainerId, Protocol, Zone},
};

/// Whose a packet is, and whether it has to be translated.
#[derive(Clone, Copy)]
pub struct Sender {
    /// The container.
    pub id: ContainerId,
    /// Whether it is masqueraded.
    pub is_masqueraded: bool,
}

/// The ways by which a packet goes through the node: indices of interfaces.
#[derive(Clone, Copy)]
pub struct Path {
    /// Where it has come in, as routing has it.
    pub came_by: u32,
    /// The uplink by which it leaves; zero for one that goes to another container, to whom nobody is masqueraded.
    pub uplink: u32,
}

/// As [`NatTables::sender`].
#[inline(always)]
pub fn sender<T: NatTables>(tables: &T, address: &Address, came_by: u32) -> Option<Sender> {
    let owner = tables.source(&NatSource { address: *address, ifindex: came_by })?;
    let container = tables.container(owner.container)?;
    let is_masqueraded = owner.masquerade != NatOwner::UNTRANSLATED;
    if container.generation == owner.generation {
        Some(Sender { id: owner.container, is_masqueraded })
    } else {
        None
    }
}

/// What is known of a packet that leaves.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// All.
    Known(Answer),
    /// The flow in this slot has no name yet.
    Nameless(u32),
}

/// What a flow is to be named after.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proposal {
    /// Nothing: it goes by its own.
    Nothing = 0,
    /// The address alone.
    Address = 1,
    /// Address and port.
    End = 2,
}

impl Proposal {
    /// From its number.
    #[inline(always)]
    pub const fn from_number(number: u32) -> Self {
        match number {
            1 => Self::Address,
            2 => Self::End,
            _ => Self::Nothing,
        }
    }
}

/// What a packet of `sender`'s comes from, as seen from outside: that end is written to `outer`. ICMP errors are
/// [about](leave_about) others.
#[inline(always)]
pub fn leave<T: NatTables>(
    tables: &T,
    headers: &mut Headers,
    (sender, path): (Sender, Path),
    outer: &mut NatEnd,
) -> Answer {
    // Whom it meets behind the same node knows its addresses.
    let sender = Sender { is_masqueraded: sender.is_masqueraded && path.uplink != 0, ..sender };
    let answer = match tables.outside(headers, sender, outer) {
        Look::Known(answer) => answer,
        Look::Nameless(slot) => {
            // The one is kept in the place of the other meanwhile.
            *outer = headers.from().into();
            let reason = match tables.propose(headers, slot, path) {
                Proposal::Nothing => return Answer::AsItIs,
                proposal => tables.name_flow(headers, Naming::outside(slot, proposal == Proposal::End)),
            };
            let (from, named) = ((*outer).into(), headers.from());
            headers.put(Which::Source, from);
            *outer = named.into();
            match reason {
                Reason::None => Answer::Translated,
                reason => Answer::Dropped(sender.id, reason),
            }
        }
    };
    if answer == Answer::Translated && headers.fragment == Part::First {
        tables.note_first(headers, Zone::of(sender.id), outer);
    }
    answer
}

/// As [`NatTables::outside`].
#[inline(always)]
pub fn outside<T: NatTables>(tables: &T, headers: &Headers, sender: Sender, outer: &mut NatEnd) -> Look {
    let zone = Zone::of(sender.id);
    let shows = if sender.is_masqueraded {
        Answer::Dropped(sender.id, Reason::NotTranslated)
    } else {
        Answer::AsItIs
    };
    if headers.fragment == Part::Later {
        return Look::Known(if tables.follow_first(headers, zone, outer) {
            Answer::Translated
        } else {
            shows
        });
    }
    let Some(slot) = live(tables, headers, zone) else {
        // What rules have rejected has no flow, and its sender is told by whom it has asked.
        let answers = tables.awaits(headers, sender.id, outer);
        return Look::Known(if answers { Answer::Translated } else { shows });
    };
    match name::of(tables, slot.number, &slot.flow) {
        Some(end) => {
            *outer = end.into();
            Look::Known(Answer::Translated)
        }
        None if name::is_lost(tables, slot.number, &slot.flow) => {
            Look::Known(Answer::Dropped(sender.id, Reason::NatPorts))
        }
        None => Look::Nameless(slot.number),
    }
}

/// As [`NatTables::propose`].
#[inline(always)]
pub fn propose<T: NatTables>(tables: &T, headers: &mut Headers, slot: u32, path: Path) -> Proposal {
    let source = NatSource { address: headers.source, ifindex: path.came_by };
    let (Some(flow), Some(owner)) = (tables.slot(slot), tables.source(&source)) else {
        return Proposal::Nothing;
    };
    if flow.state().has(State::OPENER_LOW) != is_low(&flow, headers) {
        let mut end = NatEnd::NOWHERE;
        if !tables.awaits(headers, owner.container, &mut end) {
            return Proposal::Nothing;
        }
        headers.put(Which::Source, end.into());
        return Proposal::End;
    }
    // It may have gone its way without until now.
    if path.uplink == 0 || owner.masquerade == NatOwner::UNTRANSLATED || flow.state().has(State::REPLIED) {
        return Proposal::Nothing;
    }
    let is_v4 = headers.source.is_v4();
    let address = if owner.masquerade == NatOwner::TO {
        Some(owner.to).filter(|to| to.is_v4() == is_v4)
    } else {
        tables.interface_address(path.uplink, is_v4)
    };
    match address {
        Some(address) => {
            headers.source = address;
            Proposal::Address
        }
        None => Proposal::Nothing,
    }
}

/// Whether the packet comes from the smaller end of the flow, whatever that is called outside of the container.
#[inline(always)]
fn is_low<F: FlowEntry>(flow: &F, headers: &Headers) -> bool {
    if headers.source == headers.destination {
        return headers.source_is_low();
    }
    let mut differs = 0;
    for (place, word) in headers.destination.0.iter().enumerate() {
        differs |= flow.key_word(place) ^ word;
    }
    differs != 0
}

/// The same for an ICMP error about a packet to a container, of which these are the headers; tells whether that is known outside.
#[inline(always)]
pub fn leave_about<T: NatTables>(tables: &T, quoted: &Headers, id: ContainerId, outer: &mut NatEnd) -> bool {
    if quoted.fragment == Part::Later {
        return false;
    }
    let slot = live(tables, quoted, Zone::of(id));
    match slot.and_then(|slot| name::of(tables, slot.number, &slot.flow)) {
        Some(end) => {
            *outer = end.into();
            true
        }
        None => tables.awaits(quoted, id, outer),
    }
}

/// The node itself sends a packet, and not on behalf of anybody. Why it may not: it would speak for a flow of a container's.
///
/// What has sockets that can be looked up was there first, or comes later and has to go elsewhere. Of all else the node's own has to go
/// first, as nobody can know of it.
#[inline(always)]
pub fn by_node<T: NatTables>(tables: &T, headers: &Headers) -> Reason {
    if headers.fragment == Part::Later {
        return Reason::None;
    }
    let reason = match (headers.kind, headers.protocol) {
        (Kind::Ports, Protocol::TCP | Protocol::UDP) => {
            let [first, last] = tables.ports();
            let port = headers.source_port.0;
            if port < first || port > last {
                return Reason::None;
            }
            Reason::Hijack
        }
        (Kind::Query, _) => Reason::IcmpIdInUse,
        _ => Reason::None,
    };
    let mut inner = NatEnd::NOWHERE;
    if !tables.translated(headers, Which::Source, &mut inner).is_container() {
        return Reason::None;
    }
    if reason == Reason::None {
        name::lose(tables, &Place::in_zone(Zone::UPLINK).key(headers));
    }
    reason
}

/// As [`NatTables::awaits`].
#[inline(always)]
pub fn awaits<T: NatTables>(tables: &T, headers: &Headers, id: ContainerId, outer: &mut NatEnd) -> bool {
    let pending = pending::find(tables, &Place::in_zone(Zone::of(id)).key(headers));
    match pending {
        Some(pending) => *outer = pending.end,
        None => return false,
    }
    true
}

/// The flow of a packet outside of its container's interface.
#[inline(always)]
pub fn live<T: NatTables>(tables: &T, headers: &Headers, zone: Zone) -> Option<Slot<T::Flow>> {
    if tables.is_own_on() {
        let number = tables.own_number(headers, own::Side::Outside.zone(zone));
        if number != own::NO_SLOT {
            let number = own::slot_of(number);
            return tables.slot(number).map(|flow| Slot { number, flow });
        }
    }
    own::live(tables, headers, zone)
}
