//! The node as a whole.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{container::Container, plane::Plane};

/// Answer to `berth status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Version of berth.
    pub version: String,
    /// Version of the layouts that programs and loader share.
    pub abi: u32,
    /// Release of the kernel.
    pub kernel: String,
    /// Uplinks in force.
    pub uplinks: Vec<String>,
    /// All containers.
    pub containers: Vec<Container>,
    /// Traffic of the node itself.
    pub host: Plane,
    /// Traffic of nobody.
    pub unowned: Plane,
    /// Frames that are neither IPv4 nor IPv6.
    pub non_ip: Plane,
    /// Memory of each map, in bytes.
    pub memory: BTreeMap<String, u64>,
    /// The daemon.
    pub daemon: Daemon,
}

/// The daemon, or that there is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Daemon {
    /// Whether it runs.
    pub running: bool,
    /// Its process id.
    pub pid: Option<u32>,
    /// Since when it runs (RFC 3339, UTC).
    pub since: Option<String>,
    /// What keeps the configuration from being in force, if anything does.
    pub problem: Option<String>,
}
