//! Named sets in memory.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    vec::Vec,
};

use super::lock;
use crate::{
    abi::rules::{Line, external::Set},
    engine::{
        classify::Question,
        set::{self, Lines, Plainly, Search},
    },
};

/// Sets by their numbers.
#[derive(Default)]
pub(super) struct Sets(Mutex<BTreeMap<u32, Arc<Vec<Line>>>>);

impl Sets {
    /// Puts a set in the place of the one that has its number.
    pub(super) fn put(&self, number: u32, lines: Vec<Line>) {
        lock(&self.0).insert(number, Arc::new(lines));
    }

    /// Whether the packet is in a set; it is in none that is not there. Nothing if the set is damaged.
    pub(super) fn holds(&self, number: u32, question: &Question, asked: Set) -> Option<bool> {
        let lines = lock(&self.0).get(&number).cloned();
        lines.map_or(Some(false), |lines| holds(&lines, question, asked))
    }
}

/// Whether the packet is in the set with these lines; nothing if they are none of a set.
pub fn holds(lines: &[Line], question: &Question, asked: Set) -> Option<bool> {
    let mut search = Search::EMPTY;
    match set::plainly(&lines, question, asked) {
        Plainly::NotIn => Some(false),
        Plainly::In => Some(true),
        Plainly::Untold => Some(search.is_in(&lines, question, asked)),
        Plainly::Damaged => None,
    }
}

impl Lines for &[Line] {
    fn line(&self, index: u32) -> Option<&Line> {
        self.get(index as usize)
    }
}
