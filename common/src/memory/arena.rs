//! Tables whose values never move, so that handles to them can be plain references.

use std::{
    boxed::Box,
    collections::BTreeMap,
    sync::{Mutex, OnceLock},
    vec::Vec,
};

use super::lock;
use crate::engine::tables::InsertError;

const CHUNK: usize = 64;

/// A table of at most `capacity` entries. As in a preallocated map of the kernel, the place of a deleted entry may be
/// used again while somebody still holds a handle to it.
pub(super) struct Table<K, C> {
    chunks: Box<[OnceLock<Box<[C]>>]>,
    capacity: usize,
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
            chunks: (0..capacity.div_ceil(CHUNK)).map(|_| OnceLock::new()).collect(),
            capacity,
            index: Mutex::new(Index { places: BTreeMap::new(), free: Vec::new(), used: 0 }),
        }
    }

    pub(super) fn get(&self, key: &K) -> Option<&C> {
        let place = lock(&self.index).places.get(key).copied()?;
        self.cell(place)
    }

    /// Makes the entry `key`, whose cell `fill` fills before anybody sees it.
    pub(super) fn insert(&self, key: &K, fill: impl FnOnce(&C)) -> Result<(), InsertError> {
        let mut index = lock(&self.index);
        if index.places.contains_key(key) {
            return Err(InsertError::Exists);
        }
        let place = match index.free.pop() {
            Some(place) => place,
            None if index.used < self.capacity => {
                index.used += 1;
                index.used - 1
            }
            None => return Err(InsertError::Full),
        };
        fill(self.cell(place).ok_or(InsertError::Full)?);
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
        index.places.iter().filter_map(|(key, place)| Some((*key, self.cell(*place)?))).collect()
    }

    fn cell(&self, place: usize) -> Option<&C> {
        let chunk = self.chunks.get(place / CHUNK)?;
        chunk.get_or_init(|| (0..CHUNK).map(|_| C::default()).collect()).get(place % CHUNK)
    }
}
