//! Bad input, and nodes on which berth cannot work: one clear line, the documented exit code, and nothing half-done.

mod abi;
mod bpffs;
mod config;
mod containers;
mod full;
mod interfaces;
mod kernel;
mod node;
mod ports;
mod privilege;
mod sandbox;
mod state;
mod unreachable;
mod usage;
