//! Benchmarks.

pub mod attribution;
mod egress;
mod ingress;
mod report;
mod samples;
pub mod sets;
mod turnstile;
mod world;
