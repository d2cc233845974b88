//! Packets that a network cannot do without, and those that none but its routers may send.

use super::{
    headers::{Headers, Kind},
    quota,
    tables::Tables,
};
use crate::{
    abi::{
        address::Address,
        reason::Reason,
        units::{ContainerId, Protocol},
    },
    wire::icmp,
};

const DHCP_SERVER: u16 = 67;
const DHCP_CLIENT: u16 = 68;
const DHCPV6_CLIENT: u16 = 546;
const DHCPV6_SERVER: u16 = 547;

/// What is decided about a container's packet before its ownership is looked at: nothing for ordinary packets.
#[inline(always)]
pub fn outgoing<T: Tables>(tables: &T, headers: &Headers, sender: ContainerId) -> Option<Reason> {
    if is_rogue(headers) {
        return Some(Reason::RogueServer);
    }
    link_control(tables, headers, sender)
}

/// Whether `sender` may send so much of what the link needs; nothing for other packets.
#[inline(always)]
pub fn link_control<T: Tables>(tables: &T, headers: &Headers, sender: ContainerId) -> Option<Reason> {
    if !is_link_control(headers) {
        return None;
    }
    Some(if quota::control_allowed(tables, sender) { Reason::None } else { Reason::ControlRate })
}

/// Whether a packet for nobody passes even where such packets are dropped: discovery, group membership, DHCP, and ICMP,
/// whose receivers cannot be looked up.
#[inline(always)]
pub const fn arriving_for_nobody(headers: &Headers) -> bool {
    match headers.protocol {
        Protocol::ICMP | Protocol::ICMPV6 | Protocol::IGMP => true,
        Protocol::UDP => matches!(headers.destination_port.0, DHCP_CLIENT | DHCPV6_CLIENT),
        _ => false,
    }
}

/// Router advertisements, redirects and answers of a DHCP server.
#[inline(always)]
pub const fn is_rogue(headers: &Headers) -> bool {
    match headers.kind {
        Kind::Link if headers.source.is_v4() => {
            headers.protocol.0 == Protocol::ICMP.0 && headers.detail == icmp::ROUTER_ADVERTISEMENT4
        }
        Kind::Link => {
            headers.protocol.0 == Protocol::ICMPV6.0
                && matches!(headers.detail, icmp::ROUTER_ADVERTISEMENT | icmp::REDIRECT)
        }
        Kind::IcmpError => headers.source.is_v4() && headers.detail == icmp::REDIRECT4,
        Kind::Ports => {
            headers.protocol.0 == Protocol::UDP.0
                && matches!(
                    (headers.source_port.0, headers.destination_port.0),
                    (DHCP_SERVER, DHCP_CLIENT) | (DHCPV6_SERVER, DHCPV6_CLIENT)
                )
        }
        Kind::Query | Kind::Key | Kind::Bare => false,
    }
}

/// Whether a DHCP client would take it for an answer: many do not look at where it comes from.
#[inline(always)]
pub const fn is_for_dhcp_client(headers: &Headers) -> bool {
    matches!(headers.kind, Kind::Ports)
        && headers.protocol.0 == Protocol::UDP.0
        && matches!(headers.destination_port.0, DHCP_CLIENT | DHCPV6_CLIENT)
}

/// DHCP before there is an address, duplicate address detection, router solicitation, group membership.
#[inline(always)]
pub fn is_link_control(headers: &Headers) -> bool {
    match headers.protocol {
        Protocol::UDP => {
            headers.source == Address::ANY4
                && headers.source_port.0 == DHCP_CLIENT
                && headers.destination_port.0 == DHCP_SERVER
        }
        Protocol::ICMPV6 => {
            headers.source == Address::ANY6
                && (matches!(headers.detail, icmp::NEIGHBOUR_SOLICITATION | icmp::ROUTER_SOLICITATION)
                    || icmp::is_mld(headers.detail))
        }
        Protocol::IGMP => true,
        _ => false,
    }
}
