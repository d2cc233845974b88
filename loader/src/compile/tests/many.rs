//! Many rules, and what they cost: what can be asserted of that.

use proptest::test_runner::TestCaseError;

use super::{
    super::{
        Bounds, Memory, compile,
        input::{Action, BuiltIn, Condition, Dimension, Family, Rule, Ruleset, Values},
    },
    agreement::{Watched, compare},
    build::{input, input_rules, is, rule},
    oracle::Oracle,
    world::{Packet, World, mix},
};
use berth_common::engine::classify::{State, classify};

/// Which rules there are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// Each names both addresses, protocol and port.
    Full,
    /// Each names one or several of source, destination, and protocol with port, whichever it happens to be.
    Mixed,
    /// A list of sources, as ban lists are.
    Sources,
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = mix(self.0);
        self.0
    }

    fn below(&mut self, end: u32) -> u32 {
        u32::try_from(self.next() % u64::from(end)).unwrap()
    }

    fn address(&mut self, first: u32) -> u32 {
        first << 28 | self.below(1 << 28)
    }

    /// A network that has the address.
    fn network(&mut self, address: u32) -> Values {
        let length = [16, 20, 24, 24, 28, 32, 32, 32][self.below(8) as usize];
        Values::prefix(address.into(), length, 32)
    }
}

/// A rule, and a packet that matches it.
fn random_rule(random: &mut Random, kind: Kind) -> (Rule, Packet) {
    let named = match kind {
        Kind::Full => 7,
        Kind::Mixed => 1 + random.below(7),
        Kind::Sources => 1,
    };
    let (source, destination) = (random.address(1), random.address(2));
    let protocol: u32 = if random.below(2) == 0 { 6 } else { 17 };
    let port = 1 + random.below(40_000);
    let mut conditions = Vec::new();
    if named & 1 != 0 {
        conditions.push(Condition::Field(Dimension::Source, random.network(source)));
    }
    if named & 2 != 0 {
        conditions.push(Condition::Field(Dimension::Destination, random.network(destination)));
    }
    if named & 4 != 0 {
        conditions.push(is(Dimension::Protocol, protocol));
        let last = if random.below(4) == 0 { port + random.below(100) } else { port };
        let ports = Values::new([port.into()..=last.into()]);
        conditions.push(Condition::Field(Dimension::DestinationPort, ports));
    }
    let packet = Packet::new(Family::Ipv4, BuiltIn::Input)
        .with(Dimension::Source, source)
        .with(Dimension::Destination, destination)
        .with(Dimension::Protocol, protocol)
        .with(Dimension::SourcePort, 50_000_u32)
        .with(Dimension::DestinationPort, port);
    let action = if random.below(2) == 0 { Action::Accept } else { Action::Drop };
    (rule(conditions, action), packet)
}

pub(super) fn random_rules(count: usize, kind: Kind) -> (Ruleset, Vec<Packet>) {
    let mut random = Random(mix(count as u64));
    let (rules, packets): (Vec<_>, Vec<_>) = (0..count).map(|_| random_rule(&mut random, kind)).unzip();
    (input(rules, &[]), packets)
}

/// Packets that match nothing.
pub(super) fn strangers() -> Vec<Packet> {
    let mut random = Random(77);
    (0..64)
        .map(|_| {
            Packet::new(Family::Ipv4, BuiltIn::Input)
                .with(Dimension::Source, random.address(3))
                .with(Dimension::Destination, random.address(4))
                .with(Dimension::Protocol, 6_u32)
                .with(Dimension::SourcePort, 50_000_u32)
                .with(Dimension::DestinationPort, 60_000_u32)
        })
        .collect()
}

/// The lines that a packet reads.
fn lines_read(memory: &Memory, packet: &Packet) -> u32 {
    let watched = Watched::new(memory);
    let _ = classify(&watched, &mut World::new(packet, 0, 0), &packet.question(), &mut { State::EMPTY });
    watched.reads.get()
}

#[test]
fn sixteen_rules_take_little_space() {
    for kind in [Kind::Full, Kind::Mixed, Kind::Sources] {
        let (ruleset, _) = random_rules(16, kind);
        let bytes = compile(&ruleset, &Bounds::DEFAULT).unwrap().report.bytes;
        assert!(bytes <= 8 * 1_024, "{kind:?}: {bytes}");
    }
}

#[test]
fn cost_does_not_grow_with_rules_that_do_not_match() {
    for kind in [Kind::Full, Kind::Mixed, Kind::Sources] {
        for count in [16, 100, 1_000, 4_096] {
            let (ruleset, packets) = random_rules(count, kind);
            let memory = Memory::new(&compile(&ruleset, &Bounds::DEFAULT).unwrap().lines).unwrap();
            for packet in strangers() {
                let reads = lines_read(&memory, &packet);
                assert!(
                    reads <= 14,
                    "{kind:?}, {count} rules: a packet that matches none reads {reads} lines"
                );
            }
            let reads: u32 = packets.iter().map(|packet| lines_read(&memory, packet)).sum();
            let mean = reads / u32::try_from(packets.len()).unwrap();
            assert!(mean < 25, "{kind:?}, {count} rules: one that matches reads {mean} lines");
        }
    }
}

#[test]
fn several_groups_of_entries() -> Result<(), TestCaseError> {
    for kind in [Kind::Full, Kind::Mixed, Kind::Sources] {
        let (mut ruleset, packets) = random_rules(9_000, kind);
        let rules = input_rules(&mut ruleset);
        for (number, rule) in rules.iter_mut().enumerate() {
            rule.action = match number % 7 {
                0 => Action::Continue,
                1 => Action::SetMark { value: 1 << (number % 32), mask: 0 },
                _ => rule.action,
            };
        }
        let compiled = compile(&ruleset, &Bounds { bytes: 1 << 26, ..Bounds::DEFAULT }).unwrap();
        let memory = Memory::new(&compiled.lines).unwrap();
        let mut oracle = Oracle::new(&ruleset);
        for packet in packets.iter().step_by(45).chain(&strangers()) {
            compare(&compiled, &memory, &mut oracle, packet, World::new(packet, 0, 0))?;
        }
    }
    Ok(())
}

#[test]
fn the_same_rules_give_the_same_lines() {
    let (ruleset, _) = random_rules(300, Kind::Mixed);
    let first = compile(&ruleset, &Bounds::DEFAULT).unwrap();
    assert_eq!(compile(&ruleset, &Bounds::DEFAULT).unwrap().lines, first.lines);
}
