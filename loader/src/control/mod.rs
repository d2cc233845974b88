//! All that berth has in the kernel: maps, programs and links. Nothing else in the loader opens maps or calls bpf().

mod addresses;
mod bpffs;
mod btf;
mod cgroups;
mod container;
mod counters;
mod error;
mod events;
mod flows;
mod kernel;
mod maps;
mod members;
mod object;
mod pins;
mod plain;
mod ports;
mod programs;
mod qdisc;
mod requests;
mod sockets;
mod spec;
mod sys;
mod tc;
mod uplinks;

pub use bpffs::{Bpffs, ensure_bpffs};
pub use error::ControlError;
pub use events::Events;
pub use kernel::Kernel;
pub use pins::Pinned;
pub use ports::PortRefusal;
pub use spec::{Sizes, Spec};
