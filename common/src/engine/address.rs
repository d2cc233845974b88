//! What kind of address something is, as the routing table would tell (`inet_addr_type`, net/ipv4/fib_frontend.c).

use super::tables::Tables;
use crate::abi::{address::Address, rules::dimension::address_type as kind, units::ContainerId};

/// The kind, a value of [`address_type`](mod@crate::abi::rules::dimension::address_type), in the node's network, or in the
/// one that a container has `alone` ([`ContainerId::HOST`]: none has). Broadcast addresses of networks are not known and count as unicast.
#[inline(always)]
pub fn kind<T: Tables>(tables: &T, address: &Address, alone: ContainerId) -> u8 {
    if is_broadcast(address) {
        return kind::BROADCAST;
    }
    if address.is_group() {
        return kind::MULTICAST;
    }
    if address.is_loopback() {
        return kind::LOCAL;
    }
    let is_local = if alone == ContainerId::HOST {
        tables.address(address).is_some()
    } else {
        tables.has_address(alone, address)
    };
    if is_local { kind::LOCAL } else { kind::UNICAST }
}

/// 255.255.255.255, and all of 0.0.0.0/8.
#[inline(always)]
fn is_broadcast(address: &Address) -> bool {
    let [.., last] = address.0;
    address.is_v4() && (last == u32::MAX || u32::from_be(last) >> 24 == 0)
}
