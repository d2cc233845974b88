//! A compiled ruleset: what the rule compiler writes and the classifier walks.
//!
//! A ruleset is a row of lines of 64 bytes, which lie on a [`shelf`]. Everything in it is a 64-bit word in host byte order, or two 32-bit
//! halves of one, the first in the lower half. Line 0 is the [`header`]. It leads to one [`root`] for each family and
//! built-in chain, which leads to
//!
//! - tables of [`node`]s: what a packet has in one or several [`Dimension`]s is looked up node by node, along
//!   [references](mod@reference), and ends at a vector;
//! - [`vector`]s: which entries the packet matches as far as that table knows. The entries that all tables agree on
//!   match;
//! - [`entry`] records: what is done at a match, and where the walk goes on;
//! - [`check`] records: what must be asked for each packet at the entry itself;
//! - [`target`] lines: what flows are translated to.
//!
//! Up to the header's `counters` line nothing changes while the ruleset is in force. From there on are the
//! [`counters`] of the source rules, and the words in which checks keep their state.

pub mod chain;
pub mod check;
pub mod counters;
pub mod dimension;
pub mod entry;
pub mod external;
pub mod header;
pub mod interface;
pub mod node;
pub mod reference;
pub mod reject;
pub mod root;
pub mod shelf;
pub mod status;
pub mod target;
pub mod vector;

pub use chain::{BuiltIn, Family};
pub use dimension::Dimension;

/// One line, the unit of all lookups.
pub type Line = [u64; WORDS];

/// Words in a line.
pub const WORDS: usize = 8;

/// Bytes in a line.
pub const LINE_BYTES: usize = 64;

const _: () = assert!(core::mem::size_of::<Line>() == LINE_BYTES);

/// Most lines of a ruleset: what a [`reference::Reference`] can reach.
pub const MAX_LINES: u32 = 1 << 21;

/// Most entries under one root.
pub const MAX_ENTRIES: u32 = 32_768;

/// The half of a word: the lower one for an even number, the upper one for an odd one.
#[inline(always)]
pub const fn half(word: u64, number: u32) -> u32 {
    (word >> ((number & 1) << 5)) as u32
}

/// A word of two halves.
#[inline(always)]
pub const fn pair(lower: u32, upper: u32) -> u64 {
    lower as u64 | (upper as u64) << 32
}

/// A line that begins with these words, and goes on with these halves.
pub fn line(words: &[u64], halves: &[u32]) -> Line {
    let mut line = [0; WORDS];
    let rest = halves.chunks(2).map(|two| match two {
        [lower, upper] => pair(*lower, *upper),
        [lower] => pair(*lower, 0),
        _ => 0,
    });
    for (place, word) in line.iter_mut().zip(words.iter().copied().chain(rest)) {
        *place = word;
    }
    line
}
