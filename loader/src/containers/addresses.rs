//! Addresses of the node.

use std::net::IpAddr;

use berth_common::abi::address::Address;
use netlink_packet_route::{
    RouteNetlinkMessage,
    address::{AddressAttribute, AddressHeaderFlags, AddressMessage, AddressScope},
};

use super::{ContainersError, error::Context as _, netlink::dump};

/// An address of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkAddress {
    /// The interface's index.
    pub ifindex: u32,
    /// The address.
    pub address: IpAddr,
    /// How many leading bits it shares with all addresses of its network.
    pub prefix: u8,
}

impl LinkAddress {
    /// Whether an address is in the same network.
    pub fn is_beside(&self, other: IpAddr) -> bool {
        let masked = |address: IpAddr| Address::from(address).masked(self.prefix);
        self.address.is_ipv6() == other.is_ipv6() && masked(self.address) == masked(other)
    }
}

/// All addresses of all interfaces, `lo`'s included, of the calling thread's network namespace; sorted.
pub fn addresses() -> Result<Vec<IpAddr>, ContainersError> {
    let mut addresses: Vec<IpAddr> = messages()?.iter().filter_map(local).collect();
    addresses.sort_unstable();
    addresses.dedup();
    Ok(addresses)
}

/// The addresses that new conversations with other hosts may come from, in the kernel's order.
pub fn source_addresses() -> Result<Vec<LinkAddress>, ContainersError> {
    let messages = messages()?;
    let sources = messages.iter().filter(|message| is_source(message));
    Ok(sources
        .filter_map(|message| {
            let (ifindex, prefix) = (message.header.index, message.header.prefix_len);
            Some(LinkAddress { ifindex, address: local(message)?, prefix })
        })
        .collect())
}

fn messages() -> Result<Vec<AddressMessage>, ContainersError> {
    let all = RouteNetlinkMessage::GetAddress(AddressMessage::default());
    let answers = dump(libc::NETLINK_ROUTE, all).context(|| "list the node's addresses".to_owned())?;
    Ok(answers
        .into_iter()
        .filter_map(|answer| match answer {
            RouteNetlinkMessage::NewAddress(message) => Some(message),
            _ => None,
        })
        .collect())
}

/// Whether it is one that lasts, and means the same everywhere.
fn is_source(message: &AddressMessage) -> bool {
    // Of IPv6, the first one says that it is a temporary one (linux/if_addr.h).
    let unfit = AddressHeaderFlags::Secondary
        | AddressHeaderFlags::Deprecated
        | AddressHeaderFlags::Tentative
        | AddressHeaderFlags::Dadfailed;
    message.header.scope == AddressScope::Universe && !message.header.flags.intersects(unfit)
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

    #[test]
    fn conversations_come_from_addresses_that_last() {
        use AddressHeaderFlags as Flags;
        for (scope, flags, expected) in [
            (AddressScope::Universe, Flags::Permanent, true),
            (AddressScope::Universe, Flags::empty(), true),
            (AddressScope::Universe, Flags::Permanent | Flags::Secondary, false),
            (AddressScope::Universe, Flags::Permanent | Flags::Deprecated, false),
            (AddressScope::Universe, Flags::Tentative, false),
            (AddressScope::Link, Flags::Permanent, false),
            (AddressScope::Host, Flags::Permanent, false),
        ] {
            let mut message = AddressMessage::default();
            (message.header.scope, message.header.flags) = (scope, flags);
            assert_eq!(is_source(&message), expected, "{scope:?} {flags:?}");
        }
    }

    #[test]
    fn lo_has_none_of_them() {
        assert!(addresses().unwrap().iter().any(IpAddr::is_loopback));
        assert!(!source_addresses().unwrap().iter().any(|one| one.address.is_loopback()));
    }
}
