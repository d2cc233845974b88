//! What berth's programs and its loader share: the layouts that cross the kernel line ([`abi`]), views on packet
//! bytes ([`wire`]) and the per-packet decision itself ([`engine`]), which runs unchanged in the kernel, in tests and
//! in `berth explain`.
//!
//! Nothing here is unsafe, panics, allocates, or names the kernel or its libraries.
#![no_std]
#![forbid(unsafe_code)]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_lossless,
    reason = "taking the parts of packed words is what this crate does, in const functions where `From` cannot be used"
)]

#[cfg(feature = "memory")]
extern crate std;

pub mod abi;
pub mod engine;
#[cfg(feature = "memory")]
pub mod memory;
pub mod wire;
