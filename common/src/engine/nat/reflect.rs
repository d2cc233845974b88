//! A container reaches what it has published itself: what it sends comes back to it, as if the node had sent it.
//!
//! It could not answer itself: its kernel takes no packets from its own address. So both ends are others: the one who is asked sees the
//! node's address, from the port that the one who asks has, and the one who asks hears from the end that it has asked. That is done in one
//! step, and the packet goes back by the interface that it has come by; the node never sees it.

use super::{
    super::headers::{Headers, Kind, Part},
    super::tables::Which,
    Answer, Look, Naming, NatTables, Sender,
};
use crate::abi::{flow::End, nat::NatEnd, reason::Reason, units::ContainerId};

/// Both ends of a packet.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Ends {
    /// Where it comes from.
    pub source: NatEnd,
    /// Where it goes.
    pub destination: NatEnd,
}

impl Ends {
    /// None.
    pub const NOWHERE: Self = Self { source: NatEnd::NOWHERE, destination: NatEnd::NOWHERE };
}

/// What becomes of a packet of container `id` to the node, by which the container asks or answers itself: then its ends are others, which
/// are written to `ends`. It has one address at both ends.
#[inline(always)]
pub fn reflect<T: NatTables>(tables: &T, headers: &mut Headers, id: ContainerId, ends: &mut Ends) -> Answer {
    let slot = match tables.reflection(headers, id, ends) {
        Look::Known(answer) => return answer,
        Look::Nameless(slot) => slot,
    };
    let (from, to) = (headers.from(), headers.to());
    headers.put(Which::Source, ends.source.into());
    headers.put(Which::Destination, ends.destination.into());
    let reason = tables.name_flow(headers, Naming::outside(slot, true));
    headers.put(Which::Destination, to);
    headers.put(Which::Source, from);
    if reason == Reason::None { Answer::Translated } else { Answer::Dropped(id, reason) }
}

/// As [`NatTables::reflection`].
#[inline(always)]
pub fn reflection<T: NatTables>(tables: &T, headers: &mut Headers, id: ContainerId, ends: &mut Ends) -> Look {
    let is_whole = headers.fragment == Part::Whole && headers.kind == Kind::Ports;
    let to = headers.to();
    if !is_whole || tables.address(&to.address) != Some(ContainerId::HOST) {
        return Look::Known(Answer::AsItIs);
    }
    let named = tables.translated(headers, Which::Destination, &mut ends.destination);
    if named == id {
        Look::Known(go_on(tables, headers, ends))
    } else if named.is_container() {
        Look::Known(Answer::AsItIs)
    } else if tables.published(headers, &mut ends.destination) == id {
        Look::Known(ask(tables, headers, id, ends))
    } else {
        answer(tables, headers, id, ends)
    }
}

/// To what was published, in a flow that has a name.
#[inline(always)]
fn go_on<T: NatTables>(tables: &T, headers: &Headers, ends: &mut Ends) -> Answer {
    // Of a flow whose other end is the node, that is what has been found beside the address that this packet comes from.
    let as_node = End { address: headers.destination, port: headers.source_port };
    if ends.destination != as_node.into()
        || !tables.translated(headers, Which::Source, &mut ends.destination).is_container()
    {
        return Answer::AsItIs;
    }
    ends.source = as_node.into();
    Answer::Translated
}

/// To what is published.
#[inline(always)]
fn ask<T: NatTables>(tables: &T, headers: &mut Headers, id: ContainerId, ends: &mut Ends) -> Answer {
    let from = headers.from();
    if ends.destination.address != from.address {
        return Answer::AsItIs;
    }
    ends.source = End { address: headers.destination, port: from.port }.into();
    headers.put(Which::Source, ends.source.into());
    let answer = tables.go_in(headers, &ends.destination, id);
    headers.put(Which::Source, from);
    answer
}

/// From what is published.
#[inline(always)]
fn answer<T: NatTables>(tables: &T, headers: &Headers, id: ContainerId, ends: &mut Ends) -> Look {
    let look = tables.outside(headers, Sender { id, is_masqueraded: false }, &mut ends.source);
    let is_asked = match look {
        Look::Known(answer) => answer == Answer::Translated,
        Look::Nameless(_) => tables.awaits(headers, id, &mut ends.source),
    };
    // Others that have asked are somewhere else than what they have asked.
    if !is_asked || ends.source.address != headers.destination {
        return Look::Known(Answer::AsItIs);
    }
    ends.destination = End { address: headers.source, port: headers.destination_port }.into();
    look
}
