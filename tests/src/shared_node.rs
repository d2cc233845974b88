//! A node with berth on it, and two containers that share its network.

use std::sync::Arc;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::berth::Berth;
use crate::netns::Netns;
use crate::process::settle;
use crate::tenant::Tenant;
use crate::topology::Topology;
use crate::view::Port;

/// A node with berth on it, and the containers `a` and `b` on its network. Node and remote host know each other's
/// Ethernet addresses from the start.
#[derive(Debug)]
pub struct SharedNode {
    /// Container `a`.
    pub a: Tenant,
    /// Container `b`.
    pub b: Tenant,
    /// The node's berth.
    pub berth: Berth,
    /// The node and the remote host.
    pub topology: Topology,
}

impl SharedNode {
    /// With an empty configuration.
    pub fn new() -> Result<Self> {
        Self::configured("")
    }

    /// With this configuration file.
    pub fn configured(config: &str) -> Result<Self> {
        Self::on(Topology::builder().with_known_neighbours().build()?, config)
    }

    /// With this configuration file, on the node of this topology.
    pub fn on(topology: Topology, config: &str) -> Result<Self> {
        let berth = Berth::builder(&topology).config(config).start()?;
        let [a, b] = ["a", "b"].map(|name| Tenant::new(&topology.node, name));
        let (a, b) = (a?, b?);
        berth.add_container("a", a.cgroup().path())?;
        berth.add_container("b", b.cgroup().path())?;
        Ok(Self { a, b, berth, topology })
    }

    /// The node's network.
    pub fn netns(&self) -> &Arc<Netns> {
        crate::Endpoint::netns(&self.topology.node)
    }

    /// Who holds a port, by protocol and address.
    pub fn holders(&self, port: u16) -> Result<Vec<Port>> {
        settle();
        let mut ports = self.berth.ports()?;
        ports.retain(|held| held.port == u32::from(port));
        ports.sort_by(|one, other| (&one.protocol, one.address).cmp(&(&other.protocol, other.address)));
        Ok(ports)
    }

    /// How many reservations a container is charged for.
    pub fn ports_held(&self, name: &str) -> Result<u64> {
        settle();
        Ok(self.berth.container(name)?.ports.held)
    }

    /// What the daemon has to tell of late.
    pub fn events(&self) -> Result<Vec<Value>> {
        let text = self.berth.ok(["events", "--json"])?;
        let events = text.lines().map(serde_json::from_str).collect::<Result<_, _>>();
        events.with_context(|| format!("what berth printed: {text}"))
    }
}
