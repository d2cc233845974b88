//! A packet arrives: at an uplink, at a socket, or from a container's own interface.

use super::{
    attribute, bare, exempt,
    flow::{self, Parties},
    headers::{Headers, Kind, Part, Place},
    tables::{Found, Tables, Which},
    verdict::{Owner, Verdict, Way},
};
use crate::{
    abi::{
        counters::Traffic,
        fragment::Fragment,
        reason::Reason,
        units::{ContainerId, Nanos, Zone},
    },
    wire::Packet,
};

/// How long what was decided for a first fragment holds for later ones. The kernel gives up reassembly after 30 s
/// (`ipfrag_time`).
pub const FRAGMENT_LIFETIME: Nanos = Nanos::seconds(30);

/// Whose a packet is that arrives at an uplink, and whether it goes on.
#[inline(always)]
pub fn arrive<T: Tables, P: Packet>(
    tables: &T,
    packet: &P,
    headers: &Headers,
    zone: Zone,
    traffic: Traffic,
) -> Verdict {
    let owner = attribute::arriving(tables, packet, headers, zone, Some(traffic));
    let reason = judge(tables, headers, owner, zone, traffic);
    remember(tables, headers, zone, owner, reason);
    Verdict::because(owner, reason)
}

/// Whose a packet is that leaves by an uplink without a container's socket. It always goes on.
#[inline(always)]
pub fn leave<T: Tables, P: Packet>(
    tables: &T,
    packet: &P,
    headers: &Headers,
    zone: Zone,
    traffic: Traffic,
) -> Verdict {
    let owner = attribute::leaving(tables, packet, headers, zone, Some(traffic));
    remember(tables, headers, zone, owner, Reason::None);
    Verdict::pass(owner)
}

/// Whether a socket of `receiver` may have the packet it is offered.
#[inline(always)]
pub fn receive<T: Tables, P: Packet>(
    tables: &T,
    packet: &P,
    headers: &Headers,
    (receiver, zone): (ContainerId, Zone),
    traffic: Option<Traffic>,
) -> Verdict {
    let owner = attribute::arriving(tables, packet, headers, zone, traffic);
    if owner.id == receiver || bare::shares(tables, headers, receiver, zone) {
        return Verdict::pass(Owner::new(receiver, owner.way));
    }
    Verdict::because(Owner::new(receiver, owner.way), Reason::NotOwner)
}

/// What becomes of `verdict` at a raw socket. A flow may outlive the socket it was opened by, or have had none; whoever
/// has a socket there now is the one who is spoken to.
#[inline(always)]
pub fn receive_raw<T: Tables>(tables: &T, headers: &Headers, verdict: Verdict) -> Verdict {
    if !verdict.passes() || verdict.owner.way != Way::Flow {
        return verdict;
    }
    match attribute::socket(tables, headers, Which::Destination) {
        Found::Nothing => verdict,
        Found::Container(id) if id == verdict.owner.id => verdict,
        Found::Container(_) | Found::Other => Verdict::because(verdict.owner, Reason::NotOwner),
    }
}

/// A packet on a container's own interface: to it (`inward`) or from it.
#[inline(always)]
pub fn on_interface<T: Tables>(
    tables: &T,
    headers: &Headers,
    container: ContainerId,
    inward: bool,
    traffic: Traffic,
) -> Verdict {
    let owner = Owner::new(container, Way::Interface);
    let Some(entry) = tables.container(container) else {
        return Verdict::pass(owner);
    };
    // Errors are about another flow, discovery is about none.
    let has_flow = headers.fragment != Part::Later && !matches!(headers.kind, Kind::IcmpError | Kind::Link);
    if !entry.mode().tracks_everything() || !has_flow {
        return Verdict::pass(owner);
    }
    let parties = if inward {
        Parties::new(ContainerId::UNOWNED, container)
    } else {
        Parties::new(container, ContainerId::UNOWNED)
    };
    Verdict::because(owner, track(tables, headers, Zone::of(container), parties, traffic))
}

#[inline(always)]
fn judge<T: Tables>(tables: &T, headers: &Headers, owner: Owner, zone: Zone, traffic: Traffic) -> Reason {
    if owner.way == Way::None {
        let refused = tables.drops_unowned()
            && headers.fragment != Part::Later
            && !exempt::arriving_for_nobody(headers);
        return if refused { Reason::Unowned } else { Reason::None };
    }
    match owner.way {
        Way::Port | Way::Address | Way::Socket if owner.id.is_container() => {
            let tracks = tables.container(owner.id).is_some_and(|entry| entry.mode().tracks_everything());
            if !tracks || bare::is_bare(headers) || headers.kind == Kind::IcmpError {
                return Reason::None;
            }
            let parties = Parties::new(ContainerId::UNOWNED, owner.id);
            track(tables, headers, zone, parties, traffic)
        }
        Way::Fragment => first_fragments_reason(tables, headers, zone),
        _ => Reason::None,
    }
}

/// Later fragments share the first one's fate.
#[inline(always)]
fn first_fragments_reason<T: Tables>(tables: &T, headers: &Headers, zone: Zone) -> Reason {
    tables
        .fragment(&headers.fragment_key(zone))
        .map_or(Reason::None, |first| Reason::from_number(first.reason as u8))
}

/// The packet's flow goes on, or begins.
#[inline(always)]
fn track<T: Tables>(tables: &T, headers: &Headers, zone: Zone, parties: Parties, traffic: Traffic) -> Reason {
    let place = Place::in_zone(zone);
    match flow::find(tables, headers, place) {
        Some(hit) if hit.receiver() == parties.responder => {
            flow::touch(tables, &hit, headers, Some(traffic));
            Reason::None
        }
        // Its port has been taken since.
        Some(_) => tables.open_flow(headers, place, &parties.taking_over(), traffic),
        None => tables.open_flow(headers, place, &parties, traffic),
    }
}

#[inline(always)]
fn remember<T: Tables>(tables: &T, headers: &Headers, zone: Zone, owner: Owner, reason: Reason) {
    if headers.fragment != Part::First {
        return;
    }
    let fragment =
        Fragment { expires: tables.now().after(FRAGMENT_LIFETIME), owner: owner.id, reason: reason as u32 };
    tables.insert_fragment(&headers.fragment_key(zone), &fragment);
}
