//! A set as the kernel has it: a hash table in lines. See [`berth_common::abi::set`].

use std::{
    collections::BTreeMap,
    hash::{BuildHasher as _, Hasher as _, RandomState},
};

use berth_common::abi::{
    rules::Line,
    set::{self, Entry, Header, MAX_LENGTHS, MAX_LINES_A_LOOKUP, MOST_LINES, NOMATCH, OVERFLOW},
};

use super::{Form, line};

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
    /// How many lines have overflowed, and how many places are not to be used again.
    worn: Worn,
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

/// What changes leave behind in a table, until it is made anew.
#[derive(Clone, Copy, Debug, Default)]
struct Worn {
    overflows: usize,
    gone: usize,
}

/// Why there cannot be such a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// Its networks' prefixes have too many lengths.
    #[error("networks of too many lengths")]
    Lengths,
    /// It would have more lines than a shelf.
    #[error("more entries than there is room for")]
    Room,
}

/// Where an entry is: line, and place there.
type Place = (usize, usize);

impl Table {
    /// An empty one.
    pub fn new(form: Form) -> Self {
        Self::with_lines(form, 1)
    }

    /// One with these entries, no two of which are the same.
    pub fn of(form: Form, entries: &[Entry]) -> Result<Self, Misfit> {
        Self::with_room(form, entries, entries.len())
    }

    /// The same, with room for so many entries, if there can be.
    fn with_room(form: Form, entries: &[Entry], room: usize) -> Result<Self, Misfit> {
        let most = MOST_LINES as usize;
        let mut lines = least_lines(form, room).min(most);
        for attempt in 1..=MOST_ATTEMPTS {
            let mut table = Self::with_lines(form, lines);
            for entry in entries {
                table.note_length(entry);
            }
            table.header.lengths = table.lengths_in_use().ok_or(Misfit::Lengths)?;
            if entries.len() > table.most_on_a_shelf() {
                return Err(Misfit::Room);
            }
            if entries.iter().all(|entry| table.place(entry).is_some()) {
                table.count = entries.len();
                return Ok(table);
            }
            // Entries may have been chosen so that they meet in one line: with another seed they do not.
            if attempt.is_multiple_of(2) {
                lines = (lines * 2).min(most);
            }
        }
        Err(Misfit::Room)
    }

    fn with_lines(form: Form, lines: usize) -> Self {
        let mut lengths = [0; MAX_LENGTHS];
        if !form.kind.has_networks() {
            lengths[0] = form.bits();
        }
        let count = u32::try_from(lines).unwrap_or(u32::MAX);
        Self {
            form,
            header: Header {
                stamp: 0,
                seed: seed(),
                kind: form.kind,
                family: form.family,
                lines: count,
                lengths,
            },
            lines: vec![[0; 8]; lines],
            count: 0,
            worn: Worn::default(),
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
        let of_line =
            |line| line::places(self.form).filter_map(move |place| line::entry(line, place, self.form));
        let mut entries: Vec<Entry> = self.lines.iter().flat_map(of_line).collect();
        entries.sort_unstable_by_key(|entry| (entry.parts(self.form.kind, self.form.family), entry.0));
        entries
    }

    /// The entry that is there for what this one matches, which may be an exception where this is none.
    pub fn find(&self, entry: &Entry) -> Option<Entry> {
        let (line, place) = self.find_place(entry)?;
        line::entry(&self.lines[line], place, self.form)
    }

    /// Adds an entry that is not there. If there cannot be such a table, nothing is changed.
    pub fn insert(&mut self, entry: &Entry) -> Result<(), Misfit> {
        let (before, reach) = (self.header.lengths, self.most_overflows());
        self.note_length(entry);
        let fits = self.lengths_in_use().ok_or(Misfit::Lengths).and_then(|lengths| {
            self.header.lengths = lengths;
            if self.count >= self.most_on_a_shelf() {
                return Err(Misfit::Room);
            }
            // With one length more, fewer lines are looked at for each: what is there may be further from home than that.
            let reaches = self.most_overflows() >= reach;
            if reaches && !self.is_worn() && self.place(entry).is_some() {
                return Ok(());
            }
            let mut all = self.entries();
            all.retain(|other| other != entry);
            all.push(*entry);
            *self = Self::with_room(self.form, &all, all.len() + all.len() / GROWTH)?;
            self.count -= 1;
            Ok(())
        });
        if fits.is_err() {
            self.forget_length(entry);
            self.header.lengths = before;
            return fits;
        }
        self.count += 1;
        if self.header.lengths != before {
            // A reader must not meet half of the new list.
            self.change = Change::All;
        }
        Ok(())
    }

    /// Takes an entry out; tells whether it was there.
    pub fn remove(&mut self, entry: &Entry) -> bool {
        let Some((line, place)) = self.find_place(entry) else { return false };
        let is_gone = line::clear(&mut self.lines[line], place, self.form);
        self.worn.gone += usize::from(is_gone);
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
        let plain = without_nomatch(entry);
        let words = u8::try_from(self.words()).unwrap_or_default();
        set::home(plain.hash(self.header.seed, words), self.header.lines) as usize
    }

    /// How many lines in a row may be marked as having overflowed.
    fn most_overflows(&self) -> usize {
        let lengths = self.header.lengths.iter().filter(|length| **length != 0).count().max(1);
        MAX_LINES_A_LOOKUP as usize / lengths - 1
    }

    /// Whether it is to be made anew before more is put in: it is full, with what cannot be used again, or so many lines have overflowed
    /// that lookups take long.
    fn is_worn(&self) -> bool {
        let Worn { overflows, gone } = self.worn;
        self.count + gone >= most_entries(self.form, self.lines.len())
            || overflows > (self.lines.len() / 4).max(1)
    }

    /// How many entries there can be, whatever the seed: the fewer lines in a row may have overflowed, the fewer.
    fn most_on_a_shelf(&self) -> usize {
        let percent = match self.most_overflows() {
            20.. => 100,
            10.. => 70,
            _ => 40,
        };
        most_entries(self.form, MOST_LINES as usize) * percent / 100
    }

    /// The lines that an entry may be in, in the order in which they are looked at.
    fn way(&self, entry: &Entry) -> impl Iterator<Item = usize> + use<> {
        let (home, all) = (self.home(entry), self.lines.len());
        (0..=self.most_overflows().min(all - 1)).map(move |step| (home + step) % all)
    }

    fn find_place(&self, entry: &Entry) -> Option<Place> {
        let wanted = without_nomatch(entry);
        for line in self.way(entry) {
            let words = &self.lines[line];
            let is_it = |place: &usize| {
                line::entry(words, *place, self.form).is_some_and(|there| without_nomatch(&there) == wanted)
            };
            if let Some(place) = line::places(self.form).find(is_it) {
                return Some((line, place));
            }
            if words[0] & OVERFLOW == 0 {
                return None;
            }
        }
        None
    }

    /// Puts an entry into a free place; nothing if there is none that lookups come to.
    fn place(&mut self, entry: &Entry) -> Option<()> {
        let way: Vec<usize> = self.way(entry).collect();
        let free = |line: &usize| {
            line::places(self.form).find(|place| line::is_free(&self.lines[*line], *place, self.form))
        };
        let (passed, place) =
            way.iter().enumerate().find_map(|(passed, line)| Some((passed, free(line)?)))?;
        // A lookup goes on to the next length of prefixes where a line has not overflowed: there has to be one.
        let most = self.most_overflows().min(self.lines.len() - 1);
        if passed > 0 && self.run_of_overflows(way[0], passed) > most {
            return None;
        }
        for line in &way[..passed] {
            if self.lines[*line][0] & OVERFLOW == 0 {
                self.lines[*line][0] |= OVERFLOW;
                self.worn.overflows += 1;
                self.note_write(*line);
            }
        }
        let line = way[passed];
        if line::put_rest(&mut self.lines[line], place, self.form, entry) {
            self.note_write(line);
        }
        line::put_first(&mut self.lines[line], place, self.form, entry);
        self.note_write(line);
        Some(())
    }

    /// How many lines in a row, among them so many from this one on, will have overflowed once those have.
    fn run_of_overflows(&self, first: usize, count: usize) -> usize {
        let all = self.lines.len();
        let has_overflowed = |line: usize| self.lines[line % all][0] & OVERFLOW != 0;
        let behind = (0..all - count).take_while(|far| has_overflowed(first + count + far)).count();
        let before = (1..=all - count).take_while(|far| has_overflowed(first + all - far)).count();
        (before + count + behind).min(all)
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

/// How often a table is made with another seed, and in the end with more lines, before that is given up.
const MOST_ATTEMPTS: u32 = 32;

/// A table that is full gets room for this part more.
const GROWTH: usize = 4;

/// Percent of places that may be taken: the fewer a line has, the sooner it overflows. Of a table that is as full as this
/// allows, four to ten per cent of lines have overflowed (adr/0031).
const fn most_percent(places: usize) -> usize {
    match places {
        set::HALVES => 70,
        8 => 60,
        4 => 55,
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
    (entries * 100).div_ceil(places * most_percent(places)).max(1)
}

/// What an entry matches, be it an exception or not.
pub fn without_nomatch(entry: &Entry) -> Entry {
    let [first, a, b, c, d] = entry.0;
    Entry([first & !NOMATCH, a, b, c, d])
}

/// Nobody outside can tell it, so that nobody can choose entries that meet in one line.
fn seed() -> u64 {
    RandomState::new().build_hasher().finish()
}
