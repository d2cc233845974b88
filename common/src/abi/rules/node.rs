//! Nodes of tables.
//!
//! A node looks at one part of the packet's value, a 32-bit number. A *page* is sixteen references (one line) or 256
//! (sixteen lines), by four or eight bits of the number. A *window* is a quarter of a line: the first number of a range
//! and by how much the last one is larger, then the references for what is inside of it and outside. *Ranges* are one
//! line: up to seven numbers, each the last of a range, in ascending order, and eight references, the last one for
//! what is above all numbers. A page costs least time, ranges most; for space it is the other way round.

use super::{Line, half, pair, reference::Reference};

/// Most ranges in a line.
pub const RANGES: usize = 8;

/// References in a line of a page.
pub const SLOTS_A_LINE: u32 = 16;

/// Most nodes between the start of a table and a vector.
pub const MAX_DEPTH: u32 = 32;

/// A line of ranges. Those that are not needed have [`u32::MAX`] as their last number, which nothing is above.
pub fn ranges(lasts: [u32; RANGES - 1], references: [Reference; RANGES]) -> Line {
    let mut halves = [u32::MAX; 2 * RANGES];
    let (numbers, places) = halves.split_at_mut(RANGES);
    for (place, last) in numbers.iter_mut().zip(lasts) {
        *place = last;
    }
    for (place, reference) in places.iter_mut().zip(references) {
        *place = reference.0;
    }
    super::line(&[], &halves)
}

/// The reference of the range that `value` is in.
#[inline(always)]
pub fn find_range(line: &Line, value: u32) -> Option<Reference> {
    let value = hidden(value);
    let [a, b, c, d, ..] = line;
    let rank = above(*a, value) + above(*b, value) + above(*c, value) + above(*d, value);
    line.get(4 + (rank >> 1) as usize).map(|word| Reference(half(*word, rank)))
}

/// How many of a word's two numbers `value` is above: by the borrow of a subtraction, since a branch for each number
/// would be mispredicted, and would multiply the paths that the kernel's verifier looks at.
#[inline(always)]
const fn above(word: u64, value: u64) -> u32 {
    let lower = (word as u32 as u64).wrapping_sub(value) >> 63;
    let upper = (word >> 32).wrapping_sub(value) >> 63;
    lower as u32 + upper as u32
}

/// A number that the compiler does not know to have 32 bits: it would turn subtractions and shifts into branches.
#[inline(always)]
fn hidden(number: u32) -> u64 {
    core::hint::black_box(number as u64)
}

/// Words of a window.
pub const WINDOW_WORDS: usize = 2;

/// A window: from `first` to `last`.
pub const fn window(first: u32, last: u32, inside: Reference, outside: Reference) -> [u64; WINDOW_WORDS] {
    [pair(first, last.wrapping_sub(first)), pair(inside.0, outside.0)]
}

/// The reference of a window, in a quarter of a line, for `value`.
#[inline(always)]
pub fn find_window(line: &Line, quarter: u32, value: u32) -> Option<Reference> {
    let words = line.get((quarter << 1 & 6) as usize..)?;
    let [range, references, ..] = words else { return None };
    let distance = hidden(value.wrapping_sub(half(*range, 0)));
    let outside = (*range >> 32).wrapping_sub(distance) >> 63;
    Some(Reference(half(*references, outside as u32)))
}

/// The reference in a slot of a page, whose line for it is given.
#[inline(always)]
pub fn find_slot(line: &Line, slot: u32) -> Option<Reference> {
    line.get((slot >> 1 & 7) as usize).map(|word| Reference(half(*word, slot)))
}
