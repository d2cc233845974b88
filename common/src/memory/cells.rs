//! Arrays that take memory only where they are used, and whose cells never move, so that handles to them can be plain
//! references.

use std::{boxed::Box, sync::OnceLock, vec::Vec};

const CHUNK: usize = 64;

/// An array of `length` cells.
pub(super) struct Cells<C> {
    chunks: Box<[OnceLock<Box<[C]>>]>,
    length: usize,
}

impl<C: Default> Cells<C> {
    pub(super) fn new(length: usize) -> Self {
        Self { chunks: (0..length.div_ceil(CHUNK)).map(|_| OnceLock::new()).collect(), length }
    }

    pub(super) const fn len(&self) -> usize {
        self.length
    }

    pub(super) fn get(&self, place: usize) -> Option<&C> {
        if place >= self.length {
            return None;
        }
        let chunk = self.chunks.get(place / CHUNK)?;
        chunk.get_or_init(|| (0..CHUNK).map(|_| C::default()).collect()).get(place % CHUNK)
    }

    /// The cells that have been used, with their places, and perhaps others that are as they were.
    pub(super) fn used(&self) -> Vec<(usize, &C)> {
        let chunks = self.chunks.iter().enumerate();
        let cells = chunks.filter_map(|(number, chunk)| Some((number, chunk.get()?)));
        let cells = cells.flat_map(|(number, cells)| (number * CHUNK..).zip(cells));
        cells.filter(|(place, _)| *place < self.length).collect()
    }
}
