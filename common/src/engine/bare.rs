//! Protocols that are known by their addresses only (ESP, OSPF, GRE without key, …), and ICMP of the link.
//!
//! They have no port that could be somebody's alone. The first sender to a pair of addresses opens the pair's flow and
//! is counted for what arrives; every further sender gets an entry of its own beside it, which lets its sockets see
//! what arrives too.

use super::{
    flow,
    headers::{Headers, Kind, Place},
    tables::Tables,
    trace::Trace,
    track::{self, Opening, Track},
};
use crate::{
    abi::{
        counters::Traffic,
        units::{ContainerId, Zone},
    },
    wire::Packet,
};

/// Whether the packet has nothing but addresses to go by.
#[inline(always)]
pub const fn is_bare(headers: &Headers) -> bool {
    matches!(headers.kind, Kind::Bare | Kind::Link)
}

/// `sender` sends to a pair of addresses: the flow that this belongs to, or opens.
#[inline(always)]
pub fn send<T: Tables, P: Packet>(
    tables: &T,
    (packet, headers): (&P, &Headers),
    (sender, zone): (ContainerId, Zone),
    seen: (Trace, Option<Traffic>),
) -> Track<T::Flow> {
    let pair = Place::in_zone(zone);
    let Some(hit) = flow::find(tables, headers, pair) else {
        return Track::opening(Opening::SENT);
    };
    if hit.sender() == sender {
        return track::go_on(tables, &hit, (packet, headers), seen, Opening::SENT);
    }
    let own = Place::shared(zone, sender);
    match flow::find(tables, headers, own) {
        Some(hit) => track::go_on(tables, &hit, (packet, headers), seen, Opening::BESIDE),
        None => Track::opening(Opening::BESIDE),
    }
}

/// Whether `receiver` shares the pair of addresses that the packet arrives on.
#[inline(always)]
pub fn shares<T: Tables>(tables: &T, headers: &Headers, receiver: ContainerId, zone: Zone) -> bool {
    if !is_bare(headers) {
        return false;
    }
    let own = Place::shared(zone, receiver);
    flow::find(tables, headers, own).is_some()
}
