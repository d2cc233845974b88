//! The state of a walk.

use super::{
    fields::Question,
    lines::Lines,
    outcome::{Decision, Outcome},
    surroundings::{Answer, External},
};
use crate::abi::rules::{
    Line,
    entry::NO_COUNTER,
    header,
    reference::Reference,
    root::{self, MAX_TABLES, Shape},
};

/// Everything of a walk that changes: plain numbers, so that it can lie in a map. It should, in the kernel: what comes
/// out of a map is unknown to the verifier, while it would follow numbers on the stack from step to step as if each
/// made a new case.
#[derive(Clone, Copy, Debug)]
pub struct State {
    /// Where each table begins; once the packet was looked up in it, where its vector is.
    pub(super) vectors: [u32; MAX_TABLES as usize],
    /// Words of the group in which entries may match in all tables.
    pub(super) candidates: u64,
    /// The same, by constant tables alone.
    pub(super) plausible: u64,
    /// Stamp of the ruleset.
    pub(super) generation: u64,
    /// Entries of the word that match.
    pub(super) matches: u64,
    /// Those that match by constant tables alone.
    pub(super) possible: u64,
    /// The entry at which to go on.
    pub(super) next: u32,
    /// Which word is loaded.
    pub(super) word: u32,
    /// Which group is loaded.
    pub(super) group: u32,
    /// How many entries there are.
    pub(super) entries: u32,
    /// Line of the first entry.
    pub(super) first: u32,
    /// Line of the first counter.
    pub(super) counters: u32,
    /// The packet's mark.
    pub(super) mark: u32,
    /// The counter of who decided.
    pub(super) counter: u32,
    /// Line of what the flow is translated to; zero for nothing.
    pub(super) target: u32,
    /// How many tables the packet was looked up in.
    pub(super) table: u8,
    /// How many tables there are.
    pub(super) tables: u8,
    /// How many of them are constant.
    pub(super) constant_tables: u8,
    /// Whether vectors are single words.
    pub(super) small: bool,
    /// Whether nothing that varies was met.
    pub(super) constant: bool,
    /// What was decided.
    pub(super) decision: Decision,
    /// Of a rejection: how.
    pub(super) code: u8,
    /// How many checks of the entry at which the walk waits held before.
    pub(super) held: u8,
    /// Whether the walk waits for an answer, or was given one that it has not taken yet.
    pub(super) asks: bool,
    /// That answer; [`Answer::Later`] while there is none.
    pub(super) answer: Answer,
    /// What somebody else is asked.
    pub(super) asked: External,
}

/// No word or group.
const NONE: u32 = u32::MAX;

impl State {
    /// Before any walk.
    pub const EMPTY: Self = Self {
        vectors: [0; MAX_TABLES as usize],
        candidates: 0,
        plausible: 0,
        generation: 0,
        matches: 0,
        possible: 0,
        next: 0,
        word: 0,
        group: 0,
        entries: 0,
        first: 0,
        counters: 0,
        mark: 0,
        counter: 0,
        target: 0,
        table: 0,
        tables: 0,
        constant_tables: 0,
        small: false,
        constant: false,
        decision: Decision::Accept,
        code: 0,
        held: 0,
        asks: false,
        answer: Answer::Later,
        asked: External { kind: 0, id: 0, parameters: [0; 3], mark: 0 },
    };

    /// Begins a walk at a root. A function of its own in the kernel, too, since its frame is gone when the walk begins.
    #[inline(never)]
    pub(super) fn begin(&mut self, header: &Line, line: &Line, question: &Question) {
        let root = Shape::from_line(line);
        self.generation = header::generation(header);
        for (table, place) in (0..MAX_TABLES).zip(&mut self.vectors) {
            *place = root::start(line, table).unwrap_or(Reference::NONE).0;
        }
        self.table = 0;
        self.matches = u64::MAX;
        // Hidden from the compiler, which would call a function to fill both words byte by byte (5 ns).
        self.possible = core::hint::black_box(u64::MAX);
        self.next = 0;
        self.word = if root.small { 0 } else { NONE };
        self.group = NONE;
        self.entries = root.entries;
        self.first = root.first;
        self.counters = root.counters;
        self.mark = question.mark;
        self.counter = NO_COUNTER;
        self.target = 0;
        self.tables = root.tables;
        self.constant_tables = root.constant;
        self.small = root.small;
        self.constant = question.shares_answers();
        self.decision = Decision::Exhausted;
        self.code = 0;
        self.held = 0;
        self.asks = false;
    }

    /// There is no walk, since there are no rules.
    #[inline(always)]
    pub fn pass(&mut self, question: &Question) {
        self.conclude(&Outcome { mark: question.mark, ..Outcome::NO_RULES });
    }

    /// There is no walk, since the rules cannot be found.
    #[inline(always)]
    pub fn fail(&mut self, question: &Question) {
        self.conclude(&Outcome { mark: question.mark, ..Outcome::CORRUPT });
    }

    /// There was no walk, but an outcome.
    #[inline(always)]
    pub(super) fn conclude(&mut self, outcome: &Outcome) {
        self.decision = outcome.decision;
        self.code = outcome.code;
        self.constant = outcome.constant;
        self.mark = outcome.mark;
        self.counter = outcome.counter;
        self.target = outcome.target;
        self.asks = false;
    }

    /// Whether the walk waits for an [answer](Self::give) to what it [asks](Self::asked), and then goes on with its steps.
    #[inline(always)]
    pub const fn is_waiting(&self) -> bool {
        self.asks && matches!(self.answer, Answer::Later)
    }

    /// Whether the walk has waited for an answer, and may go on with it.
    #[inline(always)]
    pub const fn was_told(&self) -> bool {
        self.asks && !matches!(self.answer, Answer::Later)
    }

    /// What the walk waits for an answer to.
    #[inline(always)]
    pub const fn asked(&self) -> &External {
        &self.asked
    }

    /// Answers.
    #[inline(always)]
    pub const fn give(&mut self, answer: Answer) {
        self.answer = answer;
    }

    /// Ends the walk, wherever it is: what it has come to.
    #[inline(always)]
    pub const fn finish(&mut self) -> Outcome {
        self.asks = false;
        self.outcome()
    }

    /// The stamp of the ruleset that the walk has gone through.
    #[inline(always)]
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// What a walk that has ended came to.
    #[inline(always)]
    pub const fn outcome(&self) -> Outcome {
        Outcome {
            decision: self.decision,
            code: self.code,
            constant: self.constant,
            mark: self.mark,
            counter: self.counter,
            target: self.target,
        }
    }

    /// Whether these are the lines that the walk began in.
    #[inline(always)]
    pub fn is_in<L: Lines>(&self, lines: &L) -> bool {
        lines.line(0).is_some_and(|first| header::generation(first) == self.generation)
    }
}
