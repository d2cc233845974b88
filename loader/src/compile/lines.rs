//! Lines under construction. What is equal is there once.
#![allow(clippy::cast_possible_truncation, reason = "the counts are of words in a line")]

use berth_common::abi::rules::{Line, WORDS, node::WINDOW_WORDS};

use super::hash::HashMap;

/// The lines so far.
pub(super) struct Lines {
    all: Vec<Line>,
    /// Where lines, and runs of lines, are that may be used again.
    single: HashMap<Line, u32>,
    runs: HashMap<Vec<Line>, u32>,
    /// Where single words are that may be used again, and where the next one goes.
    words: HashMap<u64, u32>,
    open_word: u32,
    /// The same for windows.
    windows: HashMap<[u64; WINDOW_WORDS], u32>,
    open_window: u32,
}

impl Lines {
    /// So many lines, to be written at the end.
    pub(super) fn new(reserved: usize) -> Self {
        let all = vec![[0; WORDS]; reserved];
        Self {
            all,
            single: HashMap::default(),
            runs: HashMap::default(),
            words: HashMap::default(),
            open_word: 0,
            windows: HashMap::default(),
            open_window: 0,
        }
    }

    /// How many there are.
    pub(super) const fn count(&self) -> usize {
        self.all.len()
    }

    /// The number of the next line.
    pub(super) fn next(&self) -> u32 {
        number(&self.all)
    }

    /// Where this line is.
    pub(super) fn share(&mut self, line: &Line) -> u32 {
        if let Some(place) = self.single.get(line) {
            return *place;
        }
        let place = self.append(&[*line]);
        self.single.insert(*line, place);
        place
    }

    /// Where these lines are, one after another.
    pub(super) fn share_run(&mut self, lines: Vec<Line>) -> u32 {
        if let [line] = lines.as_slice() {
            return self.share(line);
        }
        if let Some(place) = self.runs.get(&lines) {
            return *place;
        }
        let place = self.append(&lines);
        self.runs.insert(lines, place);
        place
    }

    /// Where this word is, counted in words.
    pub(super) fn share_word(&mut self, word: u64) -> u32 {
        if let Some(place) = self.words.get(&word) {
            return *place;
        }
        let place = take(&mut self.all, &mut self.open_word, &[word]);
        self.words.insert(word, place);
        place
    }

    /// Where this window is, counted in quarters of lines.
    pub(super) fn share_window(&mut self, window: [u64; WINDOW_WORDS]) -> u32 {
        if let Some(place) = self.windows.get(&window) {
            return *place;
        }
        let place = take(&mut self.all, &mut self.open_window, &window) / WINDOW_WORDS as u32;
        self.windows.insert(window, place);
        place
    }

    /// Adds lines at the end.
    pub(super) fn append(&mut self, lines: &[Line]) -> u32 {
        let place = number(&self.all);
        self.all.extend_from_slice(lines);
        place
    }

    /// Writes words into a line.
    pub(super) fn put(&mut self, line: usize, words: &[u64]) {
        put(&mut self.all, line * WORDS, words);
    }

    /// All of them.
    pub(super) fn finish(self) -> Vec<Line> {
        self.all
    }
}

/// Puts words where `open` says, counted in words, or into a new line if that is the beginning of one.
fn take(all: &mut Vec<Line>, open: &mut u32, words: &[u64]) -> u32 {
    if open.is_multiple_of(WORDS as u32) {
        *open = number(all).saturating_mul(WORDS as u32);
        all.push([0; WORDS]);
    }
    let place = *open;
    put(all, place as usize, words);
    *open = place.saturating_add(words.len() as u32);
    place
}

fn put(all: &mut [Line], place: usize, words: &[u64]) {
    let line = all.get_mut(place / WORDS).into_iter().flatten();
    for (place, word) in line.skip(place % WORDS).zip(words) {
        *place = *word;
    }
}

/// The number of the next line; far more than may be if there are too many, so that they are refused in the end.
fn number(all: &[Line]) -> u32 {
    u32::try_from(all.len()).unwrap_or(u32::MAX)
}
