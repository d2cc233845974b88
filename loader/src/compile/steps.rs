//! How many entries a packet can meet at most without its walk ending there.
//!
//! Three upper bounds, and the least of them counts: the most that one vector of one table leaves over; over all
//! tables, the sum of the most that one vector leaves over of the entries of which the table is the pivot; and the
//! most that any combination of one vector of each table leaves over, which is searched for only if the others are too
//! much, and only so long. Some combinations may be those of no packet, and gotos and returns may leave entries out.

use std::{cmp::Reverse, collections::BTreeSet};

use super::blocks::Bits;

/// How many combinations are looked at.
const PATIENCE: usize = 200_000;

/// The vectors that packets can have in a table, and the entries of which it is the pivot.
pub(super) struct Choices<'a> {
    pub(super) vectors: Vec<Vec<u64>>,
    pub(super) pivots: &'a Bits,
}

/// The bound for the entries in `goes_on`; as good a one as it takes to be within `limit`.
pub(super) fn bound(goes_on: &Bits, tables: &[Choices<'_>], limit: u32) -> u32 {
    if tables.is_empty() {
        return goes_on.words().map(u64::count_ones).sum();
    }
    let most_of = |table: &Choices<'_>, mask: &Bits| {
        let mask = common(goes_on.words(), mask.words());
        table.vectors.iter().map(|vector| count(&common(vector.iter().copied(), mask.iter().copied()))).max()
    };
    let by_pivot: u32 = tables.iter().filter_map(|table| most_of(table, table.pivots)).sum();
    let single = tables.iter().filter_map(|table| most_of(table, goes_on)).min();
    let bound = single.map_or(by_pivot, |single| single.min(by_pivot));
    if bound <= limit {
        return bound;
    }
    let mut tables: Vec<Vec<Vec<u64>>> =
        tables.iter().map(|table| relevant(goes_on, &table.vectors)).collect();
    tables.sort_by_key(|vectors| vectors.first().map_or(0, |vector| count(vector)));
    let mut search = Search { best: 0, patience: PATIENCE };
    match search.below(&goes_on.words().collect::<Vec<_>>(), &tables) {
        Some(()) => search.best.min(bound),
        None => bound,
    }
}

/// The vectors, without the entries that end a walk, each once, the fullest first.
fn relevant(goes_on: &Bits, vectors: &[Vec<u64>]) -> Vec<Vec<u64>> {
    let distinct: BTreeSet<Vec<u64>> =
        vectors.iter().map(|vector| common(goes_on.words(), vector.iter().copied())).collect();
    let mut sorted: Vec<Vec<u64>> = distinct.into_iter().collect();
    sorted.sort_by_key(|vector| Reverse(count(vector)));
    sorted
}

struct Search {
    best: u32,
    patience: usize,
}

impl Search {
    /// Tries all vectors of the remaining tables; nothing if that takes too long.
    fn below(&mut self, left: &[u64], tables: &[Vec<Vec<u64>>]) -> Option<()> {
        let [vectors, others @ ..] = tables else {
            self.best = self.best.max(count(left));
            return Some(());
        };
        for vector in vectors {
            // They come in descending order, so that no later one can do better either.
            if count(vector) <= self.best || count(left) <= self.best {
                break;
            }
            self.patience = self.patience.checked_sub(1)?;
            let left = common(left.iter().copied(), vector.iter().copied());
            if count(&left) > self.best {
                self.below(&left, others)?;
            }
        }
        Some(())
    }
}

fn common(a: impl Iterator<Item = u64>, b: impl Iterator<Item = u64>) -> Vec<u64> {
    a.zip(b).map(|(a, b)| a & b).collect()
}

fn count(vector: &[u64]) -> u32 {
    vector.iter().map(|word| word.count_ones()).sum()
}
