//! Containers with networks of their own, on a bridge of the node.
//!
//! ```text
//!   node                                        guests
//!   br<net> ── br<net>p2 ────────────────────── eth0
//!   10.<net>.0.1                                10.<net>.0.2
//!   fd62:…:<net>::1                             fd62:…:<net>::2
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use anyhow::Result;

use crate::endpoint::{Endpoint as _, Host};
use crate::link::{self, End, Mac};
use crate::name;
use crate::netns::Netns;
use crate::sockets::unspecified;
use crate::topology;
use crate::wait::{self, LIMIT};

/// What guests call their interface.
pub const INSIDE: &str = "eth0";
const PREFIXES: [u8; 2] = [24, 64];

/// An Ethernet address as text.
pub fn text(mac: Mac) -> String {
    mac.map(|octet| format!("{octet:02x}")).join(":")
}

/// A bridge of the node's, with an address of each family.
#[derive(Debug)]
pub struct Bridge {
    node: Arc<Netns>,
    /// Its name.
    pub name: String,
    net: u8,
}

/// What is at one of its ports: a network of its own, behind a veth pair.
#[derive(Debug)]
pub struct Guest {
    /// Its network.
    pub host: Host,
    /// The node's side of its interface.
    pub port: String,
    /// Its Ethernet address.
    pub mac: Mac,
    /// Its addresses, IPv4 first.
    pub addresses: [IpAddr; 2],
}

impl Bridge {
    /// Makes a bridge; `net` tells its addresses from those of others.
    pub fn create(node: &Host, net: u8) -> Result<Self> {
        let bridge = Self::named(node, format!("br{net}"), net)?;
        for (address, prefix) in bridge.addresses().into_iter().zip(PREFIXES) {
            link::add_address(&bridge.node, &bridge.name, address, prefix)?;
        }
        Ok(bridge)
    }

    /// Makes another for the same addresses, of which the node itself has none there.
    pub fn twin(node: &Host, net: u8) -> Result<Self> {
        Self::named(node, format!("twin{net}"), net)
    }

    /// One that somebody else has made, with the addresses that one made here would have.
    pub fn known(node: &Host, name: &str, net: u8) -> Self {
        Self { node: Arc::clone(node.netns()), name: name.to_owned(), net }
    }

    fn named(node: &Host, name: String, net: u8) -> Result<Self> {
        let bridge = Self { node: Arc::clone(node.netns()), name, net };
        link::bridge(&bridge.node, &bridge.name, bridge.mac(1))?;
        Ok(bridge)
    }

    /// The node's own addresses there, IPv4 first.
    pub fn addresses(&self) -> [IpAddr; 2] {
        self.at(1)
    }

    /// Makes a guest, whose default routes lead to the node; `number` is the end of its addresses.
    pub fn guest(&self, number: u8) -> Result<Guest> {
        self.guest_with(number, &[])
    }

    /// Makes one that has more addresses beside its first ones: those that end in other numbers.
    pub fn guest_with(&self, number: u8, others: &[u8]) -> Result<Guest> {
        let addresses = self.at(number);
        let host = topology::host(&name::unique())?;
        let (port, mac) = (format!("{}p{number}", self.name), self.mac(number));
        let node_side = End { netns: &self.node, name: &port, mac: [2, 0x70, 0, 0, self.net, number] };
        link::wire(node_side, End { netns: host.netns(), name: INSIDE, mac }, 1500)?;
        link::enslave(&self.node, &port, &self.name)?;
        let mut all: Vec<_> = std::iter::once(number).chain(others.iter().copied()).collect();
        for (family, prefix) in PREFIXES.into_iter().enumerate() {
            for &number in &all {
                link::add_address(host.netns(), INSIDE, self.at(number)[family], prefix)?;
            }
            // The first one is the one it sends from: the oldest of IPv4, the youngest of IPv6.
            all.reverse();
        }
        for gateway in self.addresses() {
            link::add_route(host.netns(), INSIDE, (unspecified(gateway, 0).ip(), 0), gateway)?;
        }
        wait::until_true("the bridge to carry", LIMIT, || link::is_running(&self.node, &self.name))?;
        for address in all.into_iter().flat_map(|number| self.at(number)) {
            wait::until_true("an address to be in use", LIMIT, || link::is_local(host.netns(), address))?;
        }
        Ok(Guest { host, port, mac, addresses })
    }

    /// The addresses that end in a number, IPv4 first.
    pub fn at(&self, number: u8) -> [IpAddr; 2] {
        let v6 = Ipv6Addr::new(0xfd62, 0x6572, 0x7468, self.net.into(), 0, 0, 0, number.into());
        [IpAddr::V4(Ipv4Addr::new(10, self.net, 0, number)), IpAddr::V6(v6)]
    }

    /// The Ethernet address of whoever has those.
    pub fn mac(&self, number: u8) -> Mac {
        [2, 0x62, 0, 0, self.net, number]
    }
}

impl Guest {
    /// What `berth container add` is told of it: its interface and addresses.
    pub fn options(&self) -> Vec<String> {
        let mut options = vec!["--interface".to_owned(), self.port.clone()];
        for address in self.addresses {
            options.extend(["--address".to_owned(), address.to_string()]);
        }
        options
    }

    /// The link-local address that it has made of it.
    pub fn link_local(&self) -> IpAddr {
        let [first, second, third, rest @ ..] = self.mac;
        let mut octets = [0; 16];
        octets[..2].copy_from_slice(&[0xfe, 0x80]);
        octets[8..13].copy_from_slice(&[first ^ 2, second, third, 0xff, 0xfe]);
        octets[13..].copy_from_slice(&rest);
        IpAddr::V6(octets.into())
    }
}
