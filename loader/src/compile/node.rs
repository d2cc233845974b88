//! Nodes: from the value of one part to whatever is known of it.
//!
//! A page is the quickest node, so many runs are split by pages: of 256 slots where that many runs are worth its 16
//! lines, else of 16. Where all runs begin within a small part of what a page would split, that part is cut out first
//! (path compression). What is left of a few runs goes into a window, if they are a range and what is on both sides
//! of it, or into a line of ranges. A random list of 4,096 networks so takes three look-ups, and a fraction of the
//! space of tries of pages alone, which would be mostly empty.

use berth_common::abi::rules::{
    Line,
    node::{RANGES, SLOTS_A_LINE, ranges, window},
    reference::Reference,
};

use super::{hash::HashMap, lines::Lines};

/// A reference and how many nodes it is away from a vector, at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) reference: Reference,
    pub(super) depth: u32,
}

/// Ascending: the last value of each run, and what its values lead to.
pub(super) type Runs = Vec<(u32, Node)>;

/// From how many runs on a page of 256 slots is worth its space: at the top of a part, of which there are few; in the
/// last byte, where it ends the search; and anywhere else.
const WIDE_AT_THE_TOP: usize = 24;
const WIDE_AT_THE_END: usize = 12;
const WIDE: usize = 48;

/// The node of a part, all of whose values have at most `bits` bits. `is_top` says whether it is the first of a table.
pub(super) fn build(lines: &mut Lines, part: u32, bits: u32, runs: Runs, is_top: bool) -> Option<Node> {
    let runs = merge(runs);
    let mut builder = Builder { lines, part };
    if bits == 8 && runs.len() > 3 && is_top {
        return Some(builder.page(bits, true, &runs));
    }
    builder.node(bits, runs, WIDE_AT_THE_TOP)
}

struct Builder<'a> {
    lines: &'a mut Lines,
    part: u32,
}

impl Builder<'_> {
    /// The node of an aligned block of 2^`bits` values: a page is wide for more than `wide` runs.
    fn node(&mut self, bits: u32, runs: Runs, wide: usize) -> Option<Node> {
        let (first, last) = match runs.as_slice() {
            [] => return None,
            [(_, node)] => return Some(*node),
            [first, .., before, _] => (first.0, before.0.saturating_add(1)),
            [first, _] => (first.0, first.0.saturating_add(1)),
        };
        if bits <= 4 {
            return Some(self.page(bits, false, &runs));
        }
        if let Some(window) = self.window(&runs) {
            return Some(window);
        }
        if runs.len() <= RANGES {
            return Some(self.ranges(&runs));
        }
        // The smallest block in which all is that a page could tell apart.
        let inner = (u32::BITS - (first ^ last).leading_zeros()).next_multiple_of(4);
        if bits.saturating_sub(inner) >= 8 {
            return self.cut_out(inner, first, runs);
        }
        let wide = if bits == 8 { WIDE_AT_THE_END } else { wide };
        Some(self.page(bits, bits >= 8 && runs.len() > wide, &runs))
    }

    /// One range, if what is below it and above is the same, or one of them is not there.
    fn window(&mut self, runs: &[(u32, Node)]) -> Option<Node> {
        let (first, last, inside, outside) = match runs {
            [(last, inside), (_, outside)] => (0, *last, inside, outside),
            [(before, below), (last, inside), (_, above)] if below.reference == above.reference => {
                (before.checked_add(1)?, *last, inside, below)
            }
            _ => return None,
        };
        let words = window(first, last, inside.reference, outside.reference);
        let place = self.lines.share_window(words);
        let reference = Reference::window(self.part, place / 4, place % 4);
        Some(Node { reference, depth: 1 + deepest(runs) })
    }

    fn ranges(&mut self, runs: &[(u32, Node)]) -> Node {
        let mut lasts = [u32::MAX; RANGES - 1];
        let mut references = [Reference::NONE; RANGES];
        for (place, run) in lasts.iter_mut().zip(runs.iter().take(runs.len() - 1)) {
            *place = run.0;
        }
        for (place, run) in references.iter_mut().zip(runs) {
            *place = run.1.reference;
        }
        let line = self.lines.share(&ranges(lasts, references));
        Node { reference: Reference::ranges(self.part, line), depth: 1 + deepest(runs) }
    }

    /// Three ranges, of which the one in the middle is the aligned block of 2^`inner` values around `value`.
    fn cut_out(&mut self, inner: u32, value: u32, runs: Runs) -> Option<Node> {
        let size = 1_u64 << inner;
        let start = u64::from(value) / size * size;
        let end = u32::try_from(start + size - 1).ok()?;
        let (below, above) = (*runs.first()?, *runs.last()?);
        let within = runs.into_iter().map(|(last, node)| (last.min(end), node)).collect();
        let block = self.node(inner, within, WIDE)?;
        let mut split = Runs::new();
        if let Some(before) = u32::try_from(start).ok()?.checked_sub(1) {
            split.push((before, below.1));
        }
        split.push((end, block));
        if end < above.0 {
            split.push(above);
        }
        if let [(_, node)] = split.as_slice() {
            return Some(*node);
        }
        Some(self.window(&split).unwrap_or_else(|| self.ranges(&split)))
    }

    fn page(&mut self, bits: u32, wide: bool, runs: &[(u32, Node)]) -> Node {
        let width = if wide { 8 } else { 4 };
        let shift = bits.saturating_sub(width);
        let mut slots = Vec::with_capacity(1 << width);
        let mut known: HashMap<Vec<(u32, Reference)>, Node> = HashMap::default();
        let mut depth = 0;
        let start = runs.first().map_or(0, |run| u64::from(run.0)) >> bits << bits;
        let mut rest = runs;
        for slot in 0..1_u64 << width {
            let first = start + (slot << shift);
            let last = u32::try_from(first + (1 << shift) - 1).unwrap_or(u32::MAX);
            let passed = rest.iter().position(|(end, _)| u64::from(*end) >= first).unwrap_or(0);
            rest = rest.get(passed..).unwrap_or_default();
            let within = rest.iter().position(|(end, _)| *end >= last).map_or(rest.len(), |place| place + 1);
            let node = match rest.get(..within).unwrap_or_default() {
                // Most slots are like this.
                [(_, node)] => *node,
                slot => {
                    let slot: Runs = slot.iter().map(|(end, node)| ((*end).min(last), *node)).collect();
                    let key = slot.iter().map(|(end, node)| (*end, node.reference)).collect();
                    let node = match known.get(&key) {
                        Some(node) => *node,
                        None => self.node(shift, slot, WIDE).unwrap_or(NOWHERE),
                    };
                    known.insert(key, node);
                    node
                }
            };
            depth = depth.max(node.depth);
            slots.push(node.reference.0);
        }
        let page: Vec<Line> = slots
            .chunks(SLOTS_A_LINE as usize)
            .map(|slots| berth_common::abi::rules::line(&[], slots))
            .collect();
        let line = self.lines.share_run(page);
        Node { reference: Reference::page(self.part, shift, wide, line), depth: 1 + depth }
    }
}

/// What would be in a slot that no run covers.
const NOWHERE: Node = Node { reference: Reference::NONE, depth: 0 };

/// Makes one run of neighbours that lead to the same.
fn merge(runs: Runs) -> Runs {
    let mut merged = Runs::with_capacity(runs.len());
    for (last, node) in runs {
        match merged.last_mut() {
            Some(before) if before.1.reference == node.reference => before.0 = last,
            Some(_) | None => merged.push((last, node)),
        }
    }
    merged
}

fn deepest(runs: &[(u32, Node)]) -> u32 {
    runs.iter().map(|run| run.1.depth).max().unwrap_or(0)
}
