//! Bit vectors: which entries a packet matches.
//!
//! Of a small root, a vector is one word: bit *n* is entry *n*. Else it is one line for each group of 4,096 entries:
//!
//! | word | |
//! |---|---|
//! | 0 | bit *w* is set if any of the group's entries 64*w* to 64*w* + 63 matches |
//! | 1 | the same, but only for entries of which this table is the *pivot* |
//! | 2–5 | eight halves: the lines that have the entries' bits, 512 to a line, shared with other vectors |
//!
//! The pivot of an entry is the table by which fewest packets match it. A word of 64 entries can have a match only
//! where all tables have a bit in word 0 and, for the same reason, at least one has a bit in word 1. Without the
//! latter, words whose entries each leave most tables open (some with a source address only, some with a port only)
//! would have to be looked at one by one: the cost would grow with rules that do not match. Entries that every packet
//! matches as far as constant tables go have no pivot; their bits are in word 1 of all vectors of the first table.

use super::{Line, half};

/// Entries in a group.
pub const GROUP: u32 = 4_096;

/// Lines of bits in a group.
pub const BLOCKS: usize = 8;

/// A group's line.
pub fn group(any: u64, pivot: u64, blocks: [u32; BLOCKS]) -> Line {
    super::line(&[any, pivot], &blocks)
}

/// The line that has word `word` (0 to 63) of the group's bits.
#[inline(always)]
pub fn block(line: &Line, word: u32) -> Option<u32> {
    let number = word >> 3 & 7;
    line.get((2 + (number >> 1)) as usize).map(|word| half(*word, number))
}
