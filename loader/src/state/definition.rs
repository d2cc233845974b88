//! How containers are recognised, and what is set about them.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::api::settings::Settings;

/// How a container is recognised, and what is set about it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    /// Cgroups, from the root of the hierarchy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cgroups: Vec<PathBuf>,
    /// Interfaces, seen from the node.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub interfaces: Vec<String>,
    /// Its name in LXC, which finds cgroup or interface anew each time the container starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lxc: Option<String>,
    /// What is set about it.
    #[serde(default, skip_serializing_if = "Settings::is_empty")]
    pub settings: Settings,
}

impl Definition {
    /// In words: `cgroup:PATH`, `interface:NAME`, `lxc:NAME`.
    pub fn recognised_by(&self) -> Vec<String> {
        let cgroups = self.cgroups.iter().map(|path| format!("cgroup:{}", path.display()));
        let interfaces = self.interfaces.iter().map(|name| format!("interface:{name}"));
        let lxc = self.lxc.iter().map(|name| format!("lxc:{name}"));
        cgroups.chain(interfaces).chain(lxc).collect()
    }
}
