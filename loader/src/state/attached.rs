//! What a container is attached to.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What a container is attached to in the kernel, by numbers that are never used again while the kernel runs: so a
/// cgroup or interface that was made anew is told from the one of the same name before it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attached {
    /// Ids of cgroups.
    pub cgroups: Vec<u64>,
    /// Indices of interfaces.
    pub interfaces: Vec<u32>,
    /// If a runtime has announced it, and nothing else is known of the container yet: what these are called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub announced: Option<Announced>,
}

/// What a runtime has announced.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announced {
    /// Paths of cgroups, from the root of the hierarchy.
    pub cgroups: Vec<PathBuf>,
    /// Names of interfaces.
    pub interfaces: Vec<String>,
}

impl Attached {
    /// Whether it is attached to nothing.
    pub fn is_empty(&self) -> bool {
        self.cgroups.is_empty() && self.interfaces.is_empty()
    }

    /// Whether anything of it is in `other` too.
    pub fn meets(&self, other: &Self) -> bool {
        self.cgroups.iter().any(|id| other.cgroups.contains(id))
            || self.interfaces.iter().any(|index| other.interfaces.contains(index))
    }
}
