//! Entry points, one file for each kind of hook.

mod adopt;
mod bind;
mod cgroup;
mod connect;
pub mod control;
mod hairpin;
mod lsm;
mod nat;
mod sockets;
mod sockopt;
mod tc;
