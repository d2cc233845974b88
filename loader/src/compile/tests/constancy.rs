//! What a walk says of other packets of the same flow.

use berth_common::{
    abi::{
        rules::dimension::fragment,
        units::{Nanos, Protocol},
    },
    engine::classify::{Outcome, State, classify},
};
use proptest::prelude::*;

use super::{
    super::{
        Memory, compile,
        input::{Action, BuiltIn, Check, Condition, Dimension, Family, Rule, Ruleset, Values},
    },
    agreement::{BOUNDS, cases, compiled, run},
    build::{input, is, rule},
    generate::{Aim, Size, Targets, aim, ruleset},
    world::{Packet, World},
};

fn ask(memory: &Memory, packet: &Packet) -> (Outcome, World) {
    let mut world = World::new(packet, 1_000, 7);
    let outcome = classify(&memory, &mut world, &packet.question(), &mut { State::EMPTY });
    (outcome, world)
}

/// A whole packet that is not ICMP: one that may share an answer.
fn sharing(mut packet: Packet) -> Packet {
    packet.values.insert(Dimension::Fragment, fragment::WHOLE.into());
    let protocol = packet.values.get_mut(&Dimension::Protocol).unwrap();
    if [Protocol::ICMP, Protocol::ICMPV6].map(|icmp| u128::from(icmp.0)).contains(protocol) {
        *protocol = Protocol::TCP.0.into();
    }
    packet
}

/// Another packet of the flow of `packet`, which is like `other` in everything else.
fn sibling(packet: &Packet, other: &Packet) -> Packet {
    let constant = packet.values.iter().filter(|(dimension, _)| dimension.shape().constant);
    let mut sibling = other.clone();
    sibling.values.extend(constant.map(|(dimension, value)| (*dimension, *value)));
    Packet { family: packet.family, chain: packet.chain, ..sibling }
}

/// A constant answer is that of all packets of the flow.
fn holds(ruleset: &Ruleset, aims: &[Aim]) -> Result<(), TestCaseError> {
    let compiled = compiled(ruleset)?;
    let memory = Memory::new(&compiled.lines).unwrap();
    let targets = Targets::new(ruleset);
    let packets: Vec<Packet> = aims.iter().map(|aim| sharing(targets.packet(aim))).collect();
    for packet in &packets {
        let (outcome, world) = ask(&memory, packet);
        if !outcome.constant {
            continue;
        }
        let untouched = World { counted: world.counted.clone(), ..World::new(packet, 1_000, 7) };
        prop_assert_eq!(&world, &untouched);
        for other in packets.iter().filter(|other| other.family == packet.family) {
            let sibling = sibling(packet, other);
            let (answer, around) = ask(&memory, &sibling);
            prop_assert_eq!(answer, Outcome { mark: sibling.mark, ..outcome }, "{:?}\n{:?}", packet, sibling);
            prop_assert_eq!(&around.counted, &world.counted, "{:?}\n{:?}", packet, sibling);
        }
    }
    Ok(())
}

#[test]
fn siblings_of_a_constant_answer_agree() {
    let size = prop_oneof![
        3 => Just(Size { base: 10, chains: 2, chain: 6 }),
        1 => Just(Size { base: 150, chains: 3, chain: 20 }),
    ];
    run(cases(200), &(size.prop_flat_map(ruleset), prop::collection::vec(aim(), 1..25)), holds);
}

fn is_constant(ruleset: &Ruleset, packet: &Packet) -> bool {
    let compiled = compile(ruleset, &BOUNDS).unwrap();
    ask(&Memory::new(&compiled.lines).unwrap(), packet).0.constant
}

fn packet() -> Packet {
    Packet::new(Family::Ipv4, BuiltIn::Input)
        .with(Dimension::Source, 10_u32)
        .with(Dimension::Protocol, 6_u32)
        .with(Dimension::SourcePort, 1_000_u32)
        .with(Dimension::DestinationPort, 80_u32)
        .with(Dimension::TcpFlags, 2_u32)
        .with(Dimension::Ttl, 64_u32)
}

fn port(number: u32, action: Action) -> Rule {
    rule([is(Dimension::DestinationPort, number)], action)
}

/// Enough rules for vectors of more than one word.
fn padded(rules: Vec<Rule>) -> Vec<Rule> {
    let padding = (1_000..1_200_u32).map(|number| port(number, Action::Drop));
    padding.clone().chain(rules).chain(padding).collect()
}

#[test]
fn what_is_met_decides() {
    let accept = port(80, Action::Accept);
    let limit = Check::Limit { cost: Nanos(1), full: Nanos(1) };
    let mark = Check::Mark { value: 1, mask: 1, inverted: false };
    let varying: [(&str, Rule); 7] = [
        ("a TTL that matches", rule([is(Dimension::Ttl, 64_u32)], Action::Continue)),
        ("a TTL that another packet may have", rule([is(Dimension::Ttl, 1_u32)], Action::Drop)),
        ("flags", rule([Condition::Field(Dimension::TcpFlags, Values::masked(0x17, 2))], Action::Continue)),
        ("a check that holds", rule([Condition::Check(limit)], Action::Continue)),
        ("a check that does not", rule([Condition::Check(mark)], Action::Drop)),
        ("a report", rule([], Action::Log(1))),
        ("a mark", rule([], Action::SetMark { value: 1, mask: 1 })),
    ];
    for pad in [|rules| rules, padded] {
        assert!(is_constant(&input(pad(vec![accept.clone()]), &[]), &packet()));
        for (what, varying) in &varying {
            let before = input(pad(vec![varying.clone(), accept.clone()]), &[]);
            assert!(!is_constant(&before, &packet()), "{what} before the decision");
            let after = input(pad(vec![accept.clone(), varying.clone()]), &[]);
            assert!(is_constant(&after, &packet()), "{what} after the decision");
            let mut elsewhere = varying.clone();
            elsewhere.conditions.insert(0, is(Dimension::Source, 11_u32));
            let elsewhere = input(pad(vec![elsewhere, accept.clone()]), &[]);
            assert!(is_constant(&elsewhere, &packet()), "{what} for another source");
        }
        let varying_only = input(pad(vec![varying[1].1.clone()]), &[]);
        assert!(!is_constant(&varying_only, &packet()), "at the policy");
    }
}

#[test]
fn jumps_and_returns_do_not_vary() {
    let chain = [port(22, Action::Drop), port(80, Action::Return), rule([], Action::Log(1))];
    let ruleset =
        input([rule([], Action::Jump(super::super::input::ChainId(0))), rule([], Action::Accept)], &[&chain]);
    assert!(is_constant(&ruleset, &packet()));
    assert!(!is_constant(&ruleset, &packet().with(Dimension::DestinationPort, 81_u32)));
}

#[test]
fn fragments_and_icmp_share_nothing() {
    let ruleset = input([rule([], Action::Accept)], &[]);
    assert!(is_constant(&ruleset, &packet()));
    assert!(!is_constant(&ruleset, &packet().with(Dimension::Fragment, fragment::FIRST)));
    assert!(!is_constant(&ruleset, &packet().with(Dimension::Fragment, fragment::LATER)));
    for icmp in [Protocol::ICMP, Protocol::ICMPV6] {
        assert!(!is_constant(&ruleset, &packet().with(Dimension::Protocol, u32::from(icmp.0))));
    }
}

#[test]
fn no_rules_are_constant() {
    assert!(is_constant(&Ruleset::default(), &packet()));
}
