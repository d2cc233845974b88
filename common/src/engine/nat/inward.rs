//! What arrives at an uplink, or comes from a container, for another container.

use super::{
    super::{
        headers::{Headers, Kind, Part, Place},
        tables::{FlowEntry, Which, Word},
    },
    Answer, NatTables, PENDING_LIFETIME, TranslationEntry, is_of_key, other_end, outward, own, stamp_of_flow,
};
use crate::abi::{
    container::Mode,
    flow::{End, FlowKey},
    nat::{NatEnd, NatPending},
    port::PortKey,
    reason::Reason,
    units::{ContainerId, Protocol, Zone},
};

/// Where a packet goes that has arrived at an uplink, or comes from container `from`, if it is for another container: that end is written
/// to `inner`. ICMP errors are [about](arrive_about) others.
#[inline(always)]
pub fn arrive<T: NatTables>(
    tables: &T,
    headers: &mut Headers,
    from: ContainerId,
    inner: &mut NatEnd,
) -> Answer {
    if headers.fragment == Part::Later {
        let follows = tables.follow_first(headers, Zone::UPLINK, inner);
        return if follows { Answer::Translated } else { Answer::AsItIs };
    }
    let is_known = tables.translated(headers, Which::Destination, inner).is_container();
    let id = if is_known { ContainerId::UNOWNED } else { tables.published(headers, inner) };
    // Who asks himself is [reflected](super::reflect), where he can be.
    let asks_himself = if is_known { inner.address == headers.destination } else { id == from };
    let is_for_nobody = !is_known && id == ContainerId::UNOWNED;
    if is_for_nobody || asks_himself || tables.is_forged(headers, from) {
        return Answer::AsItIs;
    }
    let answer = if is_known { Answer::Translated } else { tables.go_in(headers, inner, id) };
    if answer == Answer::Translated && headers.fragment == Part::First {
        tables.note_first(headers, Zone::UPLINK, inner);
    }
    answer
}

/// The same for an ICMP error about a packet that has left by the uplink, of which these are the headers; tells whether it was for
/// such a container.
#[inline(always)]
pub fn arrive_about<T: NatTables>(tables: &T, quoted: &Headers, inner: &mut NatEnd) -> bool {
    quoted.fragment != Part::Later && tables.translated(quoted, Which::Source, inner).is_container()
}

/// As [`NatTables::is_forged`].
#[inline(always)]
pub fn is_forged<T: NatTables>(tables: &T, headers: &Headers, from: ContainerId) -> bool {
    let source = headers.from();
    tables.address(&source.address).is_some_and(|owner| owner != from)
}

/// As [`NatTables::translated`].
#[inline(always)]
pub fn translated<T: NatTables>(
    tables: &T,
    headers: &Headers,
    local: Which,
    inner: &mut NatEnd,
) -> ContainerId {
    let key = Place::in_zone(Zone::UPLINK).key(headers);
    let Some(name) = tables.name(&key) else { return ContainerId::UNOWNED };
    let number = name.load() as u32;
    let Some(flow) = tables.slot(number) else { return ContainerId::UNOWNED };
    let Some(translation) = tables.translation(number) else { return ContainerId::UNOWNED };
    // One that has left its mode, or its network, is not answered any more either.
    let id = ContainerId(flow.key_word(FlowKey::ZONE_PROTOCOL) >> 8);
    if !tables.container(id).is_some_and(|container| container.mode() == Mode::Full) {
        return ContainerId::UNOWNED;
    }
    let is_its = || is_of_key(translation.stamp().load(), stamp_of_flow(&flow));
    // If it is changed meanwhile, so is the stamp.
    if flow.expires().released() <= tables.now() || !is_its() || !translation.has_outer(&key) || !is_its() {
        return ContainerId::UNOWNED;
    }
    let remote = match local {
        Which::Source => &headers.destination,
        Which::Destination => &headers.source,
    };
    let own = own::Side::Outside.zone(Zone::of(id));
    if !tables.is_own_on() || !tables.own_end(number, remote, own, inner) {
        *inner = other_end(&flow, remote).into();
    }
    id
}

/// As [`NatTables::published`].
#[inline(always)]
pub fn published<T: NatTables>(tables: &T, headers: &Headers, inner: &mut NatEnd) -> ContainerId {
    let to = headers.to();
    // What is of one link alone is not routed.
    if headers.kind != Kind::Ports || headers.source.is_link_local() || to.address.is_link_local() {
        return ContainerId::UNOWNED;
    }
    published_at(tables, headers.protocol, &to, false, inner)
}

/// Whose published port `to` is, if it is one; then the end that it leads to is written to `inner`. Its address may be the node's without
/// being known for that, if it `is_local`.
#[inline(always)]
pub fn published_at<T: NatTables>(
    tables: &T,
    protocol: Protocol,
    to: &End,
    is_local: bool,
    inner: &mut NatEnd,
) -> ContainerId {
    if protocol != Protocol::TCP && protocol != Protocol::UDP {
        return ContainerId::UNOWNED;
    }
    let exact = tables.publication(&PortKey::new(protocol, to.address, to.port));
    let published = match exact {
        Some(published) => published,
        None if is_local || tables.address(&to.address) == Some(ContainerId::HOST) => {
            let key = PortKey::new(protocol, to.address.wildcard(), to.port);
            let Some(published) = tables.publication(&key) else { return ContainerId::UNOWNED };
            published
        }
        None => return ContainerId::UNOWNED,
    };
    let (id, generation) = (published.container, published.generation);
    let is_open = tables
        .container(id)
        .is_some_and(|container| container.generation == generation && container.mode() == Mode::Full);
    *inner = published.end;
    if is_open { id } else { ContainerId::UNOWNED }
}

/// As [`NatTables::go_in`].
#[inline(always)]
pub fn go_in<T: NatTables>(tables: &T, headers: &mut Headers, inner: &NatEnd, id: ContainerId) -> Answer {
    let to = headers.to();
    headers.put(Which::Destination, (*inner).into());
    let place = Place::in_zone(Zone::of(id));
    // The same client may have come to the same port of the container's by another one that is published.
    let is_taken = outward::live(tables, headers, place.zone).is_some_and(|slot| {
        let stamp = tables.translation(slot.number).map_or(0, |translation| translation.stamp().load());
        is_of_key(stamp, stamp_of_flow(&slot.flow))
    });
    if !is_taken {
        let expires = tables.now().after(PENDING_LIFETIME);
        tables.note_pending(&place.key(headers), &NatPending { expires, end: to.into(), owner: id });
    }
    headers.put(Which::Destination, to);
    if is_taken { Answer::Dropped(id, Reason::NatPorts) } else { Answer::Translated }
}
