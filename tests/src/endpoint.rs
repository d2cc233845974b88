//! Those who send and receive.

use std::io;
use std::process::Command;
use std::sync::Arc;

use socket2::{Domain, Protocol, Socket, Type};

use crate::command::command_in;
use crate::netns::{Netns, in_netns};
use crate::process::settle;

/// Someone who sends and receives: a tenant, or the processes of a host itself.
pub trait Endpoint {
    /// The network it uses.
    fn netns(&self) -> &Arc<Netns>;

    /// A socket that is its own, to be used from this process, made when what was closed before is closed by everybody.
    /// The error is the one `socket()` gave it.
    fn socket(&self, domain: Domain, kind: Type, protocol: Option<Protocol>) -> io::Result<Socket>;

    /// A command that it will run.
    fn command(&self, program: &str) -> io::Result<Command>;
}

/// A host's own processes: those in no tenant's cgroup.
#[derive(Clone, Debug)]
pub struct Host {
    netns: Arc<Netns>,
}

impl Host {
    /// The host whose network this is.
    pub fn new(netns: Arc<Netns>) -> Self {
        Self { netns }
    }
}

impl Endpoint for Host {
    fn netns(&self) -> &Arc<Netns> {
        &self.netns
    }

    fn socket(&self, domain: Domain, kind: Type, protocol: Option<Protocol>) -> io::Result<Socket> {
        settle();
        in_netns(&self.netns, || Socket::new(domain, kind, protocol))?
    }

    fn command(&self, program: &str) -> io::Result<Command> {
        command_in(&self.netns, None, program)
    }
}
