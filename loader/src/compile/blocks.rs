//! Bit vectors over entries, in blocks of 512 bits that vectors share.

use std::rc::Rc;

use berth_common::abi::rules::{Line, WORDS};

use super::hash::HashMap;

const WORD_BITS: usize = 64;

/// Bits in a block.
const BLOCK_BITS: usize = WORDS * WORD_BITS;

/// A vector: its blocks. Two vectors with the same bits have the same blocks.
pub(super) type Vector = Rc<[BlockId]>;

/// A block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct BlockId(u32);

/// All blocks that there are.
#[derive(Default)]
pub(super) struct Blocks {
    lines: Vec<Line>,
    ids: HashMap<Line, BlockId>,
}

impl Blocks {
    /// The block with these bits.
    pub(super) fn intern(&mut self, line: &Line) -> BlockId {
        if let Some(id) = self.ids.get(line) {
            return *id;
        }
        let id = BlockId(u32::try_from(self.lines.len()).unwrap_or(u32::MAX));
        self.lines.push(*line);
        self.ids.insert(*line, id);
        id
    }

    /// The bits of a block.
    pub(super) fn line(&self, id: BlockId) -> Line {
        self.lines.get(id.0 as usize).copied().unwrap_or_default()
    }

    /// The words of a vector.
    pub(super) fn words(&self, vector: &[BlockId]) -> impl Iterator<Item = u64> {
        vector.iter().flat_map(|id| self.line(*id))
    }

    /// The entries whose bits are set.
    pub(super) fn ones(&self, vector: &[BlockId]) -> Vec<usize> {
        let mut ones = Vec::new();
        for (number, mut word) in self.words(vector).enumerate() {
            while word != 0 {
                ones.push(number * WORD_BITS + word.trailing_zeros() as usize);
                word &= word - 1;
            }
        }
        ones
    }

    /// A vector, to be changed.
    pub(super) fn bits(&self, vector: &[BlockId]) -> Bits {
        Bits { lines: vector.iter().map(|id| self.line(*id)).collect() }
    }
}

/// A vector that is being changed.
#[derive(Clone, Debug)]
pub(super) struct Bits {
    lines: Vec<Line>,
}

impl Bits {
    /// Of so many entries, none.
    pub(super) fn none(entries: usize) -> Self {
        Self { lines: vec![[0; WORDS]; entries.div_ceil(BLOCK_BITS).max(1)] }
    }

    /// Those entries for which `has` says so.
    pub(super) fn of<T>(entries: &[T], has: impl Fn(&T) -> bool) -> Self {
        let mut bits = Self::none(entries.len());
        for (number, entry) in entries.iter().enumerate() {
            if has(entry) {
                bits.toggle(number);
            }
        }
        bits
    }

    /// Changes an entry's bit; tells in which block.
    pub(super) fn toggle(&mut self, entry: usize) -> usize {
        let block = entry / BLOCK_BITS;
        let word = self.lines.get_mut(block).and_then(|line| line.get_mut(entry % BLOCK_BITS / WORD_BITS));
        if let Some(word) = word {
            *word ^= 1 << (entry % WORD_BITS);
        }
        block
    }

    /// The words.
    pub(super) fn words(&self) -> impl Iterator<Item = u64> {
        self.lines.iter().flatten().copied()
    }

    /// How many bits are set.
    pub(super) fn count(&self) -> u32 {
        self.words().map(u64::count_ones).sum()
    }

    /// One block.
    pub(super) fn block(&self, number: usize) -> Line {
        self.lines.get(number).copied().unwrap_or_default()
    }

    /// As it is now.
    pub(super) fn vector(&self, blocks: &mut Blocks) -> Vector {
        self.lines.iter().map(|line| blocks.intern(line)).collect()
    }
}
