//! Containers with networks of their own, on a bridge of the node.

mod bridged;
mod lxc;
mod restarts;
mod routed;
mod routing;
mod spoofing;
mod tap;
mod zones;

use std::collections::BTreeMap;

use anyhow::Result;
use berth_tests::process::settle;
use berth_tests::{Berth, Bridge, Guest, Topology, bridge};

/// A node with containers `c` and `d` on a bridge.
struct Net {
    c: Guest,
    d: Guest,
    bridge: Bridge,
    berth: Berth,
    topology: Topology,
}

impl Net {
    /// Both known by interface and addresses, and by what else is given.
    fn new(more: &[&str]) -> Result<Self> {
        let topology = Topology::builder().with_known_neighbours().build()?;
        let bridge = Bridge::create(&topology.node, 77)?;
        let (c, d) = (bridge.guest(2)?, bridge.guest(3)?);
        let berth = Berth::start(&topology)?;
        for (name, guest) in [("c", &c), ("d", &d)] {
            let options = guest.options();
            let known = ["container", "add", name].into_iter().chain(options.iter().map(String::as_str));
            berth.ok(known.chain(more.iter().copied()))?;
        }
        Ok(Self { c, d, bridge, berth, topology })
    }

    /// The same, and their hardware addresses are known.
    fn with_macs() -> Result<Self> {
        let net = Self::new(&[])?;
        for (name, guest) in [("c", &net.c), ("d", &net.d)] {
            net.berth.ok(["container", "set", name, "--mac", &bridge::text(guest.mac)])?;
        }
        Ok(net)
    }

    /// What berth drops of a container's meanwhile, by reason.
    fn drops(&self, name: &str, act: impl FnOnce() -> Result<()>) -> Result<BTreeMap<String, u64>> {
        let before = self.berth.container(name)?.plane;
        act()?;
        settle();
        Ok((&self.berth.container(name)?.plane - &before).drops)
    }
}

/// So many drops for one reason.
fn only(reason: &str, count: u64) -> BTreeMap<String, u64> {
    BTreeMap::from([(reason.to_owned(), count)])
}
