//! What was decided for first fragments.

use std::{collections::BTreeMap, sync::Mutex, vec::Vec};

use super::lock;
use crate::abi::fragment::{Fragment, FragmentKey};

/// A table in which the entries that were used least lately give way.
pub(super) struct Fragments {
    capacity: usize,
    table: Mutex<Lru>,
}

#[derive(Default)]
struct Lru {
    entries: BTreeMap<FragmentKey, (u64, Fragment)>,
    turns: u64,
}

impl Lru {
    fn turn(&mut self) -> u64 {
        self.turns += 1;
        self.turns
    }
}

impl Fragments {
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity, table: Mutex::default() }
    }

    pub(super) fn get(&self, key: &FragmentKey) -> Option<Fragment> {
        let mut table = lock(&self.table);
        let turn = table.turn();
        let (last, fragment) = table.entries.get_mut(key)?;
        *last = turn;
        Some(*fragment)
    }

    pub(super) fn insert(&self, key: &FragmentKey, fragment: Fragment) {
        let mut table = lock(&self.table);
        let turn = table.turn();
        table.entries.insert(*key, (turn, fragment));
        while table.entries.len() > self.capacity {
            let oldest = table.entries.iter().min_by_key(|(_, (turn, _))| *turn).map(|(key, _)| *key);
            let Some(oldest) = oldest else { return };
            table.entries.remove(&oldest);
        }
    }

    pub(super) fn entries(&self) -> Vec<(FragmentKey, Fragment)> {
        lock(&self.table).entries.iter().map(|(key, (_, fragment))| (*key, *fragment)).collect()
    }
}
