//! The compiled rules and the rules read one by one come to the same answer, count the same, and ask the same.

use std::{cell::Cell, ops::Range};

use berth_common::abi::{
    rules::{Line, chain::SLOTS, external::Set, header, root::Shape, target::Target},
    units::Nanos,
};
use berth_common::{
    engine::classify::{
        Answer, Decision, External, Lines, MAX_STEPS, Outcome, Question, State, Surroundings, Walk, begin,
    },
    memory::{MemoryWord, generate::cases::number},
};
use proptest::{
    prelude::*,
    test_runner::{TestError, TestRunner},
};

use super::{
    super::{Bounds, CompileError, Compiled, Memory, compile, input::Ruleset},
    generate::{Aim, Size, Targets, aim, ruleset},
    oracle::{self, Oracle},
    world::{Packet, World, mix},
};

/// How many rulesets are tried, unless the environment wants more or fewer.
pub(super) fn cases(usual: u32) -> ProptestConfig {
    let cases = number(usual).unwrap();
    ProptestConfig {
        cases,
        max_shrink_iters: 20_000,
        failure_persistence: None,
        max_global_rejects: cases,
        ..ProptestConfig::default()
    }
}

pub(crate) const BOUNDS: Bounds = Bounds { steps: 256, ..Bounds::DEFAULT };

/// Compiles, unless the rules are over the bounds.
pub(super) fn compiled(ruleset: &Ruleset) -> Result<Compiled, TestCaseError> {
    match compile(ruleset, &BOUNDS) {
        Ok(compiled) => Ok(compiled),
        Err(error @ (CompileError::TooManySteps { .. } | CompileError::TooManyEntries { .. })) => {
            Err(TestCaseError::reject(error.to_string()))
        }
        Err(error) => Err(TestCaseError::fail(error.to_string())),
    }
}

/// Sends packets through both, and compares everything.
pub(super) fn agree(ruleset: &Ruleset, aims: &[Aim]) -> Result<(), TestCaseError> {
    let compiled = compiled(ruleset)?;
    let memory = Memory::new(&compiled.lines).unwrap();
    let mut oracle = Oracle::new(ruleset);
    let targets = Targets::new(ruleset);
    let mut now = 1_000_000;
    for (number, aim) in aims.iter().enumerate() {
        let packet = targets.packet(aim);
        now += aim.later;
        compare(&compiled, &memory, &mut oracle, &packet, World::new(&packet, now, mix(number as u64)))?;
    }
    for counter in 0..compiled.header.rules + SLOTS {
        let expected = oracle.counters.get(&counter).copied().unwrap_or_default();
        prop_assert_eq!(memory.counter(counter), Some(expected), "counter {}", counter);
    }
    let words = memory.state();
    let padding = words.len() - oracle.state(now, &words).len();
    prop_assert!(padding < 8);
    let mut expected = oracle.state(now, &words);
    expected.resize(words.len(), 0);
    prop_assert_eq!(words, expected);
    Ok(())
}

/// Compares one packet.
pub(super) fn compare(
    compiled: &Compiled,
    memory: &Memory,
    oracle: &mut Oracle<'_>,
    packet: &Packet,
    world: World,
) -> Result<(), TestCaseError> {
    let mut expected_world = world.clone();
    let expected = oracle.classify(packet, &mut expected_world);
    let mut world = world;
    let watched = Watched::for_packet(memory, packet);
    let (outcome, waits) = walk(&watched, &mut world, &packet.question());
    let target = (outcome.target != 0)
        .then(|| memory.constant(outcome.target).and_then(Target::from_line).expect("the line of a target"));
    let answer =
        oracle::Answer { decision: outcome.decision, code: outcome.code, mark: outcome.mark, target };
    prop_assert_eq!(answer, expected, "{:?}", packet);
    prop_assert_eq!(&world, &expected_world, "{:?}", packet);
    prop_assert!(matches!(outcome.decision, Decision::Accept | Decision::Drop | Decision::Reject));
    let root =
        compiled.report.roots.iter().find(|root| (root.family, root.chain) == (packet.family, packet.chain));
    let is_there = header::root(memory.constant(0).unwrap(), packet.chain.slot(packet.family)) != Some(0);
    prop_assert_eq!(root.is_some(), is_there, "{:?}", packet.chain);
    if let Some(root) = root {
        prop_assert_eq!(Some(&outcome.counter), world.counted.last());
        prop_assert!(
            watched.visits.get() <= root.steps + 1 + waits,
            "{} visits, {waits} waits, {}",
            watched.visits.get(),
            root.steps
        );
    }
    Ok(())
}

/// The walk, which waits for some answers as it does in the kernel, and how often it has.
fn walk(lines: &Watched<'_>, world: &mut World, question: &Question) -> (Outcome, u32) {
    let mut state = State::EMPTY;
    let mut waits = 0;
    let mut goes = begin(lines, question, &mut state);
    while goes {
        goes = Walk { lines, surroundings: Waiting(&mut *world), question, state: &mut state }.step();
        if state.is_waiting() {
            waits += 1;
            assert!(waits <= MAX_STEPS * 8, "the walk waits for ever");
            let asked = *state.asked();
            state.give(world.external(&asked));
            goes = state.was_told() && state.is_in(lines);
        }
    }
    (state.finish(), waits)
}

/// A world in which half of all external checks are answered later.
pub(super) struct Waiting<'a>(pub(super) &'a mut World);

impl Surroundings for Waiting<'_> {
    fn now(&mut self) -> Nanos {
        self.0.now()
    }

    fn random(&mut self) -> u32 {
        self.0.random()
    }

    fn source_mac(&mut self) -> Option<u64> {
        self.0.source_mac()
    }

    fn has_tcp_option(&mut self, kind: u8) -> Option<bool> {
        self.0.has_tcp_option(kind)
    }

    fn in_set(&mut self, number: u32, asked: Set) -> Option<bool> {
        self.0.in_set(number, asked)
    }

    fn external(&mut self, check: &External) -> Answer {
        if check.id.is_multiple_of(2) { Answer::Later } else { self.0.external(check) }
    }

    fn log(&mut self, id: u32, ruleset: u32, mark: u32) {
        self.0.log(id, ruleset, mark);
    }

    fn counted(&mut self, counter: u32) {
        self.0.counted(counter);
    }
}

/// Counts what a walk reads.
pub(super) struct Watched<'a> {
    memory: &'a Memory,
    /// Lines that have entries of the root in question.
    entries: Range<u32>,
    /// Entries that were visited.
    visits: Cell<u32>,
    /// Lines that were read.
    pub(super) reads: Cell<u32>,
}

impl<'a> Watched<'a> {
    pub(super) fn new(memory: &'a Memory) -> Self {
        Self { memory, entries: 0..0, visits: Cell::new(0), reads: Cell::new(0) }
    }

    /// For packets of the kind of this one.
    fn for_packet(memory: &'a Memory, packet: &Packet) -> Self {
        let header = memory.constant(0).unwrap();
        let root = header::root(header, packet.chain.slot(packet.family)).unwrap();
        if root == 0 {
            return Self::new(memory);
        }
        let root = Shape::from_line(memory.constant(root.into()).unwrap());
        Self { entries: root.first..root.first + root.entries / 2 + 1, ..Self::new(memory) }
    }
}

impl<'a> Lines for Watched<'a> {
    type Word = MemoryWord<'a>;

    fn line(&self, index: u32) -> Option<&Line> {
        self.reads.set(self.reads.get() + 1);
        if self.entries.contains(&index) {
            self.visits.set(self.visits.get() + 1);
        }
        self.memory.constant(index)
    }

    fn word(&self, index: u32) -> Option<Self::Word> {
        self.memory.changing(index)
    }
}

const SMALL: Size = Size { base: 12, chains: 3, chain: 6 };
const MEDIUM: Size = Size { base: 60, chains: 4, chain: 20 };
const LARGE: Size = Size { base: 300, chains: 5, chain: 40 };

#[test]
fn with_random_rulesets() {
    let size = prop_oneof![4 => Just(SMALL), 4 => Just(MEDIUM), 1 => Just(LARGE)];
    let case = (size.prop_flat_map(ruleset), prop::collection::vec(aim(), 1..60));
    run(cases(500), &case, agree);
}

/// With those above, and those of [`crate::lower`]'s tests, ten thousand: most of what can go wrong takes few rules.
#[test]
fn with_many_small_rulesets() {
    let case = (ruleset(SMALL), prop::collection::vec(aim(), 1..40));
    run(cases(8_000), &case, agree);
}

/// Runs a property, and says of the smallest case that fails what there is to know.
pub(super) fn run(
    config: ProptestConfig,
    case: &impl Strategy<Value = (Ruleset, Vec<Aim>)>,
    property: impl Fn(&Ruleset, &[Aim]) -> Result<(), TestCaseError>,
) {
    match TestRunner::new(config).run(case, |(ruleset, aims)| property(&ruleset, &aims)) {
        Ok(()) => {}
        Err(TestError::Fail(reason, (ruleset, aims))) => {
            panic!("{reason}\n{ruleset:?}\n{} packets", aims.len());
        }
        Err(error @ TestError::Abort(_)) => panic!("{error}"),
    }
}
