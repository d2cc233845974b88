//! What the rest of the loader asks for.

use std::net::IpAddr;

use berth_common::abi::{
    container::{Mode, PortRange},
    timeout::Timeouts,
};
use berth_common::wire::ether::Mac;

use crate::containers::{Cgroup, Link};

/// How much the maps hold. Fixed when they are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Flows on the node.
    pub flows: u32,
    /// Port reservations on the node.
    pub ports: u32,
    /// Containers, hence the highest container id.
    pub containers: u32,
    /// Addresses and flows that rules remember.
    pub guards: u32,
    /// Bytes of events that wait for the daemon: rounded up to a power of two of pages.
    pub events_bytes: u32,
}

/// What all programs are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Cookie of the node's network namespace.
    pub netns_cookie: u64,
    /// Whether packets that arrive for nobody are dropped.
    pub drop_unowned: bool,
    /// Whether flows keep verdicts.
    pub keep_verdicts: bool,
    /// Whether what is established takes the fast path.
    pub fastpath: bool,
    /// How strictly TCP is looked at: bits of `Config::TCP_LIBERAL` and its neighbours.
    pub tcp: u32,
    /// The four bits of marks that are berth's own.
    pub mark_mask: u32,
}

impl Default for Sizes {
    fn default() -> Self {
        Self { flows: 65_536, ports: 65_536, containers: 10_000, guards: 65_536, events_bytes: 256 * 1024 }
    }
}

/// A container as it is to be in the kernel.
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, which the programs ask for by itself"
)]
#[derive(Clone, Debug)]
pub struct Spec {
    /// Not zero, and another for each container that ever had the id.
    pub generation: u32,
    /// What its rules may do.
    pub mode: Mode,
    /// Most flows it may hold.
    pub flow_limit: u32,
    /// Most flows it may begin in a second; zero for any number.
    pub flow_rate: u32,
    /// Of how many flows events tell ([`Container::flow_events`](berth_common::abi::container::Container::flow_events)).
    pub flow_events: u8,
    /// How long its flows last.
    pub timeouts: Timeouts,
    /// Most port reservations it may hold.
    pub port_limit: u32,
    /// Most addresses and flows that its rules may remember.
    pub guard_limit: u32,
    /// Ports it may bind, at most [`berth_common::abi::container::MAX_PORT_RANGES`] ranges; none for all ports.
    pub ranges: Vec<PortRange>,
    /// Whether it has rules.
    pub has_rules: bool,
    /// Whether it has rules in table nat.
    pub translates: bool,
    /// Whether its rules look at kinds of addresses.
    pub asks_address_types: bool,
    /// [`berth_common::abi::container::Container::HELPER_FTP`].
    pub helper_ftp: bool,
    /// Whether it may not have packet sockets.
    pub deny_packet_sockets: bool,
    /// Whether it routes for others.
    pub routes: bool,
    /// Whether it may use other addresses than its own.
    pub may_spoof: bool,
    /// Its control groups.
    pub cgroups: Vec<Cgroup>,
    /// Its interfaces, seen from the node.
    pub interfaces: Vec<Link>,
    /// Addresses that it has on its interfaces; none if it may have any. As seen from the uplinks they come into force with
    /// [`super::Kernel::set_addresses`].
    pub addresses: Vec<IpAddr>,
    /// Its hardware addresses there; none if it may have any.
    pub macs: Vec<Mac>,
}
