//! A compiled ruleset, as a walk sees it.

use super::{Fields, lookup};
use crate::{
    abi::rules::{Line, reference::Reference},
    engine::tables::Word,
};

/// The lines of one ruleset: an array map in the kernel, plain memory elsewhere.
pub trait Lines {
    /// A word changed by several processors.
    type Word: Word;

    /// A line of the part that does not change.
    fn line(&self, index: u32) -> Option<&Line>;

    /// A word of the part that changes, counted from the ruleset's start.
    fn word(&self, index: u32) -> Option<Self::Word>;

    /// The place of the vector that `start` leads to for a packet with these fields.
    ///
    /// A place where the kernel's lines may cut the walk in two, to save stack; it does nothing else than this.
    #[inline(always)]
    fn vector(&self, fields: &Fields, start: Reference) -> Option<u32>
    where
        Self: Sized,
    {
        lookup::vector(self, fields, start)
    }

    /// Counts a packet of `bytes` in the counter whose first word is `index`. Nothing if there is no such word.
    #[inline(always)]
    fn count(&self, index: u32, bytes: u32) -> Option<()> {
        self.word(index)?.add(1);
        self.word(index.wrapping_add(1))?.add(bytes as u64);
        Some(())
    }
}
