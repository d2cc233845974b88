//! Network interfaces of the calling thread's network namespace.

use std::collections::HashMap;

use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    link::{LinkAttribute, LinkLayerType, LinkMessage},
    route::{RouteAttribute, RouteMessage, RouteType},
};

use super::{
    ContainersError,
    error::Context as _,
    netlink::{dump, link_messages},
};

/// An interface that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its name.
    pub name: String,
    /// Its index.
    pub ifindex: u32,
    /// Whether its packets begin with an Ethernet header; otherwise they begin with the IP header.
    pub ethernet: bool,
}

/// The interface of this name.
pub fn link(name: &str) -> Result<Link, ContainersError> {
    let messages = link_messages().context(|| "list the interfaces".to_owned())?;
    let message = messages
        .iter()
        .find(|message| name_of(message) == Some(name))
        .ok_or_else(|| ContainersError::NoInterface(name.to_owned()))?;
    from_message(message).ok_or_else(|| ContainersError::UnknownLinkType {
        name: name.to_owned(),
        kind: format!("{:?}", message.header.link_layer_type),
    })
}

/// All interfaces whose packets berth can read, `lo` included.
pub fn links() -> Result<Vec<Link>, ContainersError> {
    let messages = link_messages().context(|| "list the interfaces".to_owned())?;
    Ok(messages.iter().filter_map(from_message).collect())
}

/// The interfaces that a default route (IPv4 or IPv6, of any table) leads over.
pub fn default_uplinks() -> Result<Vec<Link>, ContainersError> {
    let mut indices = Vec::new();
    for family in [AddressFamily::Inet, AddressFamily::Inet6] {
        for route in routes(family)? {
            for index in outputs(&route) {
                if !indices.contains(&index) {
                    indices.push(index);
                }
            }
        }
    }
    let links = links()?;
    Ok(indices
        .into_iter()
        .filter_map(|index| links.iter().find(|link| link.ifindex == index))
        .filter(|link| link.name != "lo")
        .cloned()
        .collect())
}

/// An interface of which others are ports, as of a bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Master {
    /// Its index.
    pub ifindex: u32,
    /// Its hardware address, if it has one of Ethernet's.
    pub address: Option<[u8; 6]>,
}

/// Which interface each one belongs to that is a port of another: by the ports' indices.
pub fn masters() -> Result<HashMap<u32, Master>, ContainersError> {
    let messages = link_messages().context(|| "list the interfaces".to_owned())?;
    let address = |ifindex: u32| {
        let master = messages.iter().find(|message| message.header.index == ifindex)?;
        hardware_address(master)?.try_into().ok()
    };
    let ports = messages.iter().filter_map(|message| Some((message.header.index, master(message)?)));
    Ok(ports.map(|(port, ifindex)| (port, Master { ifindex, address: address(ifindex) })).collect())
}

/// What a message says about an interface, if it is of a kind that berth can read.
pub(super) fn from_message(message: &LinkMessage) -> Option<Link> {
    Some(Link {
        name: name_of(message)?.to_owned(),
        ifindex: message.header.index,
        ethernet: begins_with_ethernet(message.header.link_layer_type)?,
    })
}

/// The kinds without a hardware header are those of the kernel's `dev_is_mac_header_xmit()`.
const fn begins_with_ethernet(kind: LinkLayerType) -> Option<bool> {
    match kind {
        LinkLayerType::Ether | LinkLayerType::Loopback => Some(true),
        LinkLayerType::None
        | LinkLayerType::Rawip
        | LinkLayerType::Ppp
        | LinkLayerType::Tunnel
        | LinkLayerType::Tunnel6
        | LinkLayerType::Sit
        | LinkLayerType::Ipgre
        | LinkLayerType::Ip6gre => Some(false),
        _ => None,
    }
}

fn master(message: &LinkMessage) -> Option<u32> {
    message.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::Controller(index) => Some(*index),
        _ => None,
    })
}

fn hardware_address(message: &LinkMessage) -> Option<&[u8]> {
    message.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::Address(address) => Some(address.as_slice()),
        _ => None,
    })
}

fn name_of(message: &LinkMessage) -> Option<&str> {
    message.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::IfName(name) => Some(name.as_str()),
        _ => None,
    })
}

fn routes(family: AddressFamily) -> Result<Vec<RouteMessage>, ContainersError> {
    let mut all = RouteMessage::default();
    all.header.address_family = family;
    let answers = dump(libc::NETLINK_ROUTE, RouteNetlinkMessage::GetRoute(all))
        .context(|| "list the routes".to_owned())?;
    Ok(answers
        .into_iter()
        .filter_map(|answer| match answer {
            RouteNetlinkMessage::NewRoute(route) => Some(route),
            _ => None,
        })
        .filter(|route| {
            route.header.destination_prefix_length == 0 && route.header.kind == RouteType::Unicast
        })
        .collect())
}

/// The interfaces that a route leads over.
fn outputs(route: &RouteMessage) -> Vec<u32> {
    let mut indices = Vec::new();
    for attribute in &route.attributes {
        match attribute {
            RouteAttribute::Oif(index) => indices.push(*index),
            RouteAttribute::MultiPath(hops) => {
                indices.extend(hops.iter().map(|hop| hop.interface_index));
            }
            _ => {}
        }
    }
    indices
}
