//! Where the walk of one built-in chain begins.

use super::{Line, half, pair, reference::Reference};

/// Most tables under one root.
pub const MAX_TABLES: u32 = 12;

/// Where everything of one built-in chain is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Root {
    /// All but its tables.
    pub shape: Shape,
    /// Where each table begins.
    pub starts: [Reference; MAX_TABLES as usize],
}

/// What a walk has to know of a chain before it looks anything up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// How many tables there are. Without any, which only small roots are, all entries match.
    pub tables: u8,
    /// How many of them, the first ones, look only at what is constant in a flow. At least one does, if there are any.
    pub constant: u8,
    /// Whether vectors are single words, since there are at most 64 entries.
    pub small: bool,
    /// How many entries there are. The policy comes behind them and is in no vector.
    pub entries: u32,
    /// Line of the first entry.
    pub first: u32,
    /// Line of the first counter.
    pub counters: u32,
}

impl Root {
    /// As a line.
    pub fn to_line(&self) -> Line {
        let Shape { tables, constant, small, entries, first, counters } = self.shape;
        let kinds = tables as u32 | (constant as u32) << 8 | (small as u32) << 16;
        let words = [pair(kinds, entries), pair(first, counters)];
        super::line(&words, &self.starts.map(|start| start.0))
    }
}

impl Shape {
    /// As a root's line has it.
    #[inline(always)]
    pub const fn from_line(line: &Line) -> Self {
        let [kinds, places, ..] = *line;
        Self {
            tables: kinds as u8,
            constant: (kinds >> 8) as u8,
            small: kinds >> 16 & 1 != 0,
            entries: half(kinds, 1),
            first: half(places, 0),
            counters: half(places, 1),
        }
    }
}

/// Where a table begins.
#[inline(always)]
pub fn start(line: &Line, table: u32) -> Option<Reference> {
    line.get((2 + (table >> 1)) as usize).map(|word| Reference(half(*word, table)))
}
