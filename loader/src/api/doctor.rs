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
    /// What others have in the way of packets; none if it serves another network namespace.
    pub foreign: Option<Foreign>,
}

/// What others have in the way of packets, before what berth has or after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Foreign {
    /// Rules that may keep packets of containers from getting through.
    pub rules: Vec<ForeignRule>,
    /// Programs on the interfaces that berth has programs on.
    pub programs: Vec<ForeignProgram>,
    /// When somebody last looked; null if nobody has since the node has started.
    pub since: Option<String>,
    /// Rules that were not there then, whatever they do.
    pub appeared: Vec<String>,
    /// Rules that are not there any more.
    pub gone: Vec<String>,
    /// What could not be looked at, and why, each in one line.
    pub unseen: Vec<String>,
}

/// A rule of iptables or nftables that drops or rejects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignRule {
    /// What it was made with, and the table.
    pub table: String,
    /// The chain.
    pub chain: String,
    /// The rule as its tool writes it.
    pub rule: String,
    /// The containers whose packets may meet it.
    pub concerns: Vec<String>,
}

/// A program of somebody else's, or a filter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignProgram {
    /// The interface.
    pub interface: String,
    /// Where it is there: `xdp`, `tcx ingress`, `filter egress` and so on.
    pub hook: String,
    /// Its name, or what kind of filter it is.
    pub program: String,
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
