//! Container runtimes, which have names of their own for containers.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

/// A container's name in each runtime that has one for it.
pub type RuntimeNames = BTreeMap<Runtime, String>;

/// What starts containers, and finds one by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Runtime {
    /// LXC.
    Lxc,
    /// Docker.
    Docker,
    /// Podman.
    Podman,
    /// systemd-nspawn.
    Nspawn,
    /// libvirt, whatever runs its domains.
    Libvirt,
}

impl Runtime {
    /// As its makers write it.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Lxc => "LXC",
            Self::Docker => "Docker",
            Self::Podman => "Podman",
            Self::Nspawn => "systemd-nspawn",
            Self::Libvirt => "libvirt",
        }
    }
}

impl fmt::Display for Runtime {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Lxc => "lxc",
            Self::Docker => "docker",
            Self::Podman => "podman",
            Self::Nspawn => "nspawn",
            Self::Libvirt => "libvirt",
        })
    }
}
