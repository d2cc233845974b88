//! A packet arrives: at an uplink, at a socket, or from a container's own interface.

use super::{
    attribute, bare, exempt, flow,
    headers::{Headers, Kind, Part, Place},
    rules::{self, Chain},
    spoof::{self, Course},
    tables::{Found, Tables, Which},
    trace::Trace,
    track::{self, Opening, Track},
    verdict::{Owner, Verdict, Way},
};
use crate::{
    abi::{
        container::Container,
        counters::Traffic,
        fragment::Fragment,
        reason::Reason,
        units::{ContainerId, Nanos, Zone},
    },
    wire::{Packet, ether::EtherType},
};

/// How long what was decided for a first fragment holds for later ones. The kernel gives up reassembly after 30 s
/// (`ipfrag_time`).
pub const FRAGMENT_LIFETIME: Nanos = Nanos::seconds(30);

/// Whose a packet is that arrives at an uplink, and whether it goes on.
#[inline(always)]
pub fn arrive<T: Tables, P: Packet>(
    tables: &T,
    (packet, headers): (&P, &Headers),
    zone: Zone,
    seen: Trace,
    traffic: Traffic,
) -> Verdict {
    let (owner, track) = attribute::arriving(tables, (packet, headers), zone, (seen, Some(traffic)));
    let passes_on = is_judged_elsewhere(tables, owner);
    let tracks = tables.container(owner.id).is_some_and(|container| container.mode().tracks_everything());
    let enters = tracks && !passes_on && may_enter(headers, owner);
    let track =
        if enters { enter(tables, (packet, headers), zone, owner.id, (seen, Some(traffic))) } else { track };
    let track = if seen == Trace::Notice { Track::NOTICE } else { track };
    let chain = if passes_on { None } else { Some(Chain::Input) };
    let verdict = match unowned(tables, headers, owner, zone) {
        Reason::None => {
            rules::settle(tables, (packet, headers), (owner, zone), chain, (track, Some(traffic)))
        }
        reason => Verdict::because(owner, reason),
    };
    remember(tables, headers, zone, verdict);
    verdict
}

/// Whether a packet on an uplink comes by its owner's own interface, too, where it is judged and tracked.
#[inline(always)]
fn is_judged_elsewhere<T: Tables>(tables: &T, owner: Owner) -> bool {
    owner.way == Way::Address
        && tables.container(owner.id).is_some_and(|container| container.flags & Container::OWN_NETWORK != 0)
}

/// Whose a packet is that leaves by an uplink without a container's socket, and whether it goes on. The owner's rules
/// are asked unless they have been.
#[inline(always)]
pub fn leave<T: Tables, P: Packet>(
    tables: &T,
    (packet, headers): (&P, &Headers),
    zone: Zone,
    seen: Trace,
    traffic: Traffic,
) -> Verdict {
    let (owner, track) = attribute::leaving(tables, (packet, headers), zone, (seen, Some(traffic)));
    let track = if seen == Trace::Notice { Track::NOTICE } else { track };
    let is_judged = seen == Trace::Judged || is_judged_elsewhere(tables, owner);
    let chain = if is_judged { None } else { Some(Chain::Output) };
    let verdict = rules::settle(tables, (packet, headers), (owner, zone), chain, (track, Some(traffic)));
    remember(tables, headers, zone, verdict);
    verdict
}

/// Whether a socket of `receiver` may have the packet it is offered. Off the uplinks it is judged here, and nowhere else.
#[inline(always)]
pub fn receive<T: Tables, P: Packet>(
    tables: &T,
    (packet, headers): (&P, &Headers),
    (receiver, zone): (ContainerId, Zone),
    seen: Trace,
    traffic: Option<Traffic>,
) -> Verdict {
    let (owner, track) = attribute::arriving(tables, (packet, headers), zone, (Trace::Judged, None));
    if owner.id != receiver && !bare::shares(tables, headers, receiver, zone) {
        return Verdict::because(Owner::new(receiver, owner.way), Reason::NotOwner);
    }
    let is_local = zone != Zone::UPLINK;
    let tracks = || tables.container(receiver).is_some_and(|container| container.mode().tracks_everything());
    let track = match seen {
        Trace::Notice => Track::NOTICE,
        // Nobody else has seen it.
        Trace::None
            if is_local
                && owner.id == receiver
                && (owner.way == Way::Flow || (may_enter(headers, owner) && tracks())) =>
        {
            enter(tables, (packet, headers), zone, receiver, (seen, traffic))
        }
        Trace::None | Trace::Judged => track,
    };
    let chain = if is_local { Some(Chain::Input) } else { None };
    let owner = Owner::new(receiver, owner.way);
    rules::settle(tables, (packet, headers), (owner, zone), chain, (track, traffic))
}

/// What becomes of `verdict` at a raw socket. A flow may outlive the socket it was opened by, or have had none; whoever
/// has a socket there now is the one who is spoken to.
///
/// A function of its own in the kernel, too, for the sake of the stack that it takes.
#[inline(never)]
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
pub fn on_interface<T: Tables, P: Packet>(
    tables: &T,
    (packet, headers): (&P, &Headers),
    (container, inward): (ContainerId, bool),
    seen: Trace,
    traffic: Traffic,
) -> Verdict {
    let owner = Owner::new(container, Way::Interface);
    let Some(entry) = tables.container(container) else {
        return Verdict::pass(owner);
    };
    // A notice is berth's own.
    let is_held = seen != Trace::Notice && spoof::concerns(headers, entry.flags, inward);
    let course = if is_held { tables.course(packet, headers, (container, inward)) } else { Ok(Course::Ends) };
    let course = match course {
        Ok(course) => course,
        Err(reason) => return Verdict::because(owner, reason),
    };
    let opening = if inward { Opening::RECEIVED } else { Opening::SENT };
    let place = Place::in_zone(Zone::of(container));
    let tracks = entry.mode().tracks_everything() && headers.fragment != Part::Later;
    let track = match headers.kind {
        _ if seen == Trace::Notice => Track::NOTICE,
        _ if !tracks => Track::NONE,
        // Discovery is about no flow, errors are about another.
        Kind::Link => Track::NONE,
        Kind::IcmpError => {
            let end = if inward { Which::Source } else { Which::Destination };
            let about = tables.quoted_end(packet, headers, place.zone, end);
            if about == container { Track::RELATED } else { Track::NONE }
        }
        // All flows there are the container's, whichever end it speaks for. An entry for what begins none would make that
        // known the next time. (On the uplinks such entries remember whose it is.)
        _ => match flow::find(tables, headers, place) {
            Some(hit) => track::go_on(tables, &hit, (packet, headers), (seen, Some(traffic)), opening),
            None if track::begins(headers, tables.tcp()) => Track::opening(opening),
            None => Track::NONE,
        },
    };
    if headers.is_cut_off() {
        return Verdict::because(owner, Reason::Malformed);
    }
    let chain = match (course, inward) {
        (Course::Ends, true) => Chain::Input,
        (Course::Ends, false) => Chain::Output,
        (Course::GoesThrough, true) => Chain::Entering,
        (Course::GoesThrough, false) => Chain::Leaving,
    };
    rules::settle(tables, (packet, headers), (owner, place.zone), Some(chain), (track, Some(traffic)))
}

/// A frame on a container's own interface that rules cannot be asked about. If it is of IP, of which nothing can be read, it goes
/// no further.
#[inline(always)]
pub fn unread_on_interface<T: Tables, P: Packet>(
    tables: &T,
    packet: &P,
    (kind, offset): (EtherType, u32),
    whose: (ContainerId, bool),
) -> Verdict {
    let reason = if kind == EtherType::IPV4 || kind == EtherType::IPV6 {
        Reason::Malformed
    } else {
        tables.refuses_frame(packet, (kind, offset), whose)
    };
    Verdict::because(Owner::new(whose.0, Way::Interface), reason)
}

/// What decides against the packet without rules: it is for nobody, or a fragment of one that was dropped, or of one that rules
/// cannot be asked about.
#[inline(always)]
fn unowned<T: Tables>(tables: &T, headers: &Headers, owner: Owner, zone: Zone) -> Reason {
    match owner.way {
        _ if owner.id.is_container() && headers.is_cut_off() => Reason::Malformed,
        Way::None => {
            let refused = tables.drops_unowned()
                && headers.fragment != Part::Later
                && !exempt::arriving_for_nobody(headers);
            if refused { Reason::Unowned } else { Reason::None }
        }
        Way::Fragment => first_fragments_reason(tables, headers, zone),
        _ => Reason::None,
    }
}

/// Whether a packet that is in no flow of its owner's may begin one.
#[inline(always)]
fn may_enter(headers: &Headers, owner: Owner) -> bool {
    matches!(owner.way, Way::Port | Way::Address | Way::Socket)
        && !bare::is_bare(headers)
        && headers.kind != Kind::IcmpError
}

/// The flow of a packet: it goes on, or is to begin.
#[inline(always)]
fn enter<T: Tables, P: Packet>(
    tables: &T,
    (packet, headers): (&P, &Headers),
    zone: Zone,
    receiver: ContainerId,
    seen: (Trace, Option<Traffic>),
) -> Track<T::Flow> {
    match flow::find(tables, headers, Place::in_zone(zone)) {
        Some(hit) if hit.receiver() == receiver => {
            track::go_on(tables, &hit, (packet, headers), seen, Opening::RECEIVED)
        }
        // Its port has been taken since.
        Some(_) => Track::opening(Opening::RECEIVED.taking_over()),
        None => Track::opening(Opening::RECEIVED),
    }
}

/// Later fragments share the first one's fate.
#[inline(always)]
fn first_fragments_reason<T: Tables>(tables: &T, headers: &Headers, zone: Zone) -> Reason {
    tables.first_fragment(headers, zone).map_or(Reason::None, |first| Reason::from_number(first.reason as u8))
}

#[inline(always)]
fn remember<T: Tables>(tables: &T, headers: &Headers, zone: Zone, verdict: Verdict) {
    if headers.fragment != Part::First {
        return;
    }
    let expires = tables.now().after(FRAGMENT_LIFETIME);
    let fragment = Fragment { expires, owner: verdict.owner.id, reason: verdict.reason as u32 };
    tables.remember_fragment(headers, zone, &fragment);
}
