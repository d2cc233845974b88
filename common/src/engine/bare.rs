//! Protocols that are known by their addresses only (ESP, OSPF, GRE without key, …), and ICMP of the link.
//!
//! They have no port that could be somebody's alone. The first sender to a pair of addresses opens the pair's flow and
//! is counted for what arrives; every further sender gets an entry of its own beside it, which lets its sockets see
//! what arrives too.

use super::{
    flow::{self, Parties},
    headers::{Headers, Kind},
    tables::Tables,
};
use crate::abi::{
    counters::Traffic,
    reason::Reason,
    units::{ContainerId, Zone},
};

/// Whether the packet has nothing but addresses to go by.
#[inline(always)]
pub const fn is_bare(headers: &Headers) -> bool {
    matches!(headers.kind, Kind::Bare | Kind::Link)
}

/// `sender` sends to a pair of addresses.
#[inline(always)]
pub fn send<T: Tables>(
    tables: &T,
    headers: &Headers,
    sender: ContainerId,
    zone: Zone,
    traffic: Option<Traffic>,
) -> Reason {
    let parties = Parties { opener: sender, responder: ContainerId::UNOWNED };
    let pair = headers.place(zone);
    let Some(hit) = flow::find(tables, &pair) else {
        return flow::open(tables, headers, &pair, &parties, traffic);
    };
    if hit.sender() == sender {
        flow::touch(tables, &hit, headers, traffic);
        return Reason::None;
    }
    let own = flow::shared_place(headers, zone, sender);
    match flow::find(tables, &own) {
        Some(hit) => {
            flow::touch(tables, &hit, headers, traffic);
            Reason::None
        }
        None => flow::open(tables, headers, &own, &parties, traffic),
    }
}

/// Whether `receiver` shares the pair of addresses that the packet arrives on.
#[inline(always)]
pub fn shares<T: Tables>(tables: &T, headers: &Headers, receiver: ContainerId, zone: Zone) -> bool {
    if !is_bare(headers) {
        return false;
    }
    let own = flow::shared_place(headers, zone, receiver);
    flow::find(tables, &own).is_some()
}
