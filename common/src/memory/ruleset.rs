//! A compiled ruleset in memory, for tests and for explaining what the one in the kernel does.

use core::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::vec::Vec;

use super::MemoryWord;
use crate::{
    abi::{
        counters::Traffic,
        rules::{Line, WORDS, counters, header::Header},
    },
    engine::classify::Lines,
};

/// A ruleset's lines.
#[derive(Debug)]
pub struct Ruleset {
    header: Header,
    constant: Vec<Line>,
    /// The words from the counters on.
    changing: Vec<AtomicU64>,
}

impl Ruleset {
    /// From its lines; nothing if they are not those of a ruleset.
    pub fn new(lines: &[Line]) -> Option<Self> {
        let header = Header::from_line(lines.first()?)?;
        let (constant, changing) = lines.split_at_checked(header.counters as usize)?;
        let changing = changing.iter().flatten().map(|word| AtomicU64::new(*word)).collect();
        Some(Self { header, constant: constant.to_vec(), changing })
    }

    /// What a counter has counted, without its base.
    pub fn counter(&self, counter: u32) -> Option<Traffic> {
        let (line, place) = self.header.counter_place(counter);
        let word = line as usize * WORDS + place * 2;
        Some(Traffic { packets: self.load(word)?, bytes: self.load(word + 1)? })
    }

    /// What a counter began with.
    pub fn base(&self, counter: u32) -> Option<Traffic> {
        let (line, place) = self.header.base_place(counter);
        counters::read(self.constant.get(line as usize)?, place)
    }

    /// What the first line says.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The words in which checks keep their state.
    pub fn state(&self) -> Vec<u64> {
        let before = counters::lines(self.header.rules) as usize * WORDS;
        self.changing.iter().skip(before).map(|word| word.load(SeqCst)).collect()
    }

    /// A line that does not change.
    pub fn constant(&self, index: u32) -> Option<&Line> {
        self.constant.get(index as usize)
    }

    /// A word that does, counted from the ruleset's start.
    pub fn changing(&self, index: u32) -> Option<MemoryWord<'_>> {
        let place = (index as usize).checked_sub(self.constant.len() * WORDS)?;
        self.changing.get(place).map(MemoryWord::atomic)
    }

    fn load(&self, word: usize) -> Option<u64> {
        self.changing.get(word.checked_sub(self.constant.len() * WORDS)?).map(|word| word.load(SeqCst))
    }
}

impl<'a> Lines for &'a Ruleset {
    type Word = MemoryWord<'a>;

    fn line(&self, index: u32) -> Option<&Line> {
        self.constant(index)
    }

    fn word(&self, index: u32) -> Option<Self::Word> {
        self.changing(index)
    }
}
