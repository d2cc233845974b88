//! Stage 2: whose a packet is (design §4), where no sending socket says so.

use super::{
    flow,
    headers::{Headers, Kind, Part, Place},
    parse,
    tables::{Found, Tables, Which},
    trace::Trace,
    track::{self, Opening, Track},
    verdict::{Owner, Way},
};
use crate::{
    abi::{
        address::Address,
        counters::Traffic,
        units::{ContainerId, Protocol, Zone},
    },
    wire::Packet,
};

/// Whose a packet is that arrives, and where it stands in its flow. If it belongs to one, it moves that on unless it has been
/// seen, and is counted in it if traffic is given.
#[inline(always)]
pub fn arriving<T: Tables, P: Packet>(
    tables: &T,
    (packet, headers): (&P, &Headers),
    zone: Zone,
    seen: (Trace, Option<Traffic>),
) -> (Owner, Track<T::Flow>) {
    if headers.fragment == Part::Later {
        return (later_fragment(tables, headers, zone, headers.to().address), Track::NONE);
    }
    let place = Place::in_zone(zone);
    if let Some(hit) = flow::find(tables, headers, place) {
        let holder = hit.receiver();
        if holder.is_container() {
            if let Some(other) = flow::voided_by(tables, &hit, headers, (holder, Which::Destination)) {
                return (Owner::new(other, Way::Port), Track::NONE);
            }
            let track = track::go_on(tables, &hit, (packet, headers), seen, Opening::RECEIVED);
            return (Owner::new(holder, Way::Flow), track);
        }
    }
    if headers.kind == Kind::IcmpError {
        // The quoted packet went the other way: its source is the local end.
        let owner = tables.quoted_end(packet, headers, zone, Which::Source);
        if owner != ContainerId::UNOWNED {
            return (Owner::new(owner, Way::Related), Track::RELATED);
        }
    }
    (receiver(tables, headers), Track::NONE)
}

/// Whose a packet of no flow is that arrives.
#[inline(always)]
fn receiver<T: Tables>(tables: &T, headers: &Headers) -> Owner {
    if let Some(holder) = tables.port_holder(headers, Which::Destination) {
        return Owner::new(holder, Way::Port);
    }
    if let Some(owner) = own_address(tables, &headers.to().address) {
        return Owner::new(owner, Way::Address);
    }
    match socket(tables, headers, Which::Destination) {
        Found::Container(id) => Owner::new(id, Way::Socket),
        Found::Other => Owner::new(ContainerId::HOST, Way::Socket),
        Found::Nothing => Owner::NOBODY,
    }
}

/// Whose a packet is that leaves without a container's socket: one of the kernel, of the host, or forwarded. It is
/// never a hijack.
#[inline(always)]
pub fn leaving<T: Tables, P: Packet>(
    tables: &T,
    (packet, headers): (&P, &Headers),
    zone: Zone,
    seen: (Trace, Option<Traffic>),
) -> (Owner, Track<T::Flow>) {
    if headers.fragment == Part::Later {
        let owner = match later_fragment(tables, headers, zone, headers.from().address) {
            Owner { id: ContainerId::UNOWNED, .. } => Owner::new(ContainerId::HOST, Way::None),
            owner => owner,
        };
        return (owner, Track::NONE);
    }
    let place = Place::in_zone(zone);
    if let Some(hit) = flow::find(tables, headers, place) {
        let holder = hit.sender();
        if holder.is_container() {
            if let Some(other) = flow::voided_by(tables, &hit, headers, (holder, Which::Source)) {
                return (Owner::new(other, Way::Port), Track::NONE);
            }
            let track = track::go_on(tables, &hit, (packet, headers), seen, Opening::SENT);
            return (Owner::new(holder, Way::Flow), track);
        }
    }
    if headers.kind == Kind::IcmpError {
        // The quoted packet came from outside: its destination is the local end.
        let owner = tables.quoted_end(packet, headers, zone, Which::Destination);
        if owner != ContainerId::UNOWNED {
            return (Owner::new(owner, Way::Related), Track::RELATED);
        }
    }
    (sender(tables, headers), Track::NONE)
}

/// Whose a packet of no flow is that leaves without a container's socket.
#[inline(always)]
fn sender<T: Tables>(tables: &T, headers: &Headers) -> Owner {
    if let Some(holder) = tables.port_holder(headers, Which::Source) {
        return Owner::new(holder, Way::Port);
    }
    match tables.address(&headers.from().address) {
        Some(owner) if owner.is_container() => Owner::new(owner, Way::Address),
        // A listener that was never bound has no reservation, and its SYN cookies carry no socket.
        Some(_) if headers.protocol == Protocol::TCP => match socket(tables, headers, Which::Source) {
            Found::Container(id) => Owner::new(id, Way::Socket),
            Found::Other | Found::Nothing => Owner::new(ContainerId::HOST, Way::None),
        },
        _ => Owner::new(ContainerId::HOST, Way::None),
    }
}

/// As [`Tables::quoted_end`]: whose one end (the local one) is of the packet that an ICMP error quotes.
#[inline(always)]
pub fn quoted_end<T: Tables, P: Packet>(
    tables: &T,
    packet: &P,
    headers: &Headers,
    zone: Zone,
    end: Which,
) -> ContainerId {
    let mut inner = Headers::EMPTY;
    if parse::quoted(packet, headers, &mut inner) {
        end_of_quoted(tables, headers, &inner, (zone, end))
    } else {
        ContainerId::UNOWNED
    }
}

/// The same, once the packet that is quoted has been read.
#[inline(always)]
pub fn end_of_quoted<T: Tables>(
    tables: &T,
    headers: &Headers,
    inner: &Headers,
    (zone, end): (Zone, Which),
) -> ContainerId {
    // What arrives must have been sent from where it arrives, as conntrack demands.
    if end == Which::Source && inner.source != headers.destination {
        return ContainerId::UNOWNED;
    }
    local_end(tables, inner, zone, end)
}

/// Whose the local `end` of a packet is: by flow, reservation, or socket.
#[inline(always)]
fn local_end<T: Tables>(tables: &T, headers: &Headers, zone: Zone, end: Which) -> ContainerId {
    if let Some(hit) = flow::find(tables, headers, Place::in_zone(zone)) {
        let holder = match end {
            Which::Source => hit.sender(),
            Which::Destination => hit.receiver(),
        };
        if holder.is_container() {
            return flow::voided_by(tables, &hit, headers, (holder, end)).unwrap_or(holder);
        }
    }
    if let Some(holder) = tables.port_holder(headers, end) {
        return holder;
    }
    match socket(tables, headers, end) {
        Found::Container(id) => id,
        Found::Other => ContainerId::HOST,
        Found::Nothing => ContainerId::UNOWNED,
    }
}

/// Whose the end is that `headers` goes to, if it is on this node: by reservation, address or socket.
#[inline(always)]
pub fn far_end<T: Tables>(tables: &T, headers: &Headers) -> ContainerId {
    if let Some(holder) = tables.port_holder(headers, Which::Destination) {
        return holder;
    }
    if let Some(owner) = own_address(tables, &headers.to().address) {
        return owner;
    }
    match socket(tables, headers, Which::Destination) {
        Found::Container(id) => id,
        Found::Other => ContainerId::HOST,
        Found::Nothing => ContainerId::UNOWNED,
    }
}

/// Whose socket is at one end of a packet, for protocols whose sockets can be looked up.
#[inline(always)]
pub fn socket<T: Tables>(tables: &T, headers: &Headers, end: Which) -> Found {
    if headers.kind == Kind::Ports { tables.socket(headers, end) } else { Found::Nothing }
}

/// A later fragment has no ports: it follows the first of its packet, or else belongs to whoever has the address.
#[inline(always)]
fn later_fragment<T: Tables>(tables: &T, headers: &Headers, zone: Zone, local: Address) -> Owner {
    match tables.first_fragment(headers, zone) {
        Some(first) => Owner::new(first.owner, Way::Fragment),
        None => match own_address(tables, &local) {
            Some(owner) => Owner::new(owner, Way::Address),
            None => Owner::NOBODY,
        },
    }
}

#[inline(always)]
fn own_address<T: Tables>(tables: &T, address: &Address) -> Option<ContainerId> {
    if !tables.has_container_addresses() {
        return None;
    }
    tables.address(address).filter(|owner| owner.is_container())
}
