//! Benchmarks.

pub mod attribution;
mod egress;
mod ingress;
mod report;
mod samples;
mod turnstile;
mod world;
