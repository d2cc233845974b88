//! Translation of addresses: what a container on a bridge says to the world, and the world to its published ports.
//!
//! Nobody outside knows a way to the bridge's network, so that what is not translated gets no answer.

mod checksums;
mod differential;
mod errors;
mod fast;
mod flood;
mod fragments;
mod from_node;
mod hairpin;
mod load;
mod masquerade;
mod names;
mod publish;
mod rules;
mod two_nodes;

use std::net::IpAddr;

use anyhow::Result;
use berth_tests::topology::{NODE_V4, NODE_V6, REMOTE_V4, REMOTE_V6};
use berth_tests::{Berth, Bridge, Endpoint as _, Guest, Host, Topology, sysctl};

/// The node's addresses, and the remote host's, by family.
const NODE: [IpAddr; 2] = [NODE_V4, NODE_V6];
const REMOTE: [IpAddr; 2] = [REMOTE_V4, REMOTE_V6];
/// Where a guest serves, and where the node publishes that.
const INSIDE: u16 = 80;
const OUTSIDE: u16 = 8080;
/// Where the remote host serves.
const THERE: u16 = 7777;

/// A node that routes, with the container `c` on a bridge.
struct Net {
    c: Guest,
    bridge: Bridge,
    berth: Berth,
    topology: Topology,
}

impl Net {
    /// `c` is in mode full, and what else is given.
    fn new(more: &[&str]) -> Result<Self> {
        Self::with("", Topology::builder().with_known_neighbours().build()?, more)
    }

    fn with(config: &str, topology: Topology, more: &[&str]) -> Result<Self> {
        routes(&topology.node)?;
        let bridge = Bridge::create(&topology.node, 77)?;
        let c = bridge.guest(2)?;
        let berth = Berth::builder(&topology).config(config).start()?;
        let net = Self { c, bridge, berth, topology };
        net.add("c", &net.c, more)?;
        Ok(net)
    }

    fn masqueraded() -> Result<Self> {
        Self::new(&["--masquerade", "yes"])
    }

    /// With its port [`INSIDE`] published at [`OUTSIDE`], TCP and UDP, at all addresses.
    fn published() -> Result<Self> {
        let net = Self::new(&[])?;
        for protocol in ["tcp", "udp"] {
            net.publish(protocol, &[])?;
        }
        Ok(net)
    }

    fn publish(&self, protocol: &str, more: &[&str]) -> Result<()> {
        let (outside, inside) = (format!("{protocol}/{OUTSIDE}"), INSIDE.to_string());
        self.berth.ok([&["publish", "add", "c", &outside, "--to-port", &inside], more].concat()).map(drop)
    }

    fn add(&self, name: &str, guest: &Guest, more: &[&str]) -> Result<()> {
        let options = guest.options();
        let known = ["container", "add", name, "--mode", "full"].into_iter();
        let known = known.chain(options.iter().map(String::as_str));
        self.berth.ok(known.chain(more.iter().copied())).map(drop)
    }

    fn remote(&self) -> &Host {
        &self.topology.remote
    }

    /// How often a packet of `c`'s was dropped for a reason.
    fn drops(&self, reason: &str) -> Result<u64> {
        Ok(self.berth.container("c")?.plane.drops_for(reason))
    }
}

/// Has a host forward.
fn routes(host: &Host) -> Result<()> {
    sysctl::set(host.netns(), "ipv4/ip_forward", "1")?;
    sysctl::set(host.netns(), "ipv6/conf/all/forwarding", "1")
}
