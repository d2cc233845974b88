//! A container with a network of its own.

use std::net::{IpAddr, Ipv4Addr};

use anyhow::Result;
use berth_tests::link::{self, End, Mac};
use berth_tests::{Endpoint, Host, Netns, name, sysctl};

/// The node's end of its wire.
pub const INTERFACE: &str = "guest0";
/// The node's address on it.
pub const NODE_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 18, 62, 1));
/// Its address.
pub const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 18, 62, 2));

const NODE_MAC: Mac = [0x02, 0x62, 0x65, 0x72, 0x75, 1];
const MAC: Mac = [0x02, 0x62, 0x65, 0x72, 0x75, 2];

/// Makes one beside a node. Nothing is on its wire unasked.
pub fn start(node: &Host) -> Result<Host> {
    let netns = Netns::create(&format!("{}-guest", name::unique()))?;
    sysctl::set(&netns, "ipv6/conf/default/disable_ipv6", "1")?;
    let guest = Host::new(netns);
    wire(node, &guest)?;
    Ok(guest)
}

/// Joins it to the node.
pub fn wire(node: &Host, guest: &Host) -> Result<()> {
    let (node, guest) = (node.netns(), guest.netns());
    sysctl::set(node, "ipv6/conf/default/disable_ipv6", "1")?;
    link::wire(
        End { netns: node, name: INTERFACE, mac: NODE_MAC },
        End { netns: guest, name: "eth0", mac: MAC },
        1500,
    )?;
    link::add_address(node, INTERFACE, NODE_ADDRESS, 24)?;
    link::add_address(guest, "eth0", ADDRESS, 24)?;
    link::add_neighbour(node, INTERFACE, ADDRESS, MAC)?;
    link::add_neighbour(guest, "eth0", NODE_ADDRESS, NODE_MAC)
}
