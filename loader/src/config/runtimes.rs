//! Where container runtimes keep what they know of their containers.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where container runtimes keep what they know of their containers, for those that may be told another place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Runtimes {
    /// What Docker calls `data-root`.
    pub docker: PathBuf,
    /// What Podman calls `graphroot`.
    pub podman: PathBuf,
    /// What Podman calls `runroot`.
    pub podman_run: PathBuf,
    /// The directory of libvirt in its `runstatedir`.
    pub libvirt: PathBuf,
}

impl Default for Runtimes {
    fn default() -> Self {
        Self {
            docker: "/var/lib/docker".into(),
            podman: "/var/lib/containers/storage".into(),
            podman_run: "/run/containers/storage".into(),
            libvirt: "/run/libvirt".into(),
        }
    }
}
