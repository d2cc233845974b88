//! Makes packets: of every kind the engine tells apart, damaged ones, and noise. The same seed makes the same packets,
//! so that the engine in memory and the loaded program can be given the same and compared.
//!
//! Lengths and the checksum of IPv4 headers are right in what is not damaged; other checksums are left out.

pub mod cases;
mod mutation;
mod network;
mod random;
mod scene;
mod transport;

pub use mutation::{Mutation, noise};
pub use random::Random;
pub use scene::{Direction, Sample, Scene, Shape};
