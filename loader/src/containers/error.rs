//! What can go wrong when looking at the system.

use std::io;
use std::path::PathBuf;

use crate::api::runtime::Runtime;

/// Why something could not be found, or may not be used.
#[derive(Debug, thiserror::Error)]
pub enum ContainersError {
    /// No cgroup2 file system is mounted.
    #[error(
        "no cgroup v2 hierarchy is mounted: mount one with `mount -t cgroup2 none /sys/fs/cgroup`, or, where `ip netns exec` hides it, enter the namespace with `nsenter --net=/run/netns/NAME` instead"
    )]
    NoCgroup2,
    /// The mounted hierarchy is a part of the host's.
    #[error(
        "{mount} shows only a part of the cgroup hierarchy (a cgroup namespace): run berth in the host's own namespace"
    )]
    CgroupNamespace {
        /// Where it is mounted.
        mount: PathBuf,
    },
    /// There is no such cgroup.
    #[error("there is no cgroup {path} under {mount}: is the container running?")]
    NoCgroup {
        /// As it was given.
        path: PathBuf,
        /// Where the hierarchy is mounted.
        mount: PathBuf,
    },
    /// The root of the hierarchy was named.
    #[error("the root of the cgroup hierarchy is the host itself and cannot be a container")]
    RootCgroup,
    /// The path has `..` in it, or is outside the hierarchy.
    #[error("{path} is not a path in the cgroup hierarchy at {mount}")]
    NotInHierarchy {
        /// As it was given.
        path: PathBuf,
        /// Where the hierarchy is mounted.
        mount: PathBuf,
    },
    /// The cgroup is deeper than the programs look.
    #[error("cgroup {path} is {level} levels deep, and berth handles at most {limit}")]
    CgroupTooDeep {
        /// Its path.
        path: PathBuf,
        /// Its level.
        level: u32,
        /// Deepest possible.
        limit: u32,
    },
    /// There is no such interface.
    #[error("there is no interface {0} in this network namespace")]
    NoInterface(String),
    /// The interface is of a kind whose packets berth cannot read.
    #[error("interface {name} carries neither Ethernet nor IP (its ARP hardware type is {kind})")]
    UnknownLinkType {
        /// Its name.
        name: String,
        /// Its ARP hardware type.
        kind: String,
    },
    /// There is no such process.
    #[error("there is no process {0}")]
    NoProcess(u32),
    /// The process is in the root cgroup.
    #[error(
        "process {0} shares the node's network and is in the root cgroup, as the host's own processes are: name the container's cgroup with --cgroup"
    )]
    HostProcess(u32),
    /// No container of this name runs.
    #[error("no {} container {name} is running: start it, or name its cgroup with --cgroup", .runtime.title())]
    NotRunning {
        /// What should have started it.
        runtime: Runtime,
        /// Its name there.
        name: String,
    },
    /// The runtime keeps nothing where it should.
    #[error(
        "{} keeps no containers at {}: if it does elsewhere, say where under [runtimes] in berth.toml",
        .runtime.title(), .place.display()
    )]
    NoRuntime {
        /// Which.
        runtime: Runtime,
        /// Where it was looked for.
        place: PathBuf,
    },
    /// The process is not the container's, or it has no cgroup.
    #[error(
        "process {pid} is in no cgroup of container {id}: it has ended meanwhile, or runs with --cgroups=disabled"
    )]
    NotOfContainer {
        /// The process.
        pid: u32,
        /// The container's id.
        id: String,
    },
    /// The container's network namespace has no veth whose other end is here.
    #[error(
        "process {pid} has a network namespace of its own, but no veth leads from it to this one: name its interface with --interface"
    )]
    NoHostInterface {
        /// The process.
        pid: u32,
    },
    /// The kernel is too old.
    #[error("this kernel is {found}, and berth needs Linux 6.1 or newer")]
    OldKernel {
        /// The running kernel.
        found: String,
    },
    /// We may not do what berth has to do.
    #[error("berth needs root, or the capabilities {missing}: run it as root")]
    NoPrivilege {
        /// Which are missing.
        missing: String,
    },
    /// The kernel did not answer as expected.
    #[error("cannot {what}: {error}")]
    Io {
        /// What was tried, with its object.
        what: String,
        /// What the system said.
        #[source]
        error: io::Error,
    },
}

impl ContainersError {
    /// Whether the machine or our rights on it are at fault, rather than the request (exit code 4).
    pub const fn is_unsupported(&self) -> bool {
        matches!(
            self,
            Self::NoCgroup2
                | Self::CgroupNamespace { .. }
                | Self::OldKernel { .. }
                | Self::NoPrivilege { .. }
        )
    }
}

/// Names what was tried when it failed.
pub(super) trait Context<T> {
    /// The error with `what` in front.
    fn context(self, what: impl FnOnce() -> String) -> Result<T, ContainersError>;
}

impl<T, E: Into<io::Error>> Context<T> for Result<T, E> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T, ContainersError> {
        self.map_err(|error| ContainersError::Io { what: what(), error: error.into() })
    }
}
