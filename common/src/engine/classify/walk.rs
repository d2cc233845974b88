//! The walk through the entries that match.

use super::{
    candidates::Found,
    fields::Question,
    lines::Lines,
    outcome::{Decision, Outcome},
    state::State,
    surroundings::{Answer, Surroundings},
};
use crate::abi::rules::{
    Line,
    counters::COUNTER_WORDS,
    entry::{self, ENTRY_WORDS, Entry, NO_COUNTER},
    half, header,
    reference::Reference,
    root::MAX_TABLES,
};

/// Most steps of a walk. Each looks the packet up in tables, does an entry, or leaves a word of 64 entries, or a group of
/// 4,096, behind: the compiler's bounds on entries done and on entries at all keep every walk below.
pub const MAX_STEPS: u32 = 1_024 + MAX_TABLES;

/// Most tables that the packet is looked up in at one step. The kernel calls a function for each step: processors whose returns
/// are guarded against speculation pay most for that (adr/0031).
const LOOKUPS: u32 = 4;

/// What the rules say of the packet. The state may be that of any walk before.
#[inline(always)]
pub fn classify<L: Lines, S: Surroundings>(
    lines: &L,
    surroundings: &mut S,
    question: &Question,
    state: &mut State,
) -> Outcome {
    if begin(lines, question, state) {
        for _ in 0..MAX_STEPS {
            if !(Walk { lines, surroundings: &mut *surroundings, question, state }).step() {
                break;
            }
        }
    }
    state.outcome()
}

/// Begins a walk; tells whether there is anything to walk through. The rest are [steps](Walk::step), at most
/// [`MAX_STEPS`], and [`State::outcome`].
#[inline(always)]
pub fn begin<L: Lines>(lines: &L, question: &Question, state: &mut State) -> bool {
    let outcome = match find_root(lines, question) {
        Some((_, 0)) => {
            state.pass(question);
            return false;
        }
        Some((header, place)) => match lines.line(place as u32) {
            Some(root) => {
                state.begin(header, root, question);
                return true;
            }
            None => Outcome::CORRUPT,
        },
        None => Outcome::CORRUPT,
    };
    state.conclude(&outcome);
    false
}

/// The header, and the line of the root that the packet is to be asked at; zero where there is none.
#[inline(always)]
fn find_root<'l, L: Lines>(lines: &'l L, question: &Question) -> Option<(&'l Line, u16)> {
    let header = lines.line(0).filter(|line| header::is_known(line))?;
    Some((header, header::root(header, question.chain.slot(question.family))?))
}

/// A walk.
pub struct Walk<'a, L, S> {
    /// The ruleset.
    pub lines: &'a L,
    /// The rest of the world.
    pub surroundings: S,
    /// The packet.
    pub question: &'a Question,
    /// How far it has come.
    pub state: &'a mut State,
}

impl<L: Lines, S: Surroundings> Walk<'_, L, S> {
    /// Takes a step; tells whether the walk goes on. Where it does not, it may have to [wait](State::is_waiting) for an
    /// answer.
    #[inline(always)]
    pub fn step(&mut self) -> bool {
        self.go().unwrap_or_else(|| {
            self.state.decision = Decision::Corrupt;
            false
        })
    }

    /// Looks the packet up in tables, and goes on to the next entry if those were all; tells whether the walk goes on. Nothing if the
    /// rules make no sense.
    #[inline(always)]
    fn go(&mut self) -> Option<bool> {
        // Small roots are done as soon as nothing can match: constant tables come first, so what is possible is known by
        // then.
        for _ in 0..LOOKUPS {
            if self.state.table >= self.state.tables || self.state.matches == 0 {
                break;
            }
            self.look_up()?;
        }
        if self.state.table < self.state.tables && self.state.matches != 0 {
            return Some(true);
        }
        match self.seek()? {
            Found::Entry(index) => self.visit(index),
            Found::Further => Some(true),
        }
    }

    /// Looks the packet up in the next table.
    #[inline(always)]
    fn look_up(&mut self) -> Option<()> {
        let table = self.state.table as u32;
        self.state.table = self.state.table.wrapping_add(1);
        let vector = self.state.vectors.get_mut(table as usize)?;
        let place = self.lines.vector(&self.question.fields, Reference(*vector))?;
        *vector = place;
        if self.state.small {
            self.state.matches &= self.lines.line(place >> 3)?.get((place & 7) as usize)?;
            if table < self.state.constant_tables as u32 {
                self.state.possible = self.state.matches;
            }
        }
        Some(())
    }

    /// Does the entry; tells whether the walk goes on.
    #[inline(always)]
    fn visit(&mut self, index: u32) -> Option<bool> {
        let entry = self.read_entry(index)?;
        if entry.flags & entry::VARIES != 0 {
            self.state.constant = false;
        }
        match self.holds(&entry)? {
            Answer::Yes => {}
            Answer::No => return self.go_on(index, entry.otherwise),
            Answer::Later => return Some(false),
            Answer::OverQuota => {
                self.state.decision = Decision::OverQuota;
                return Some(false);
            }
            Answer::TableFull => {
                self.state.decision = Decision::TableFull;
                return Some(false);
            }
        }
        if entry.counter != NO_COUNTER {
            self.count(entry.counter)?;
        }
        match entry.kind {
            entry::ACCEPT => self.end(Decision::Accept, &entry),
            entry::DROP => self.end(Decision::Drop, &entry),
            entry::REJECT => self.end(Decision::Reject, &entry),
            entry::TRANSLATE => {
                self.state.target = half(entry.argument, 0);
                self.end(Decision::Accept, &entry);
            }
            entry::CONTINUE => return self.go_on(index, entry.next),
            entry::LOG => {
                let ruleset = half(self.state.generation, 0);
                self.surroundings.log(half(entry.argument, 0), ruleset, self.state.mark);
                return self.go_on(index, entry.next);
            }
            entry::MARK => {
                self.state.mark = self.state.mark & !half(entry.argument, 1) ^ half(entry.argument, 0);
                return self.go_on(index, entry.next);
            }
            _ => return None,
        }
        Some(false)
    }

    #[inline(always)]
    fn read_entry(&self, index: u32) -> Option<Entry> {
        if index > self.state.entries {
            return None;
        }
        let line = self.lines.line(self.state.first.wrapping_add(index >> 1))?;
        let (lower, upper) = line.split_first_chunk::<ENTRY_WORDS>()?;
        let words = if index & 1 == 0 { lower } else { upper.first_chunk::<ENTRY_WORDS>()? };
        Some(Entry::from_words(*words))
    }

    #[inline(always)]
    fn count(&mut self, counter: u32) -> Option<()> {
        let word = self.state.counters.wrapping_mul(8).wrapping_add(counter.wrapping_mul(COUNTER_WORDS));
        self.lines.count(word, self.question.length)?;
        self.surroundings.counted(counter);
        Some(())
    }

    /// The walk only ever goes forward: anything else would be a ruleset that has been damaged.
    #[inline(always)]
    fn go_on(&mut self, from: u32, to: u16) -> Option<bool> {
        self.state.next = to as u32;
        if self.state.next > from { Some(true) } else { None }
    }

    #[inline(always)]
    fn end(&mut self, decision: Decision, entry: &Entry) {
        self.state.decision = decision;
        self.state.code = entry.code;
        self.state.counter = entry.counter;
    }
}
