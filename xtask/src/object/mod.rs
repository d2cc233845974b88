//! The eBPF object: building it, looking into it, having the kernel verify it.

pub mod build;
pub mod inspect;
pub mod layout;
mod panics;
pub mod programs;
pub mod stack;
pub mod verify;
