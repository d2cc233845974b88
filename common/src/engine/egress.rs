//! A container sends.

use super::{
    attribute, bare,
    connection::Meeting,
    exempt, flow,
    headers::{Headers, Kind, Part, Place},
    quota,
    rules::{self, Chain},
    state,
    tables::{FlowEntry, Found, Tables, Which},
    trace::Trace,
    track::{self, Opening, Track},
    verdict::{Owner, Verdict, Way},
};
use crate::{
    abi::{
        address::Address,
        counters::Traffic,
        reason::Reason,
        units::{ContainerId, Zone},
    },
    wire::{Packet, arp::Arp, ether::EtherType},
};

/// What becomes of the packet `headers` that a socket of `sender` sends into `zone`. It is counted in its flow if
/// `traffic` is given; the sender's rules are asked unless they have been.
#[inline(always)]
pub fn send<T: Tables, P: Packet>(
    tables: &T,
    (packet, headers): (&P, &Headers),
    from: (ContainerId, Zone),
    asks_rules: bool,
    traffic: Option<Traffic>,
) -> Verdict {
    let (owner, zone) = (Owner::new(from.0, Way::Cgroup), from.1);
    let chain = if asks_rules { Some(Chain::Output) } else { None };
    let seen = if asks_rules { Trace::None } else { Trace::Judged };
    match judge(tables, (packet, headers), from, (seen, traffic)) {
        Ok(track) => rules::settle(tables, (packet, headers), (owner, zone), chain, (track, traffic)),
        Err(reason) => Verdict::because(owner, reason),
    }
}

/// Whether a raw or packet socket of `sender` speaks for a socket of somebody else's. A flow of the sender's is no
/// excuse, since it may outlive the socket it was opened by, or have had none.
#[inline(always)]
pub fn speaks_for_another<T: Tables>(
    tables: &T,
    headers: &Headers,
    (sender, zone): (ContainerId, Zone),
) -> Reason {
    let has_ports = headers.kind == Kind::Ports && headers.fragment != Part::Later;
    if !has_ports || !may_use(tables, &headers.source, sender, zone) {
        return Reason::None;
    }
    match claim(tables, headers, sender) {
        Ok(_) => Reason::None,
        Err(reason) => reason,
    }
}

/// A socket of the host sends. If a container had a flow there, that is over: the host's sockets reserve nothing, but
/// the kernel would not have given this one its port while a socket of the container's was open.
#[inline(always)]
pub fn by_host<T: Tables>(tables: &T, headers: &Headers, zone: Zone) {
    if headers.kind != Kind::Ports {
        return;
    }
    if let Some(hit) = flow::find(tables, headers, Place::in_zone(zone)) {
        if hit.sender().is_container() {
            flow::end(tables, &hit.entry);
        }
    }
}

/// The kernel sends a packet of a container's connection, which no other hook sees; tells whether it has moved that on, and was
/// counted in it.
#[inline(always)]
pub fn by_kernel<T: Tables, P: Packet>(
    tables: &T,
    (packet, headers): (&P, &Headers),
    zone: Zone,
    traffic: Traffic,
) -> bool {
    if !state::has_phases(headers.protocol) || headers.fragment != Part::Whole {
        return false;
    }
    let Some(hit) = flow::find(tables, headers, Place::in_zone(zone)) else { return false };
    let seen = (Trace::None, Some(traffic));
    hit.sender().is_container() && flow::touch(tables, &hit, (packet, headers), seen) == Meeting::GoesOn
}

/// What becomes of a frame of `sender` that is neither IPv4 nor IPv6.
#[inline(always)]
pub fn send_non_ip<T: Tables, P: Packet>(
    tables: &T,
    packet: &P,
    kind: EtherType,
    offset: u32,
    sender: ContainerId,
) -> Reason {
    if kind != EtherType::ARP || !Arp::read(packet, offset).is_some_and(|arp| arp.is_probe()) {
        return Reason::NonIp;
    }
    if quota::control_allowed(tables, sender) { Reason::None } else { Reason::ControlRate }
}

#[inline(always)]
fn judge<T: Tables, P: Packet>(
    tables: &T,
    (packet, headers): (&P, &Headers),
    (sender, zone): (ContainerId, Zone),
    seen: (Trace, Option<Traffic>),
) -> Result<Track<T::Flow>, Reason> {
    let exempt = exempt::outgoing(tables, headers, sender);
    // What is sent before there is an address comes from none; all else comes from the sender's own.
    let addressed = exempt.is_none() || !headers.source.is_wildcard();
    if addressed
        && exempt.unwrap_or(Reason::None) == Reason::None
        && !may_use(tables, &headers.source, sender, zone)
    {
        return Err(Reason::SpoofedSource);
    }
    match exempt {
        Some(Reason::None) => return Ok(Track::NONE),
        Some(reason) => return Err(reason),
        None => {}
    }
    if headers.is_cut_off() {
        return Err(Reason::Malformed);
    }
    // The first fragment of it was judged, or will be; without that one nobody can put it together.
    if headers.fragment == Part::Later {
        return Ok(Track::NONE);
    }
    match headers.kind {
        Kind::Bare | Kind::Link => Ok(bare::send(tables, (packet, headers), (sender, zone), seen)),
        Kind::IcmpError => about_another(tables, packet, headers, sender, zone),
        Kind::Ports | Kind::Query | Kind::Key => own(tables, (packet, headers), (sender, zone), seen),
    }
}

/// Whether `sender` may use this source address.
#[inline(always)]
fn may_use<T: Tables>(tables: &T, source: &Address, sender: ContainerId, zone: Zone) -> bool {
    if source.is_loopback() && zone != Zone::LOCAL {
        return false;
    }
    match tables.address(source) {
        Some(owner) => owner == ContainerId::HOST || owner == sender,
        None => source.is_loopback(),
    }
}

/// An ICMP error may be sent about packets that the sender itself could have received.
#[inline(always)]
fn about_another<T: Tables, P: Packet>(
    tables: &T,
    packet: &P,
    headers: &Headers,
    sender: ContainerId,
    zone: Zone,
) -> Result<Track<T::Flow>, Reason> {
    match tables.quoted_end(packet, headers, zone, Which::Destination) {
        owner if owner == sender => Ok(Track::RELATED),
        ContainerId::UNOWNED => Ok(Track::NONE),
        _ => Err(Reason::Hijack),
    }
}

/// The packet must be on a flow of the sender's, or open (or take over) one that nobody else has a claim to.
#[inline(always)]
fn own<T: Tables, P: Packet>(
    tables: &T,
    (packet, headers): (&P, &Headers),
    (sender, zone): (ContainerId, Zone),
    seen: (Trace, Option<Traffic>),
) -> Result<Track<T::Flow>, Reason> {
    let opening = if zone == Zone::LOCAL { Opening::INSIDE } else { Opening::SENT };
    let hit = flow::find(tables, headers, Place::in_zone(zone));
    if let Some(hit) = &hit {
        let ours = hit.sender() == sender;
        if ours && flow::voided_by(tables, hit, headers, (sender, Which::Source)).is_none() {
            return Ok(track::go_on(tables, hit, (packet, headers), seen, opening));
        }
    }
    let claim = claim(tables, headers, sender)?;
    let Some(container) = tables.container(sender) else {
        return Err(Reason::NotOwner);
    };
    if let Some(hit) = hit {
        if claim == Claim::Nobody && hit.sender() != ContainerId::UNOWNED {
            return Err(another_owns(headers));
        }
        // The flow is somebody else's. Whoever has the port or the socket now has it rightly: the kernel would not have
        // given it while the former owner's socket was open.
        if !hit.from_opener && hit.entry.opener().is_container() {
            hit.entry.change_responder(hit.sender(), sender);
            return Ok(track::go_on(tables, &hit, (packet, headers), seen, opening));
        }
    }
    if claim == Claim::Reserved && !container.mode().tracks_everything() {
        return Ok(Track::NONE);
    }
    Ok(Track::opening(if hit.is_some() { opening.taking_over() } else { opening }))
}

/// What entitles a sender to its local end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Claim {
    /// It has reserved the port.
    Reserved,
    /// Its socket is there.
    Socket,
    /// Nobody has anything there.
    Nobody,
}

/// Whether `sender` may speak from the packet's local end: neither another's reservation nor another's socket (the
/// host's included) is there.
#[inline(always)]
fn claim<T: Tables>(tables: &T, headers: &Headers, sender: ContainerId) -> Result<Claim, Reason> {
    let holder = tables.port_holder(headers, Which::Source);
    if holder == Some(sender) {
        return Ok(Claim::Reserved);
    }
    match (attribute::socket(tables, headers, Which::Source), holder) {
        // A connection of its own, beside which the kernel has let another bind.
        (Found::Container(id), _) if id == sender => Ok(Claim::Socket),
        (_, Some(_)) => Err(Reason::PortReserved),
        (Found::Nothing, None) => Ok(Claim::Nobody),
        (Found::Container(_) | Found::Other, None) => Err(Reason::Hijack),
    }
}

/// The reason for which a container is refused that sends on somebody else's flow.
#[inline(always)]
const fn another_owns(headers: &Headers) -> Reason {
    match headers.kind {
        Kind::Query => Reason::IcmpIdInUse,
        Kind::Ports | Kind::Key | Kind::IcmpError | Kind::Link | Kind::Bare => Reason::Hijack,
    }
}
