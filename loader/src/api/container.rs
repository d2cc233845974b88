//! Containers in output.

use std::{fmt, net::IpAddr};

use serde::{Deserialize, Serialize};

use super::{
    allowance::Allowance, flow_events::FlowEvents, mac::Mac, masquerade::Masquerade, mode::Mode, name::Name,
    packet_sockets::PacketSockets, plane::Plane, quota::Quota, spoofing::Spoofing, timeouts::Timeouts,
};

/// A container, what it has done and what it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// Its number.
    pub id: u32,
    /// Its name.
    pub name: Name,
    /// What its rules may do.
    pub mode: Mode,
    /// Whether what it is recognised by is there.
    pub state: Presence,
    /// What it is recognised by: `cgroup:PATH`, `interface:NAME`, `lxc:NAME` and so on.
    pub recognised_by: Vec<String>,
    /// The file in `containers/` by whose patterns it was taken in, without `.toml`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<Name>,
    /// Addresses that are its own.
    pub addresses: Vec<IpAddr>,
    /// Hardware addresses that are its own.
    pub macs: Vec<Mac>,
    /// Whether it routes for others.
    pub routes: bool,
    /// Whether it may use other addresses than its own on its own interface.
    pub spoofing: Spoofing,
    /// Whether it goes out under an address of the node's.
    pub masquerade: Masquerade,
    /// Features its rules may use.
    pub features: Vec<String>,
    /// Ports it may bind; none listed means all.
    pub allowed_ports: Allowance,
    /// Whether it may have packet sockets.
    pub packet_sockets: PacketSockets,
    /// Its traffic and drops.
    #[serde(flatten)]
    pub plane: Plane,
    /// Rules.
    pub rules: Quota,
    /// Flows.
    pub flows: Quota,
    /// Flows that it may have however many others have, of those that it may have at all.
    pub flows_guaranteed: u32,
    /// Flows that had not expired, and had to go for newer ones.
    pub flows_evicted: u64,
    /// Most flows it may begin in a second; zero for any number.
    pub max_flow_rate: u32,
    /// Of which of its flows events tell when they begin and end.
    pub flow_events: FlowEvents,
    /// How long its flows last, in seconds, where that was set for it.
    pub timeouts: Timeouts,
    /// Port reservations.
    pub ports: Quota,
    /// Entries of named sets.
    pub set_entries: Quota,
    /// Addresses and flows that rules remember.
    pub guards: Quota,
}

/// Whether what a container is recognised by is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Presence {
    /// It is.
    Active,
    /// No cgroup or interface of it is left.
    Gone,
}

impl fmt::Display for Presence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Active => "active",
            Self::Gone => "gone",
        })
    }
}
