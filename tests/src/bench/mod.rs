//! Benchmarks.

pub mod attribution;
mod egress;
pub mod flood;
pub mod flows;
mod ingress;
mod listing;
mod machine;
pub mod nat;
mod report;
pub mod rules;
mod samples;
pub mod sets;
pub mod sockets;
mod stack;
pub mod tuple;
mod turnstile;
mod world;
