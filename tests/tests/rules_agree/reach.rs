//! Which packets get as far as the rules: others the container's kernel drops before, or sends elsewhere.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::packet::Way;
use crate::side::LOCAL_V6;

/// Whether a packet with this source comes to the rules.
pub fn source(way: Way, address: IpAddr) -> bool {
    match (way, address) {
        (_, IpAddr::V4(address)) => {
            let first = address.octets()[0];
            // A network's broadcast address is of a type that berth does not know.
            first != 0 && first < 224 && address != Ipv4Addr::new(127, 255, 255, 255)
        }
        (Way::Out, IpAddr::V6(address)) => !is_nobody(address),
        (Way::In, IpAddr::V6(address)) => {
            !is_nobody(address) && !address.is_multicast() && !address.is_loopback()
        }
    }
}

/// Whether a packet with this destination comes to the rules.
pub fn destination(way: Way, address: IpAddr) -> bool {
    match (way, address) {
        (Way::In, IpAddr::V4(address)) => is_local(address.into()) || is_for_all(address),
        (Way::In, IpAddr::V6(address)) => {
            is_local(address.into()) || address == Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1)
        }
        (Way::Out, IpAddr::V4(address)) => {
            source(Way::In, address.into()) && !is_local(address.into()) && !address.is_loopback()
        }
        (Way::Out, IpAddr::V6(address)) => {
            source(Way::In, address.into()) && !is_local(address.into()) && !address.is_unicast_link_local()
        }
    }
}

/// Whether it is the container's.
pub fn is_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            address == Ipv4Addr::LOCALHOST || (a, b) == (10, 0) && c < 2
        }
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            (a, b, c) == (0x2001, 0xdb8, 0) && d < 2
        }
    }
}

/// Whether both sides tell the sender of a packet that they reject it: by netfilter, only where its own routes lead there;
/// berth sends it where the packet came from.
pub fn is_told(way: Way, source: IpAddr, destination: IpAddr) -> bool {
    let is_elsewhere = |address: IpAddr| {
        !is_local(address)
            && match address {
                IpAddr::V4(address) => !address.is_loopback(),
                IpAddr::V6(address) => !address.is_loopback() && !address.is_unicast_link_local(),
            }
    };
    let own = match way {
        Way::In => destination,
        Way::Out => source,
    };
    let other = if way == Way::In { source } else { destination };
    // The address of a whole network is an anycast address to IPv6, to which nobody is told anything.
    let is_network = IpAddr::from(LOCAL_V6.0) == own;
    is_local(own) && !own.is_loopback() && !is_network && is_elsewhere(other)
}

fn is_for_all(address: Ipv4Addr) -> bool {
    address.is_broadcast() || address == Ipv4Addr::new(224, 0, 0, 1)
}

/// `::`, and IPv4 addresses in the clothes of IPv6.
fn is_nobody(address: Ipv6Addr) -> bool {
    address.is_unspecified() || address.to_ipv4_mapped().is_some()
}
