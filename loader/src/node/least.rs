//! The first few of many, without keeping all.

use std::collections::BinaryHeap;

/// The entries of least rank, of all that are offered: no more than there is room for.
pub(super) struct Least<R, T> {
    room: usize,
    /// The greatest rank first.
    heap: BinaryHeap<Entry<R, T>>,
}

struct Entry<R, T> {
    rank: R,
    value: T,
}

impl<R: Ord, T> Least<R, T> {
    pub(super) fn new(room: usize) -> Self {
        Self { room, heap: BinaryHeap::new() }
    }

    pub(super) fn offer(&mut self, rank: R, value: impl FnOnce() -> T) {
        if self.heap.len() == self.room {
            // What is pushed out of no room at all is itself.
            match self.heap.peek() {
                Some(last) if rank < last.rank => drop(self.heap.pop()),
                _ => return,
            }
        }
        self.heap.push(Entry { rank, value: value() });
    }

    /// In order.
    pub(super) fn into_sorted(self) -> impl Iterator<Item = (R, T)> {
        self.heap.into_sorted_vec().into_iter().map(|Entry { rank, value }| (rank, value))
    }
}

impl<R: Ord, T> Ord for Entry<R, T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rank.cmp(&other.rank)
    }
}

impl<R: Ord, T> PartialOrd for Entry<R, T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<R: Ord, T> PartialEq for Entry<R, T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<R: Ord, T> Eq for Entry<R, T> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_are_kept_in_order() {
        for room in [0, 1, 3, 7, 100] {
            let mut least = Least::new(room);
            let ranks = [5, 2, 9, 2, 7, 1, 8];
            for (rank, number) in ranks.iter().zip(0..) {
                // All different, so that there is one right answer.
                least.offer((*rank, number), || number);
            }
            let mut expected: Vec<(i32, usize)> = ranks.iter().copied().zip(0..).collect();
            expected.sort_unstable();
            expected.truncate(room);
            let found: Vec<_> = least.into_sorted().map(|(rank, _)| rank).collect();
            assert_eq!(found, expected, "of {room}");
        }
    }
}
