//! What the node needs to see of the system.

use std::{
    collections::HashMap,
    net::IpAddr,
    path::{Component, Path, PathBuf},
};

use berth_common::abi::port::PortKey;

use crate::api::runtime::Runtime;
use crate::config::Pattern;
use crate::containers::{
    self, Cgroup, ContainersError, Host, Link, LinkAddress, Master, Meant, Recognised, Role, Socket,
};

/// What the node needs to see of the system: [`Host`], or something that stands for it in tests.
pub trait Observer {
    /// The kernel's release.
    fn kernel(&self) -> &str;
    /// The cgroup at `path`, which must exist.
    fn cgroup(&self, path: &Path) -> Result<Cgroup, ContainersError>;
    /// The path from the root of the hierarchy of a cgroup that need not exist.
    fn cgroup_path(&self, path: &Path) -> Result<PathBuf, ContainersError>;
    /// The directory of the cgroup with this path from the root of the hierarchy.
    fn cgroup_directory(&self, path: &Path) -> PathBuf;
    /// The interface called `name`.
    fn link(&self, name: &str) -> Result<Link, ContainersError>;
    /// All interfaces.
    fn links(&self) -> Result<Vec<Link>, ContainersError>;
    /// The interfaces that a default route leads over.
    fn default_uplinks(&self) -> Result<Vec<Link>, ContainersError>;
    /// The node's addresses.
    fn addresses(&self) -> Result<Vec<IpAddr>, ContainersError>;
    /// Those that new conversations with other hosts may come from, in the kernel's order.
    fn source_addresses(&self) -> Result<Vec<LinkAddress>, ContainersError>;
    /// Which interface each one belongs to that is a port of another: by their indices. This may change while they exist.
    fn masters(&self) -> Result<HashMap<u32, Master>, ContainersError>;
    /// Where the node's sockets wait for others, its containers' included.
    fn bound(&self) -> Result<Vec<PortKey>, ContainersError>;
    /// How the container of a process is recognised.
    fn of_pid(&self, pid: u32) -> Result<Recognised, ContainersError>;
    /// How a container is recognised that a runtime knows by this name, and that runs.
    fn of_runtime(&self, runtime: Runtime, name: &str) -> Result<Recognised, ContainersError>;
    /// Whether a runtime knows the container to which it has given this id by this name, too; it need not run.
    fn is_named(&self, runtime: Runtime, name: &str, id: &str) -> Result<bool, ContainersError>;
    /// Containers that a pattern means and that may be running.
    fn meant(&self, pattern: &Pattern) -> Result<Vec<Meant>, ContainersError>;
    /// The container to which an OCI runtime has given this id, if a pattern means it; it need not run.
    fn meant_by_id(&self, pattern: &Pattern, id: &str) -> Result<Option<Meant>, ContainersError>;
    /// How a container is recognised that an OCI runtime has just made, by its id and first process.
    fn of_created(&self, id: &str, pid: u32) -> Result<Recognised, ContainersError>;
}

impl Observer for Host {
    fn kernel(&self) -> &str {
        &self.kernel
    }

    fn cgroup(&self, path: &Path) -> Result<Cgroup, ContainersError> {
        self.cgroups.cgroup(path)
    }

    fn cgroup_path(&self, path: &Path) -> Result<PathBuf, ContainersError> {
        let mount = self.cgroups.mount();
        let inside = path.strip_prefix(mount).unwrap_or(path);
        if inside.components().any(|part| part == Component::ParentDir) {
            return Err(ContainersError::NotInHierarchy { path: path.to_owned(), mount: mount.to_owned() });
        }
        Ok(Path::new("/").join(inside))
    }

    fn cgroup_directory(&self, path: &Path) -> PathBuf {
        self.cgroups.mount().join(path.strip_prefix("/").unwrap_or(path))
    }

    fn link(&self, name: &str) -> Result<Link, ContainersError> {
        containers::link(name)
    }

    fn links(&self) -> Result<Vec<Link>, ContainersError> {
        containers::links()
    }

    fn default_uplinks(&self) -> Result<Vec<Link>, ContainersError> {
        containers::default_uplinks()
    }

    fn addresses(&self) -> Result<Vec<IpAddr>, ContainersError> {
        containers::addresses()
    }

    fn source_addresses(&self) -> Result<Vec<LinkAddress>, ContainersError> {
        containers::source_addresses()
    }

    fn masters(&self) -> Result<HashMap<u32, Master>, ContainersError> {
        containers::masters()
    }

    fn bound(&self) -> Result<Vec<PortKey>, ContainersError> {
        let waiting = containers::sockets()?.into_iter().filter(|socket| socket.role != Role::Connected);
        Ok(waiting.flat_map(Socket::keys).collect())
    }

    fn of_pid(&self, pid: u32) -> Result<Recognised, ContainersError> {
        containers::of_pid(pid)
    }

    fn of_runtime(&self, runtime: Runtime, name: &str) -> Result<Recognised, ContainersError> {
        containers::of_runtime(&self.runtimes, runtime, name)
    }

    fn is_named(&self, runtime: Runtime, name: &str, id: &str) -> Result<bool, ContainersError> {
        containers::is_named(&self.runtimes, runtime, name, id)
    }

    fn meant(&self, pattern: &Pattern) -> Result<Vec<Meant>, ContainersError> {
        containers::meant(&self.runtimes, &self.cgroups, pattern)
    }

    fn meant_by_id(&self, pattern: &Pattern, id: &str) -> Result<Option<Meant>, ContainersError> {
        containers::meant_by_id(&self.runtimes, pattern, id)
    }

    fn of_created(&self, id: &str, pid: u32) -> Result<Recognised, ContainersError> {
        containers::of_created(id, pid)
    }
}
