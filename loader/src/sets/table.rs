//! A set as the kernel has it: a hash table in lines. See [`berth_common::abi::set`].

use std::{
    collections::BTreeMap,
    hash::{BuildHasher as _, Hasher as _, RandomState},
};

use berth_common::abi::{
    rules::Line,
    set::{ENTRY_WORDS, Entry, GONE, Header, MAX_LENGTHS, MAX_LINES_A_LOOKUP, NOMATCH, OVERFLOW},
};

use super::Form;

/// More lines than this are not written one by one: the table is replaced.
const MOST_WRITES: usize = 512;

/// A set as the kernel has it.
#[derive(Clone, Debug)]
pub struct Table {
    form: Form,
    header: Header,
    /// All but the header.
    lines: Vec<Line>,
    count: usize,
    /// How many entries there are with a prefix of each length.
    lengths: BTreeMap<u8, usize>,
    change: Change,
}

/// What has to be written so that the kernel's table is this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// These lines, one after the other: their numbers, and what is to be in them.
    Lines(Vec<(u32, Line)>),
    /// Everything.
    All,
}

/// Where an entry is: line, and first word.
type Place = (usize, usize);

impl Table {
    /// An empty one.
    pub fn new(form: Form) -> Self {
        Self::with_lines(form, 1)
    }

    /// One with these entries, no two of which are the same; nothing if their prefixes have too many lengths.
    pub fn of(form: Form, entries: &[Entry]) -> Option<Self> {
        let mut lines = least_lines(form, entries.len());
        for attempt in 1_u32.. {
            let mut table = Self::with_lines(form, lines);
            for entry in entries {
                table.note_length(entry);
            }
            table.header.lengths = table.lengths_in_use()?;
            if entries.iter().all(|entry| table.place(entry).is_some()) {
                table.count = entries.len();
                return Some(table);
            }
            // Entries may have been chosen so that they meet in one line: with another seed they do not.
            if attempt.is_multiple_of(2) {
                lines *= 2;
            }
        }
        None
    }

    fn with_lines(form: Form, lines: usize) -> Self {
        let mut lengths = [0; MAX_LENGTHS];
        if !form.kind.has_networks() {
            lengths[0] = form.bits();
        }
        let mask = u32::try_from(lines - 1).unwrap_or(u32::MAX);
        Self {
            form,
            header: Header { stamp: 0, seed: seed(), kind: form.kind, family: form.family, mask, lengths },
            lines: vec![[0; 8]; lines],
            count: 0,
            lengths: BTreeMap::new(),
            change: Change::All,
        }
    }

    /// How many entries there are.
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The lines with this stamp in their header.
    pub fn lines(&self, stamp: u64) -> Vec<Line> {
        let header = Header { stamp, ..self.header }.to_line();
        std::iter::once(header).chain(self.lines.iter().copied()).collect()
    }

    /// The header with this stamp.
    pub fn header(&self, stamp: u64) -> Line {
        Header { stamp, ..self.header }.to_line()
    }

    /// What has changed since the last time this was asked.
    pub fn take_change(&mut self) -> Change {
        std::mem::replace(&mut self.change, Change::Lines(Vec::new()))
    }

    /// The kernel's table is not known, and to be replaced at the next change.
    pub fn forget_kernel(&mut self) {
        self.change = Change::All;
    }

    /// All entries, in their order.
    pub fn entries(&self) -> Vec<Entry> {
        let words = self.words();
        let places = self.lines.iter().flat_map(|line| {
            line.chunks_exact(words).map(|place| {
                let mut entry = [0; ENTRY_WORDS];
                entry[..words].copy_from_slice(place);
                entry[0] &= !OVERFLOW;
                Entry(entry)
            })
        });
        let mut entries: Vec<Entry> = places.filter(|entry| entry.0[0] != 0 && entry.0[0] != GONE).collect();
        entries.sort_unstable_by_key(|entry| (entry.parts(self.form.kind, self.form.family), entry.0));
        entries
    }

    /// The entry that is there for what this one matches, which may be an exception where this is none.
    pub fn find(&self, entry: &Entry) -> Option<Entry> {
        let (line, word) = self.find_place(entry)?;
        let mut found = *entry;
        found.0[0] = self.lines[line][word] & !OVERFLOW;
        Some(found)
    }

    /// Adds an entry that is not there. False if the prefixes would have too many lengths: nothing is changed then.
    pub fn insert(&mut self, entry: &Entry) -> bool {
        let (before, reach) = (self.header.lengths, self.most_overflows());
        self.note_length(entry);
        let Some(lengths) = self.lengths_in_use() else {
            self.forget_length(entry);
            return false;
        };
        self.header.lengths = lengths;
        self.count += 1;
        if self.header.lengths != before {
            // A reader must not meet half of the new list.
            self.change = Change::All;
        }
        // With one length more, fewer lines are looked at for each: what is there may be further from home than that.
        let is_out_of_reach = self.most_overflows() < reach;
        if is_out_of_reach
            || self.count > most_entries(self.form, self.lines.len())
            || self.place(entry).is_none()
        {
            let entries = self.entries();
            let others = entries.into_iter().filter(|other| other != entry);
            let all: Vec<Entry> = others.chain([*entry]).collect();
            if let Some(table) = Self::of(self.form, &all) {
                *self = table;
            }
        }
        true
    }

    /// Takes an entry out; tells whether it was there.
    pub fn remove(&mut self, entry: &Entry) -> bool {
        let Some((line, word)) = self.find_place(entry) else { return false };
        let gone = if self.words() == 1 { 0 } else { GONE };
        let first = &mut self.lines[line][word];
        *first = *first & OVERFLOW_IF_FIRST[usize::from(word == 0)] | gone;
        self.note_write(line);
        self.count -= 1;
        let before = self.header.lengths;
        self.forget_length(entry);
        self.header.lengths = self.lengths_in_use().unwrap_or(before);
        if self.header.lengths != before {
            self.change = Change::All;
        }
        true
    }

    fn words(&self) -> usize {
        self.form.kind.words(self.form.family)
    }

    fn home(&self, entry: &Entry) -> usize {
        let [first, rest @ ..] = entry.0;
        let [a, b, c, d] = rest;
        let plain = Entry([first & !NOMATCH, a, b, c, d]);
        let words = u8::try_from(self.words()).unwrap_or_default();
        let hash = plain.hash(self.header.seed, words) & u64::from(self.header.mask);
        usize::try_from(hash).unwrap_or_default()
    }

    /// How many lines in a row may be marked as having overflowed.
    fn most_overflows(&self) -> usize {
        let lengths = self.header.lengths.iter().filter(|length| **length != 0).count().max(1);
        MAX_LINES_A_LOOKUP as usize / lengths - 1
    }

    /// The lines that an entry may be in, in the order in which they are looked at.
    fn way(&self, entry: &Entry) -> impl Iterator<Item = usize> + use<> {
        let (home, all) = (self.home(entry), self.lines.len());
        (0..=self.most_overflows().min(all - 1)).map(move |step| (home + step) & (all - 1))
    }

    fn find_place(&self, entry: &Entry) -> Option<Place> {
        let words = self.words();
        for line in self.way(entry) {
            let found = self.lines[line].chunks_exact(words).position(|place| {
                (place[0] ^ entry.0[0]) & !(OVERFLOW | NOMATCH) == 0 && place[1..] == entry.0[1..words]
            });
            if let Some(place) = found {
                return Some((line, place * words));
            }
            if self.lines[line][0] & OVERFLOW == 0 {
                return None;
            }
        }
        None
    }

    /// Puts an entry into a free place; nothing if there is none that lookups come to.
    fn place(&mut self, entry: &Entry) -> Option<()> {
        let words = self.words();
        let is_free = |place: &[u64]| place[0] & !OVERFLOW == 0;
        let way: Vec<usize> = self.way(entry).collect();
        let passed = way.iter().position(|line| self.lines[*line].chunks_exact(words).any(is_free))?;
        for line in &way[..passed] {
            if self.lines[*line][0] & OVERFLOW == 0 {
                self.lines[*line][0] |= OVERFLOW;
                self.note_write(*line);
            }
        }
        if passed > 0 && self.overflows_around(way[0]) > self.most_overflows() {
            return None;
        }
        let line = way[passed];
        let word = self.lines[line].chunks_exact(words).position(is_free)? * words;
        self.lines[line][word + 1..word + words].copy_from_slice(&entry.0[1..words]);
        if words > 1 {
            self.note_write(line);
        }
        self.lines[line][word] |= entry.0[0];
        self.note_write(line);
        Some(())
    }

    /// How many lines in a row, of which this is one, have overflowed.
    fn overflows_around(&self, line: usize) -> usize {
        let mask = self.lines.len() - 1;
        let run = |step: fn(usize, usize) -> usize| {
            let next = |far: &usize| self.lines[step(line, *far) & mask][0] & OVERFLOW != 0;
            (1..=mask).take_while(next).count()
        };
        1 + run(usize::wrapping_add) + run(usize::wrapping_sub)
    }

    fn note_write(&mut self, line: usize) {
        let Change::Lines(writes) = &mut self.change else { return };
        if writes.len() >= MOST_WRITES {
            self.change = Change::All;
        } else {
            writes.push((u32::try_from(line + 1).unwrap_or(u32::MAX), self.lines[line]));
        }
    }

    fn note_length(&mut self, entry: &Entry) {
        let length = entry.parts(self.form.kind, self.form.family).prefix;
        *self.lengths.entry(length).or_default() += 1;
    }

    fn forget_length(&mut self, entry: &Entry) {
        let length = entry.parts(self.form.kind, self.form.family).prefix;
        if let Some(count) = self.lengths.get_mut(&length) {
            *count -= 1;
            if *count == 0 {
                self.lengths.remove(&length);
            }
        }
    }

    /// The lengths of prefixes, the longest first; nothing if there are too many.
    fn lengths_in_use(&self) -> Option<[u8; MAX_LENGTHS]> {
        if !self.form.kind.has_networks() {
            return Some(self.header.lengths);
        }
        if self.lengths.len() > MAX_LENGTHS {
            return None;
        }
        let mut lengths = [0; MAX_LENGTHS];
        for (place, length) in lengths.iter_mut().zip(self.lengths.keys().rev()) {
            *place = *length;
        }
        Some(lengths)
    }
}

/// What is kept of the first word of a place when its entry goes, in any place and in a line's first.
const OVERFLOW_IF_FIRST: [u64; 2] = [0, OVERFLOW];

/// Percent of places that may be taken: the fewer a line has, the sooner it overflows.
const fn most_percent(places: usize) -> usize {
    match places {
        8 => 75,
        4 => 60,
        2 => 45,
        _ => 25,
    }
}

fn most_entries(form: Form, lines: usize) -> usize {
    let places = form.kind.places(form.family);
    (lines * places * most_percent(places)).div_ceil(100)
}

fn least_lines(form: Form, entries: usize) -> usize {
    let places = form.kind.places(form.family);
    (entries * 100).div_ceil(places * most_percent(places)).next_power_of_two()
}

/// Nobody outside can tell it, so that nobody can choose entries that meet in one line.
fn seed() -> u64 {
    RandomState::new().build_hasher().finish()
}
