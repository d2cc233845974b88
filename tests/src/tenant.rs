//! Stand-ins for containers that share the node's network.

use std::io;
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context, Result};
use socket2::{Domain, Protocol, Socket, Type};

use crate::cgroup::Cgroup;
use crate::command::command_in;
use crate::endpoint::{Endpoint, Host};
use crate::netns::Netns;
use crate::process::settle;
use crate::spawner::{Request, Spawner};

/// A cgroup, and processes and sockets in it, on the network of a host.
#[derive(Debug)]
pub struct Tenant {
    // Dropped before the cgroup, which kills what is left in it.
    spawner: Spawner,
    cgroup: Cgroup,
    netns: Arc<Netns>,
}

impl Tenant {
    /// Makes a tenant on the network of a host.
    pub fn new(host: &Host, name: &str) -> Result<Self> {
        Self::in_cgroup(host, Cgroup::new(name)?)
    }

    /// Makes a tenant of a cgroup.
    pub fn in_cgroup(host: &Host, cgroup: Cgroup) -> Result<Self> {
        let netns = Arc::clone(host.netns());
        let spawner = Self::spawner(&netns, &cgroup)?;
        Ok(Self { spawner, cgroup, netns })
    }

    /// Its cgroup.
    pub fn cgroup(&self) -> &Cgroup {
        &self.cgroup
    }

    /// A socket that one of its processes keeps open, too, until [`Tenant::crash`].
    pub fn kept_socket(&self, domain: Domain, kind: Type, protocol: Option<Protocol>) -> io::Result<Socket> {
        self.make(domain, kind, protocol, true)
    }

    /// Kills every process of the tenant as a crash would, sockets kept by them with it, and starts over.
    pub fn crash(&mut self) -> Result<()> {
        std::fs::write(self.cgroup.path().join("cgroup.kill"), "1").context("kill a tenant's processes")?;
        self.spawner = Self::spawner(&self.netns, &self.cgroup)?;
        Ok(())
    }

    /// Its cgroup goes, and every process in it, as when a container is stopped. Sockets that others hold stay open.
    pub fn vanish(&self) -> Result<()> {
        self.cgroup.remove()
    }

    /// It is there again, as when a container is started: with another cgroup by the same name.
    pub fn reappear(&mut self) -> Result<()> {
        self.cgroup.make_again()?;
        self.spawner = Self::spawner(&self.netns, &self.cgroup)?;
        Ok(())
    }

    fn spawner(netns: &Netns, cgroup: &Cgroup) -> Result<Spawner> {
        Spawner::start(|program| command_in(netns, Some(cgroup), program)).context("start a tenant")
    }

    fn make(&self, domain: Domain, kind: Type, protocol: Option<Protocol>, keep: bool) -> io::Result<Socket> {
        settle();
        let protocol = protocol.map_or(0, Into::into);
        let request = Request { domain: domain.into(), kind: kind.into(), protocol, keep };
        self.spawner.socket(request).map(Socket::from)
    }
}

impl Endpoint for Tenant {
    fn netns(&self) -> &Arc<Netns> {
        &self.netns
    }

    fn socket(&self, domain: Domain, kind: Type, protocol: Option<Protocol>) -> io::Result<Socket> {
        self.make(domain, kind, protocol, false)
    }

    fn command(&self, program: &str) -> io::Result<Command> {
        command_in(&self.netns, Some(&self.cgroup), program)
    }
}
