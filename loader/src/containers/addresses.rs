//! Addresses of the node.

use std::net::IpAddr;

use netlink_packet_route::{
    RouteNetlinkMessage,
    address::{AddressAttribute, AddressMessage},
};

use super::{ContainersError, error::Context as _, netlink::dump};

/// All addresses of all interfaces, `lo`'s included, of the calling thread's network namespace; sorted.
pub fn addresses() -> Result<Vec<IpAddr>, ContainersError> {
    let all = RouteNetlinkMessage::GetAddress(AddressMessage::default());
    let answers = dump(libc::NETLINK_ROUTE, all).context(|| "list the node's addresses".to_owned())?;
    let mut addresses: Vec<IpAddr> = answers
        .iter()
        .filter_map(|answer| match answer {
            RouteNetlinkMessage::NewAddress(message) => local(message),
            _ => None,
        })
        .collect();
    addresses.sort_unstable();
    addresses.dedup();
    Ok(addresses)
}

/// On a point-to-point link the other attribute is the peer's address.
fn local(message: &AddressMessage) -> Option<IpAddr> {
    let mut address = None;
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(local) => return Some(*local),
            AddressAttribute::Address(other) => address = Some(*other),
            _ => {}
        }
    }
    address
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn of_a_point_to_point_link_the_near_address_counts() {
        let (near, far) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2));
        let mut message = AddressMessage::default();
        message.attributes =
            vec![AddressAttribute::Address(far.into()), AddressAttribute::Local(near.into())];
        assert_eq!(local(&message), Some(near.into()));
        message.attributes.pop();
        assert_eq!(local(&message), Some(far.into()));
    }
}
