//! Words that several threads change at once.

use core::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::{collections::BTreeMap, sync::Mutex, vec::Vec};

use super::lock;
use crate::{abi::port::SUMMARY_ENTRIES, engine::tables::Word};

/// A word of a [`super::MemoryTables`].
#[derive(Clone, Copy)]
pub struct MemoryWord<'a>(Kind<'a>);

#[derive(Clone, Copy)]
enum Kind<'a> {
    Atomic(&'a AtomicU64),
    Sparse(&'a SparseArray, u32),
}

impl<'a> MemoryWord<'a> {
    pub(super) const fn atomic(word: &'a AtomicU64) -> Self {
        Self(Kind::Atomic(word))
    }
}

impl Word for MemoryWord<'_> {
    fn load(&self) -> u64 {
        match self.0 {
            Kind::Atomic(word) => word.load(SeqCst),
            Kind::Sparse(array, index) => array.change(index, |old| old),
        }
    }

    fn swap(&self, old: u64, new: u64) -> bool {
        match self.0 {
            Kind::Atomic(word) => word.compare_exchange(old, new, SeqCst, SeqCst).is_ok(),
            Kind::Sparse(array, index) => {
                array.change(index, |seen| if seen == old { new } else { seen }) == old
            }
        }
    }

    fn add(&self, value: u64) -> u64 {
        match self.0 {
            Kind::Atomic(word) => word.fetch_add(value, SeqCst),
            Kind::Sparse(array, index) => array.change(index, |old| old.wrapping_add(value)),
        }
    }
}

/// The summaries of all ports: a large array, of which little is ever used.
#[derive(Default)]
pub(super) struct SparseArray(Mutex<BTreeMap<u32, u64>>);

impl SparseArray {
    pub(super) fn word(&self, index: u32) -> Option<MemoryWord<'_>> {
        (index < SUMMARY_ENTRIES).then_some(MemoryWord(Kind::Sparse(self, index)))
    }

    /// Those that are not zero, by index.
    pub(super) fn entries(&self) -> Vec<(u32, u64)> {
        lock(&self.0).iter().map(|(index, word)| (*index, *word)).collect()
    }

    /// Changes a word and returns what it was.
    fn change(&self, index: u32, change: impl FnOnce(u64) -> u64) -> u64 {
        let mut words = lock(&self.0);
        let old = words.get(&index).copied().unwrap_or(0);
        match change(old) {
            0 => words.remove(&index),
            new => words.insert(index, new),
        };
        old
    }
}
