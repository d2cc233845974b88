//! What containers are on this node, and what the node is: control groups, network namespaces, interfaces, addresses,
//! the kernel's abilities.
//!
//! This only observes; nothing here changes the system. All of it is synchronous and takes a few system calls.

mod addresses;
mod cgroup;
mod docker;
mod error;
mod host;
mod libvirt;
mod link;
mod lxc;
mod matching;
pub(crate) mod netlink;
mod netns;
mod nspawn;
mod oci;
mod podman;
mod process;
mod runtimes;
mod sockets;
mod veth;

pub use addresses::{LinkAddress, addresses, source_addresses};
pub use cgroup::{Cgroup, Hierarchy};
pub use error::ContainersError;
pub use host::{Host, Release};
pub use link::{Link, Master, default_uplinks, link, links, masters};
pub use matching::{Meant, meant, meant_by_id};
pub use netns::{Netns, netns_cookie};
pub use oci::of_created;
pub use process::{Recognised, of_pid};
pub use runtimes::{cgroup_parents, is_named, of_runtime};
pub use sockets::{Role, Socket, sockets};
