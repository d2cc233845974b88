//! What the privileged tests, the demo and the benchmarks of berth stand on: a node and a remote host as two
//! network namespaces joined by a wire, tenants that share the node's network, sockets and frames of every kind, a
//! running berth, and counters that owe nothing to berth.
//!
//! Everything a run makes outside its own process bears a name that tells which process made it ([`name`]), is
//! removed when its value is dropped, and is swept by a later run if this one is killed ([`sweep`]). Nothing is sent
//! outside the namespaces made here.

pub mod behind;
pub mod bench;
pub mod berth;
pub mod bpf;
pub mod bridge;
pub mod cases;
pub mod cgroup;
pub mod command;
pub mod conntrack;
pub mod demo;
pub mod echo;
pub mod endpoint;
pub mod exchange;
pub mod flood;
pub mod frame;
pub mod ghost;
pub mod iperf;
pub mod leaks;
pub mod ledger;
pub mod libvirt;
pub mod link;
pub mod lxc;
pub mod name;
pub mod netns;
pub mod notice;
pub mod object;
pub mod offload;
pub mod packet;
pub mod pidfd;
pub mod podman;
pub mod privilege;
pub mod process;
pub mod program;
pub mod shared_node;
pub mod sniffer;
pub mod sockets;
pub mod spares;
pub mod spawner;
pub mod sweep;
pub mod sysctl;
pub mod tenant;
pub mod topology;
pub mod tun;
pub mod view;
pub mod wait;

pub use berth::Berth;
pub use bpf::counter::{Counter, Direction, Place};
pub use bpf::pair::Pair;
pub use bridge::{Bridge, Guest};
pub use cgroup::Cgroup;
pub use conntrack::Conntrack;
pub use endpoint::{Endpoint, Host};
pub use ghost::Ghost;
pub use ledger::Ledger;
pub use libvirt::Libvirt;
pub use lxc::Lxc;
pub use netns::{Netns, in_netns};
pub use podman::Podman;
pub use process::{Output, Process};
pub use shared_node::SharedNode;
pub use sniffer::Sniffer;
pub use sockets::Sockets;
pub use tenant::Tenant;
pub use topology::Topology;
pub use tun::Tun;
