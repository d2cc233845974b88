//! Entry points, one file for each kind of hook.

mod adopt;
mod bind;
mod cgroup;
mod connect;
pub mod control;
mod hairpin;
mod lsm;
pub mod nat;
mod own;
mod sockets;
mod sockopt;
mod tc;
