//! For one dimension: which values satisfy the same entries.
//!
//! The interval ends of the entries cut the dimension into elementary intervals. A sweep over them changes only the
//! bits of the entries that begin or end there, so it costs what there are interval ends, not what there are entries
//! times intervals.

use std::rc::Rc;

use berth_common::abi::rules::{Dimension, Family};

use super::{
    blocks::{Bits, BlockId, Blocks, Vector},
    flatten::Entry,
    hash::HashMap,
    values::{self, Values},
};

/// The entries of a root, and the vectors over them.
pub(super) struct Space<'a> {
    pub(super) family: Family,
    pub(super) entries: &'a [Entry],
    pub(super) blocks: Blocks,
    known: HashMap<(Dimension, Vector), Rc<Partition>>,
}

/// A dimension's values by the entries that they satisfy.
#[derive(Clone, Debug)]
pub(super) struct Partition {
    /// Ascending: the last value of each run, and the class of all its values.
    pub(super) runs: Vec<(u128, usize)>,
    /// Of each class: which entries its values satisfy.
    pub(super) classes: Vec<Vector>,
}

impl<'a> Space<'a> {
    pub(super) fn new(family: Family, entries: &'a [Entry]) -> Self {
        Self { family, entries, blocks: Blocks::default(), known: HashMap::default() }
    }

    /// All entries.
    pub(super) fn all(&mut self) -> Vector {
        Bits::of(self.entries, |_| true).vector(&mut self.blocks)
    }

    /// The entries that look at one of these dimensions.
    pub(super) fn looking_at(&self, dimensions: &[Dimension]) -> Bits {
        Bits::of(self.entries, |entry| {
            dimensions.iter().any(|dimension| entry.region.values(*dimension).is_some())
        })
    }

    /// Of a dimension, for packets that satisfy at most the entries in `left`.
    pub(super) fn partition(&mut self, dimension: Dimension, left: &Vector) -> Rc<Partition> {
        let key = (dimension, Rc::clone(left));
        if let Some(partition) = self.known.get(&key) {
            return Rc::clone(partition);
        }
        let partition = Rc::new(self.sweep(dimension, left));
        self.known.insert(key, Rc::clone(&partition));
        partition
    }

    fn sweep(&mut self, dimension: Dimension, left: &Vector) -> Partition {
        let top = values::top(dimension, self.family);
        let mut ends = Vec::new();
        let mut looking = Vec::new();
        for number in self.blocks.ones(left) {
            let values = self.entries.get(number).and_then(|entry| entry.region.values(dimension));
            if let Some(values) = values {
                looking.push(number);
                ends.extend(interval_ends(values, top).map(|end| (end, number)));
            }
        }
        if looking.is_empty() {
            return Partition { runs: vec![(top, 0)], classes: vec![Rc::clone(left)] };
        }
        ends.sort_unstable();
        let mut sweep = Sweep::new(left, &mut self.blocks);
        // They are out until their first intervals begin.
        for number in looking {
            sweep.toggle(number);
        }
        let mut ends = ends.into_iter().peekable();
        let mut start = 0;
        loop {
            while let Some((_, entry)) = ends.next_if(|(value, _)| *value == start) {
                sweep.toggle(entry);
            }
            let next = ends.peek().map(|(value, _)| *value);
            sweep.run(next.map_or(top, |next| next - 1));
            match next {
                Some(next) => start = next,
                None => return sweep.partition,
            }
        }
    }
}

/// Where intervals begin, and where others do that end before.
fn interval_ends(values: &Values, top: u128) -> impl Iterator<Item = u128> {
    values.intervals().flat_map(move |interval| {
        let (first, last) = interval.into_inner();
        [Some(first), (last < top).then(|| last + 1)].into_iter().flatten()
    })
}

struct Sweep<'a> {
    blocks: &'a mut Blocks,
    bits: Bits,
    /// The blocks of `bits`, but for those in `changed`.
    vector: Vec<BlockId>,
    changed: Vec<usize>,
    known: HashMap<Vec<BlockId>, usize>,
    partition: Partition,
}

impl<'a> Sweep<'a> {
    fn new(vector: &[BlockId], blocks: &'a mut Blocks) -> Self {
        let (bits, vector) = (blocks.bits(vector), vector.to_vec());
        let partition = Partition { runs: Vec::new(), classes: Vec::new() };
        Self { blocks, bits, vector, changed: Vec::new(), known: HashMap::default(), partition }
    }

    fn toggle(&mut self, entry: usize) {
        let block = self.bits.toggle(entry);
        if self.changed.last() != Some(&block) {
            self.changed.push(block);
        }
    }

    /// Ends a run of values at `last`.
    fn run(&mut self, last: u128) {
        for number in self.changed.drain(..) {
            if let Some(id) = self.vector.get_mut(number) {
                *id = self.blocks.intern(&self.bits.block(number));
            }
        }
        let class = self.class();
        match self.partition.runs.last_mut() {
            Some(before) if before.1 == class => before.0 = last,
            Some(_) | None => self.partition.runs.push((last, class)),
        }
    }

    fn class(&mut self) -> usize {
        if let Some(class) = self.known.get(&self.vector) {
            return *class;
        }
        let class = self.partition.classes.len();
        self.partition.classes.push(Rc::from(self.vector.as_slice()));
        self.known.insert(self.vector.clone(), class);
        class
    }
}
