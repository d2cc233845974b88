//! Checks that somebody else answers: their kinds, and what stands in the three parameters of such a
//! [check](super::check). The id says of which object: a named set, a list of recent addresses, the buckets of a hashlimit,
//! the flows of one connlimit.

mod connlimit;
mod hashlimit;
mod recent;
mod set;

pub use connlimit::Connlimit;
pub use hashlimit::{Hashlimit, HashlimitEnd};
pub use recent::{Recent, RecentAction, Seen};
pub use set::Set;

/// Whether the packet is in a named set, which is told at once: [`Set`].
pub const SET: u8 = 1;
/// Whether an address is in a list of recent ones, which may change by that: [`Recent`].
pub const RECENT: u8 = 2;
/// Whether there is a token in the bucket of the packet's kind: [`Hashlimit`].
pub const HASHLIMIT: u8 = 3;
/// Whether there are many flows of an address: [`Connlimit`].
pub const CONNLIMIT: u8 = 4;

#[inline(always)]
const fn bit(word: u64, number: u32) -> bool {
    word >> number & 1 != 0
}
