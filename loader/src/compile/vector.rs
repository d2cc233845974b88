//! Writing vectors.

use berth_common::abi::rules::{
    reference::Reference,
    vector::{BLOCKS, group},
};

use super::{
    blocks::{Bits, BlockId, Vector},
    hash::HashMap,
    lines::Lines,
    partition::Space,
};

/// Entries that fit in a vector of one word.
pub(super) const SMALL: usize = 64;

/// The vectors of one table.
pub(super) struct Vectors<'a, 'b> {
    pub(super) lines: &'a mut Lines,
    pub(super) space: &'a mut Space<'b>,
    small: bool,
    /// Entries of which this table is the pivot.
    pivots: &'a Bits,
    written: HashMap<Vector, Reference>,
    /// Where blocks are.
    placed: HashMap<BlockId, u32>,
}

impl<'a, 'b> Vectors<'a, 'b> {
    pub(super) fn new(lines: &'a mut Lines, space: &'a mut Space<'b>, pivots: &'a Bits) -> Self {
        let small = space.entries.len() <= SMALL;
        Self { lines, space, small, pivots, written: HashMap::default(), placed: HashMap::default() }
    }

    /// Where a vector is; if it is nowhere yet, it is written.
    pub(super) fn write(&mut self, vector: &Vector) -> Reference {
        if let Some(reference) = self.written.get(vector) {
            return *reference;
        }
        let place = if self.small {
            let word = self.space.blocks.words(vector).next().unwrap_or(0);
            self.lines.share_word(word)
        } else {
            self.groups(vector)
        };
        let reference = Reference::vector(place);
        self.written.insert(vector.clone(), reference);
        reference
    }

    /// All vectors that were written.
    pub(super) fn into_written(self) -> Vec<Vector> {
        self.written.into_keys().collect()
    }

    fn groups(&mut self, vector: &Vector) -> u32 {
        let mut pivots = self.pivots.words();
        let mut groups = Vec::new();
        for part in vector.chunks(BLOCKS) {
            let mut any = 0;
            let mut pivot = 0;
            for (number, (word, mask)) in self.space.blocks.words(part).zip(pivots.by_ref()).enumerate() {
                any |= u64::from(word != 0) << number;
                pivot |= u64::from(word & mask != 0) << number;
            }
            groups.push(group(any, pivot, self.places(part)));
        }
        self.lines.share_run(groups)
    }

    fn places(&mut self, part: &[BlockId]) -> [u32; BLOCKS] {
        let mut places = [0; BLOCKS];
        for (place, id) in places.iter_mut().zip(part) {
            let line = self.space.blocks.line(*id);
            *place = *self.placed.entry(*id).or_insert_with(|| self.lines.share(&line));
        }
        places
    }
}
