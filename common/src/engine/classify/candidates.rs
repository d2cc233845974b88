//! The next entry that matches.

use super::{lines::Lines, surroundings::Surroundings, walk::Walk};
use crate::abi::rules::{
    root::MAX_TABLES,
    vector::{self, GROUP},
};

/// Where a search has come to.
pub(super) enum Found {
    /// At a matching entry, or the policy.
    Entry(u32),
    /// At none yet.
    Further,
}

impl<L: Lines, S: Surroundings> Walk<'_, L, S> {
    /// The first matching entry from `next` on. Looks at one word of 64 entries beyond the one it is in, and leaves the
    /// rest to another step.
    #[inline(always)]
    pub(super) fn seek(&mut self) -> Option<Found> {
        if let Some(entry) = self.in_word() {
            return Some(Found::Entry(entry));
        }
        if self.state.next >= self.state.entries {
            return Some(Found::Entry(self.state.entries));
        }
        let group = self.state.next.wrapping_div(GROUP);
        if group != self.state.group {
            self.load_group(group)?;
        }
        let words = if self.state.constant { self.state.plausible } else { self.state.candidates };
        let words = words & u64::MAX.wrapping_shl(self.state.next >> 6 & 63);
        if words == 0 {
            self.state.next = group.wrapping_add(1).wrapping_mul(GROUP);
            let is_last = self.state.next >= self.state.entries;
            return Some(if is_last { Found::Entry(self.state.entries) } else { Found::Further });
        }
        let word = group << 6 | first(words);
        self.load_word(word)?;
        self.state.next = self.state.next.max(word << 6);
        Some(self.in_word().map_or(Found::Further, Found::Entry))
    }

    /// The first matching entry from `next` on in the word that is loaded; without one, `next` moves behind it.
    #[inline(always)]
    fn in_word(&mut self) -> Option<u32> {
        if self.state.next >> 6 != self.state.word {
            return None;
        }
        let ahead = u64::MAX.wrapping_shl(self.state.next & 63);
        let matches = self.state.matches & ahead;
        if lowest(self.state.possible & ahead) != lowest(matches) {
            self.state.constant = false;
        }
        if matches == 0 {
            self.state.next = self.state.word.wrapping_add(1) << 6;
            return None;
        }
        Some(self.state.word << 6 | matches.trailing_zeros())
    }

    /// Finds out which words of a group can have a match.
    #[inline(always)]
    fn load_group(&mut self, group: u32) -> Option<()> {
        let mut plausible = u64::MAX;
        let mut pivots = 0;
        let mut varying = u64::MAX;
        for table in 0..MAX_TABLES {
            if table >= self.state.tables as u32 {
                break;
            }
            let [any, pivot, ..] = self.lines.line(self.vector(table)?.wrapping_add(group))?;
            if table < self.state.constant_tables as u32 {
                plausible &= any;
                pivots |= pivot;
            } else {
                varying &= any;
            }
        }
        self.state.group = group;
        self.state.plausible = plausible & pivots;
        self.state.candidates = plausible & pivots & varying;
        Some(())
    }

    /// Loads the matches of one word.
    #[inline(always)]
    fn load_word(&mut self, word: u32) -> Option<()> {
        let mut matches = u64::MAX;
        let mut possible = u64::MAX;
        for table in 0..MAX_TABLES {
            if table >= self.state.tables as u32 || matches == 0 {
                break;
            }
            let group = self.lines.line(self.vector(table)?.wrapping_add(self.state.group))?;
            let block = self.lines.line(vector::block(group, word & 63)?)?;
            matches &= block.get((word & 7) as usize)?;
            if table < self.state.constant_tables as u32 {
                possible = matches;
            }
        }
        self.state.word = word;
        self.state.matches = matches;
        self.state.possible = possible;
        Some(())
    }

    #[inline(always)]
    fn vector(&self, table: u32) -> Option<u32> {
        self.state.vectors.get(table as usize).copied()
    }
}

/// The number of the lowest bit that is set.
///
/// The compiler knows that it is below 64 and would leave out masks that the kernel's verifier, which sees a number out
/// of a table, needs: so it is hidden from the compiler.
#[inline(always)]
fn first(bits: u64) -> u32 {
    core::hint::black_box(bits.trailing_zeros())
}

/// The lowest bit that is set.
#[inline(always)]
const fn lowest(bits: u64) -> u64 {
    bits & bits.wrapping_neg()
}
