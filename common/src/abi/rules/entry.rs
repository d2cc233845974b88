//! What is done at a match: four words, two entries a line.
//!
//! | word | |
//! |---|---|
//! | 0 | bits 0–7 kind, 8–15 code, 16–23 flags, 24–31 number of checks, 32–47 next, 48–63 otherwise |
//! | 1 | counter, first check |
//! | 2 | argument |
//! | 3 | unused |

use super::{half, pair};

/// An entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What is done.
    pub kind: u8,
    /// Of a rejection: how, a number that the walk hands on.
    pub code: u8,
    /// [`VARIES`] or nothing.
    pub flags: u8,
    /// How many checks must hold.
    pub checks: u8,
    /// The entry at which the walk goes on after this one.
    pub next: u16,
    /// The entry at which it goes on if a check does not hold.
    pub otherwise: u16,
    /// The counter, or [`NO_COUNTER`].
    pub counter: u32,
    /// The first check, counted in check records from the ruleset's start.
    pub first_check: u32,
    /// Of [`MARK`]: value and mask. Of [`LOG`]: its id. Of [`TRANSLATE`]: the line of its [target](super::target).
    pub argument: u64,
}

/// Words of an entry.
pub const ENTRY_WORDS: usize = 4;

/// Most checks of one entry.
pub const MAX_CHECKS: u32 = 8;

/// Nothing is counted.
pub const NO_COUNTER: u32 = u32::MAX;

/// The answer may differ between packets of one flow, direction and state.
pub const VARIES: u8 = 1;

/// Ends: the packet passes.
pub const ACCEPT: u8 = 1;
/// Ends: it is dropped.
pub const DROP: u8 = 2;
/// Ends: it is dropped and its sender told so.
pub const REJECT: u8 = 3;
/// Nothing is done.
pub const CONTINUE: u8 = 4;
/// It is reported.
pub const LOG: u8 = 5;
/// Its mark is changed: the mask's bits cleared, then the value's flipped, as xt_MARK does.
pub const MARK: u8 = 6;
/// Ends: the packet passes, and its flow is translated.
pub const TRANSLATE: u8 = 7;

impl Entry {
    /// As words.
    pub const fn to_words(&self) -> [u64; ENTRY_WORDS] {
        let lower = self.kind as u32
            | (self.code as u32) << 8
            | (self.flags as u32) << 16
            | (self.checks as u32) << 24;
        let upper = self.next as u32 | (self.otherwise as u32) << 16;
        [pair(lower, upper), pair(self.counter, self.first_check), self.argument, 0]
    }

    /// From words.
    #[inline(always)]
    pub const fn from_words([kinds, places, argument, _]: [u64; ENTRY_WORDS]) -> Self {
        Self {
            kind: kinds as u8,
            code: (kinds >> 8) as u8,
            flags: (kinds >> 16) as u8,
            checks: (kinds >> 24) as u8,
            next: (kinds >> 32) as u16,
            otherwise: (kinds >> 48) as u16,
            counter: half(places, 0),
            first_check: half(places, 1),
            argument,
        }
    }
}
