//! What must be asked for each packet: four words, two checks a line.
//!
//! Word 0 has the kind in bits 0–7, whether the answer is inverted in bit 8, the kind of an external check in bits
//! 16–23, and in the upper half the word of its state, or an external check's id. The other three are parameters.

use super::{half, pair};

/// A check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Check {
    /// What is asked.
    pub kind: u8,
    /// Whether it holds if the answer is no.
    pub inverted: bool,
    /// Of an external check: its kind.
    pub external: u8,
    /// The word that has its state, counted from the ruleset's start; of an external check: its id.
    pub place: u32,
    /// Parameters.
    pub parameters: [u64; 3],
}

/// Words of a check.
pub const CHECK_WORDS: usize = 4;

/// Whether the mark, masked, is a value: value, mask.
pub const MARK: u8 = 1;
/// Whether the source MAC address is this one: the address as a number. No, inverted or not, where there is none.
pub const MAC: u8 = 2;
/// Whether the TCP header has an option: its kind. No, inverted or not, where there is no TCP header.
pub const TCP_OPTION: u8 = 3;
/// Whether 31 random bits are below a number: the number (xt_statistic).
pub const RANDOM: u8 = 4;
/// Whether it is the turn of this packet: one in how many. The state counts up from where it begins, and at a multiple
/// it is the turn.
pub const NTH: u8 = 5;
/// Whether there is a token in a bucket: a token's nanoseconds, and those of a full bucket without one token. The state
/// is the time at which the bucket is full again.
pub const LIMIT: u8 = 6;
/// What somebody else knows.
pub const EXTERNAL: u8 = 7;

impl Check {
    /// As words.
    pub const fn to_words(&self) -> [u64; CHECK_WORDS] {
        let kinds = self.kind as u32 | (self.inverted as u32) << 8 | (self.external as u32) << 16;
        let [a, b, c] = self.parameters;
        [pair(kinds, self.place), a, b, c]
    }

    /// From words.
    #[inline(always)]
    pub const fn from_words([kinds, a, b, c]: [u64; CHECK_WORDS]) -> Self {
        Self {
            kind: kinds as u8,
            inverted: kinds >> 8 & 1 != 0,
            external: (kinds >> 16) as u8,
            place: half(kinds, 1),
            parameters: [a, b, c],
        }
    }
}
