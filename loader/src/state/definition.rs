//! How containers are recognised, and what is set about them.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::api::{runtime::RuntimeNames, settings::Settings};

/// How a container is recognised, and what is set about it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    /// Cgroups, from the root of the hierarchy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cgroups: Vec<PathBuf>,
    /// Interfaces, seen from the node.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub interfaces: Vec<String>,
    /// Its names in runtimes, by which cgroup or interface are found anew each time the container starts.
    #[serde(flatten)]
    pub runtimes: RuntimeNames,
    /// What is set about it.
    #[serde(default, skip_serializing_if = "Settings::is_empty")]
    pub settings: Settings,
}

impl Definition {
    /// In words: `cgroup:PATH`, `interface:NAME`, `lxc:NAME` and so on.
    pub fn recognised_by(&self) -> Vec<String> {
        let cgroups = self.cgroups.iter().map(|path| format!("cgroup:{}", path.display()));
        let interfaces = self.interfaces.iter().map(|name| format!("interface:{name}"));
        let runtimes = self.runtimes.iter().map(|(runtime, name)| format!("{runtime}:{name}"));
        cgroups.chain(interfaces).chain(runtimes).collect()
    }
}
