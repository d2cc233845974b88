//! What kind of address something is, as the routing table would tell (`inet_addr_type`, net/ipv4/fib_frontend.c).

use super::tables::Tables;
use crate::abi::{address::Address, rules::dimension::address_type as kind};

/// The kind: a value of [`address_type`](mod@crate::abi::rules::dimension::address_type). Broadcast addresses of networks
/// are not known and count as unicast.
#[inline(always)]
pub fn kind<T: Tables>(tables: &T, address: &Address) -> u8 {
    if is_broadcast(address) {
        return kind::BROADCAST;
    }
    if address.is_group() {
        return kind::MULTICAST;
    }
    if address.is_loopback() || tables.address(address).is_some() { kind::LOCAL } else { kind::UNICAST }
}

/// 255.255.255.255, and all of 0.0.0.0/8.
#[inline(always)]
fn is_broadcast(address: &Address) -> bool {
    let [.., last] = address.0;
    address.is_v4() && (last == u32::MAX || u32::from_be(last) >> 24 == 0)
}
