//! A container with a network of its own, in both families.

use std::net::IpAddr;

use anyhow::Result;
use berth_tests::link::{self, End};
use berth_tests::{Endpoint as _, Host, name, topology};

/// The node's end of its wire.
pub const NODE_SIDE: &str = "c0";

const PAIRS: [(&str, &str, u8); 2] =
    [("10.77.0.1", "10.77.0.2", 24), ("fd62:6572:7468:77::1", "fd62:6572:7468:77::2", 64)];

pub struct OwnNetwork {
    pub container: Host,
}

impl OwnNetwork {
    /// Joins a new one to the node.
    pub fn beside(node: &Host) -> Result<Self> {
        let container = topology::host(&name::unique())?;
        let outside = End { netns: node.netns(), name: NODE_SIDE, mac: [2, 0, 0, 0, 0, 1] };
        let inside = End { netns: container.netns(), name: "eth0", mac: [2, 0, 0, 0, 0, 2] };
        link::wire(outside, inside, 1500)?;
        for (theirs, own, prefix) in PAIRS {
            let (theirs, own): (IpAddr, IpAddr) = (theirs.parse()?, own.parse()?);
            link::add_address(outside.netns, NODE_SIDE, theirs, prefix)?;
            link::add_address(inside.netns, "eth0", own, prefix)?;
            link::add_neighbour(outside.netns, NODE_SIDE, own, inside.mac)?;
            link::add_neighbour(inside.netns, "eth0", theirs, outside.mac)?;
        }
        Ok(Self { container })
    }
}

/// The node's address there, and the container's, of an address's family.
pub fn addresses(family: IpAddr) -> (IpAddr, IpAddr) {
    let parse = |text: &str| text.parse::<IpAddr>().unwrap_or(family);
    let pairs = PAIRS.map(|(outside, inside, _)| (parse(outside), parse(inside)));
    pairs.into_iter().find(|(outside, _)| outside.is_ipv4() == family.is_ipv4()).unwrap_or((family, family))
}
