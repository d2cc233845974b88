//! What `berth doctor` finds.

use serde::{Deserialize, Serialize};

/// Answer to `berth doctor`: one field for each thing that is looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Version of berth.
    pub version: String,
    /// Version of the layouts that programs and loader share.
    pub abi: u32,
    /// Release of the kernel.
    pub kernel: String,
    /// Whether berth can run here.
    pub able: bool,
    /// Why not, each in one line.
    pub obstacles: Vec<String>,
    /// What the kernel has and lacks.
    pub features: Vec<Feature>,
    /// What of berth is in force; none if nothing is.
    pub in_force: Option<InForce>,
}

/// Something that the kernel has or lacks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feature {
    /// Its name.
    pub name: String,
    /// Whether it is there; null if it could not be tried.
    pub present: Option<bool>,
    /// Where it was found, or how its lack showed.
    pub found: Option<String>,
    /// How much berth needs it.
    pub need: Need,
    /// What it does for berth; if berth does not use it, why.
    pub purpose: String,
    /// What berth does without it.
    pub without: Option<String>,
    /// What its lack costs.
    pub cost: Option<String>,
}

/// How much berth needs a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Need {
    /// It cannot run without.
    Required,
    /// It uses it, and something else without.
    Used,
    /// It does not use it.
    Unused,
}

/// What of berth is in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InForce {
    /// Where it is pinned.
    pub pin_dir: String,
    /// Version of its layouts.
    pub abi: u32,
    /// Whether its programs are those of the berth that is asked.
    pub own_programs: bool,
    /// Whether its programs were compiled (by the JIT) when they were loaded.
    pub compiled: bool,
    /// Whether BPF LSM's programs are in force.
    pub bpf_lsm: bool,
    /// On how many cgroups it has programs.
    pub cgroups: usize,
    /// Interfaces that it has programs on.
    pub interfaces: Vec<Interface>,
    /// What is less than it could be, each in one line.
    pub degraded: Vec<String>,
}

/// An interface with programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// Its name; its index if it has vanished.
    pub name: String,
    /// How programs are attached.
    pub method: Method,
    /// Names of the programs.
    pub programs: Vec<String>,
}

/// How programs are attached to an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// By TCX links.
    Tcx,
    /// As filters of a clsact qdisc.
    Clsact,
}
