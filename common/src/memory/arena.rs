//! Tables whose values never move, so that handles to them can be plain references.

use std::{collections::BTreeMap, sync::Mutex, vec::Vec};

use super::{cells::Cells, lock};
use crate::engine::tables::InsertError;

/// A table of at most `capacity` entries. As in a preallocated map of the kernel, the place of a deleted entry may be
/// used again while somebody still holds a handle to it.
pub(super) struct Table<K, C> {
    cells: Cells<C>,
    index: Mutex<Index<K>>,
}

struct Index<K> {
    places: BTreeMap<K, usize>,
    free: Vec<usize>,
    used: usize,
}

impl<K: Copy + Ord, C: Default> Table<K, C> {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            cells: Cells::new(capacity),
            index: Mutex::new(Index { places: BTreeMap::new(), free: Vec::new(), used: 0 }),
        }
    }

    pub(super) fn get(&self, key: &K) -> Option<&C> {
        let place = lock(&self.index).places.get(key).copied()?;
        self.cells.get(place)
    }

    /// Makes the entry `key`, whose cell `fill` fills before anybody sees it.
    pub(super) fn insert(&self, key: &K, fill: impl FnOnce(&C)) -> Result<(), InsertError> {
        let mut index = lock(&self.index);
        if index.places.contains_key(key) {
            return Err(InsertError::Exists);
        }
        let place = match index.free.pop() {
            Some(place) => place,
            None if index.used < self.cells.len() => {
                index.used += 1;
                index.used - 1
            }
            None => return Err(InsertError::Full),
        };
        fill(self.cells.get(place).ok_or(InsertError::Full)?);
        index.places.insert(*key, place);
        Ok(())
    }

    /// Deletes the entry `key`; tells whether it was there.
    pub(super) fn remove(&self, key: &K) -> bool {
        let mut index = lock(&self.index);
        let Some(place) = index.places.remove(key) else { return false };
        index.free.push(place);
        true
    }

    /// All entries at this moment, in the order of their keys.
    pub(super) fn entries(&self) -> Vec<(K, &C)> {
        let index = lock(&self.index);
        index.places.iter().filter_map(|(key, place)| Some((*key, self.cells.get(*place)?))).collect()
    }
}
