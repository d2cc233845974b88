//! How a container is to be recognised.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// How a container is to be recognised, in the words of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Paths of cgroups, in the file system or in the hierarchy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cgroups: Vec<PathBuf>,
    /// The node's side of its own interface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// One of its processes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Its name in LXC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lxc: Option<String>,
}

impl Target {
    /// Whether nothing is given.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
