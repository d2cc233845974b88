//! Damaged tables: every walk ends, and decides.

use std::cell::Cell;

use berth_common::{
    abi::rules::{Line, WORDS},
    engine::classify::{Decision, Lines, MAX_STEPS, State, classify},
    memory::MemoryWord,
};
use proptest::prelude::*;

use super::{
    super::Memory,
    agreement::{Watched, cases, compiled},
    generate::{Size, Targets, aim, ruleset},
    world::{Packet, World, mix},
};

/// How many lines a step may read: every one of twelve tables twice, and an entry with its checks.
const READS_A_STEP: u32 = 40;

fn survives(memory: &Memory, packet: &Packet) -> Result<Decision, TestCaseError> {
    let watched = Watched::new(memory);
    let mut world = World::new(packet, 5, 5);
    let outcome = classify(&watched, &mut world, &packet.question(), &mut { State::EMPTY });
    prop_assert!(watched.reads.get() < (MAX_STEPS + 10) * READS_A_STEP);
    Ok(outcome.decision)
}

#[test]
fn changed_words() {
    let damage =
        prop::collection::vec((any::<prop::sample::Index>(), 0..WORDS, any::<u64>(), any::<u8>()), 1..20);
    let size = prop_oneof![
        Just(Size { base: 20, chains: 2, chain: 5 }),
        Just(Size { base: 150, chains: 2, chain: 20 })
    ];
    let case = (size.prop_flat_map(ruleset), damage, prop::collection::vec(aim(), 1..20));
    proptest!(cases(200), |((ruleset, damage, aims) in case)| {
        let mut lines = compiled(&ruleset)?.lines;
        for (line, word, value, kind) in damage {
            // The header's first words say what it is, and where the changing part begins: without them, nothing is read.
            let place = line.index(lines.len() - 1) + 1;
            let word = &mut lines[place][word];
            *word = match kind % 3 {
                0 => value,
                1 => *word ^ 1 << (value % 64),
                _ => word.wrapping_add(value % 64),
            };
        }
        let memory = Memory::new(&lines).unwrap();
        let targets = Targets::new(&ruleset);
        for aim in &aims {
            survives(&memory, &targets.packet(aim))?;
        }
    });
}

#[test]
fn noise_behind_a_header() {
    let case =
        (ruleset(Size { base: 30, chains: 1, chain: 5 }), any::<u64>(), prop::collection::vec(aim(), 1..20));
    proptest!(cases(100), |((ruleset, seed, aims) in case)| {
        let mut lines = compiled(&ruleset)?.lines;
        let mut seed = seed;
        for word in lines.iter_mut().skip(1).flatten() {
            seed = mix(seed);
            // Small halves, which are lines of the ruleset, or nearly any.
            *word = if seed & 1 == 0 { seed & 0x7f_0000_007f } else { mix(seed) };
        }
        let memory = Memory::new(&lines).unwrap();
        let targets = Targets::new(&ruleset);
        for aim in &aims {
            survives(&memory, &targets.packet(aim))?;
        }
    });
}

#[test]
fn a_missing_line_drops_the_packet() {
    let ruleset = super::many::random_rules(200, super::many::Kind::Mixed).0;
    let compiled = super::super::compile(&ruleset, &super::agreement::BOUNDS).unwrap();
    let memory = Memory::new(&compiled.lines).unwrap();
    let packet = &super::many::strangers()[0];
    let whole = Missing { memory: &memory, number: u32::MAX, reads: Cell::new(0) };
    let decide = |lines: &Missing<'_>| {
        classify(lines, &mut World::new(packet, 0, 0), &packet.question(), &mut { State::EMPTY }).decision
    };
    assert_eq!(decide(&whole), Decision::Drop);
    for number in 0..whole.reads.get() {
        let missing = Missing { memory: &memory, number, reads: Cell::new(0) };
        assert_eq!(decide(&missing), Decision::Corrupt, "without the line of read {number}");
    }
}

#[test]
fn another_layout_is_refused() {
    let ruleset = super::many::random_rules(10, super::many::Kind::Mixed).0;
    let mut lines = super::super::compile(&ruleset, &super::agreement::BOUNDS).unwrap().lines;
    let memory = Memory::new(&lines).unwrap();
    lines[0][0] ^= 1;
    assert!(Memory::new(&lines).is_none());
    assert_eq!(survives(&memory, &super::many::strangers()[0]).unwrap(), Decision::Drop);
}

/// A ruleset of which one read fails.
struct Missing<'a> {
    memory: &'a Memory,
    number: u32,
    reads: Cell<u32>,
}

impl<'a> Lines for Missing<'a> {
    type Word = MemoryWord<'a>;

    fn line(&self, index: u32) -> Option<&Line> {
        let number = self.reads.replace(self.reads.get() + 1);
        if number == self.number { None } else { self.memory.constant(index) }
    }

    fn word(&self, index: u32) -> Option<Self::Word> {
        self.memory.changing(index)
    }
}
