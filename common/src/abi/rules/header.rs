//! The first line of a ruleset.

use super::{Line, chain::SLOTS, half, pair};

/// Halves of words that the roots take.
const ROOT_HALVES: usize = SLOTS as usize / 2;

/// Tells a ruleset from anything else: "brth".
pub const MAGIC: u32 = 0x6272_7468;

/// Version of the layout of rulesets. A walk refuses any other.
pub const LAYOUT: u32 = 2;

/// What the first line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Stamp of this ruleset: no two that a container ever had share one.
    pub generation: u64,
    /// Line of the [root](super::root) of each slot; zero where there are no rules. They are among the first lines.
    pub roots: [u16; SLOTS as usize],
    /// First line of the base counters.
    pub base: u32,
    /// First line of the counters; all from here on changes while the ruleset is in force.
    pub counters: u32,
    /// How many counters there are, without those of the policies.
    pub rules: u32,
    /// How many lines there are in all.
    pub lines: u32,
}

impl Header {
    /// As a line.
    pub fn to_line(&self) -> Line {
        let mut halves = [0; ROOT_HALVES + 4];
        let two = |roots: &[u16]| roots.iter().rev().fold(0, |half, root| half << 16 | u32::from(*root));
        let rest = [self.base, self.counters, self.rules, self.lines];
        for (place, half) in halves.iter_mut().zip(self.roots.chunks(2).map(two).chain(rest)) {
            *place = half;
        }
        super::line(&[pair(LAYOUT, MAGIC), self.generation], &halves)
    }

    /// From a line; nothing if it is of another layout, or no header.
    pub fn from_line(line: &Line) -> Option<Self> {
        if !is_known(line) {
            return None;
        }
        let mut roots = [0; SLOTS as usize];
        for (slot, place) in (0..SLOTS).zip(&mut roots) {
            *place = root(line, slot)?;
        }
        let [_, generation, .., counters, sizes] = *line;
        Some(Self {
            generation,
            roots,
            base: half(counters, 0),
            counters: half(counters, 1),
            rules: half(sizes, 0),
            lines: half(sizes, 1),
        })
    }
}

/// Whether the line is a header of this layout.
#[inline(always)]
pub const fn is_known(line: &Line) -> bool {
    let [first, ..] = *line;
    first == pair(LAYOUT, MAGIC)
}

/// The stamp in a header.
#[inline(always)]
pub const fn generation(line: &Line) -> u64 {
    let [_, generation, ..] = *line;
    generation
}

/// The first line of the counters in a header.
#[inline(always)]
pub const fn counters(line: &Line) -> u32 {
    let [.., counters, _] = *line;
    half(counters, 1)
}

/// The line of the root in a slot.
#[inline(always)]
pub fn root(line: &Line, slot: u32) -> Option<u16> {
    line.get((2 + (slot >> 2 & 3)) as usize).map(|word| (word >> ((slot & 3) << 4)) as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Header = Header {
        generation: u64::MAX - 1,
        roots: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, u16::MAX],
        base: 9,
        counters: 10,
        rules: 11,
        lines: 12,
    };

    #[test]
    fn a_header_is_read_as_written() {
        let line = HEADER.to_line();
        assert_eq!(Header::from_line(&line), Some(HEADER));
        for (slot, expected) in (0..SLOTS).zip(HEADER.roots) {
            assert_eq!(root(&line, slot), Some(expected));
        }
        assert_eq!((generation(&line), counters(&line)), (HEADER.generation, HEADER.counters));
    }

    #[test]
    fn another_layout_is_none() {
        let mut line = HEADER.to_line();
        line[0] += 1;
        assert!(!is_known(&line) && Header::from_line(&line).is_none());
    }
}
