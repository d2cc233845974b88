//! Rules whose exact effect is worth a name of its own.

use berth_common::{
    abi::{
        counters::Traffic,
        rules::{counters, dimension::state},
        units::Nanos,
    },
    engine::classify::{Answer, Decision, State, Walk, begin, classify},
};

use super::{
    super::{
        Bounds, Memory, Origin, Role, compile,
        input::{
            Action, Base, BuiltIn, ChainId, Check, Condition, Dimension, External, Family, Leg, Policy,
            Program, Rule, Ruleset, Values,
        },
    },
    agreement::{Waiting, compare},
    build::{base, input, is, leg, rule},
    generate::number,
    oracle::Oracle,
    world::{Packet, World},
};

/// Rules, compiled.
struct Rules {
    memory: Memory,
    policies: u32,
}

impl Rules {
    /// Compiles, and holds the answers to `packets` against the oracle's first.
    fn new(ruleset: &Ruleset, packets: &[Packet]) -> Self {
        let compiled = compile(ruleset, &Bounds::DEFAULT).unwrap();
        let memory = Memory::new(&compiled.lines).unwrap();
        let mut oracle = Oracle::new(ruleset);
        for packet in packets {
            compare(&compiled, &memory, &mut oracle, packet, World::new(packet, 0, 0)).unwrap();
        }
        Self { memory: Memory::new(&compiled.lines).unwrap(), policies: compiled.header.rules }
    }

    fn decide(&self, packet: &Packet) -> Decision {
        let mut world = World::new(packet, 0, 0);
        classify(&&self.memory, &mut world, &packet.question(), &mut { State::EMPTY }).decision
    }

    fn packets(&self, counter: u32) -> u64 {
        self.memory.counter(counter).unwrap().packets
    }

    fn dropped_by_policy(&self, chain: BuiltIn) -> u64 {
        self.packets(counters::policy(self.policies, chain.slot(Family::Ipv4)))
    }
}

fn packet() -> Packet {
    Packet::new(Family::Ipv4, BuiltIn::Input)
}

fn to_port(port: u32) -> Packet {
    packet()
        .with(Dimension::Protocol, 6_u32)
        .with(Dimension::SourcePort, 9_u32)
        .with(Dimension::DestinationPort, port)
}

fn port(port: u32) -> Condition {
    is(Dimension::DestinationPort, port)
}

fn bucket(burst: u64) -> Condition {
    Condition::Check(Check::Limit { cost: Nanos(1_000), full: Nanos(1_000 * burst) })
}

fn jump(conditions: impl IntoIterator<Item = Condition>) -> Rule {
    rule(conditions, Action::Jump(ChainId(0)))
}

#[test]
fn the_policy_of_each_chain_is_counted() {
    let rules = Rules::new(&input([rule([port(80)], Action::Accept)], &[]), &[to_port(80), to_port(81)]);
    assert_eq!(rules.decide(&to_port(80)), Decision::Accept);
    assert_eq!(rules.decide(&to_port(81)), Decision::Drop);
    assert_eq!(rules.decide(&Packet { chain: BuiltIn::Output, ..to_port(81) }), Decision::Accept);
    assert_eq!(rules.memory.counter(0), Some(Traffic { packets: 1, bytes: 100 }));
    assert_eq!((rules.dropped_by_policy(BuiltIn::Input), rules.dropped_by_policy(BuiltIn::Output)), (1, 1));
}

#[test]
fn a_family_without_a_program_passes() {
    let rules = Rules::new(&input([], &[]), &[]);
    assert_eq!(rules.decide(&packet()), Decision::Drop);
    assert_eq!(rules.decide(&Packet::new(Family::Ipv6, BuiltIn::Input)), Decision::Accept);
}

/// All that a packet has to be asked is at its entries.
#[test]
fn few_rules_that_look_at_nothing_have_no_table() {
    let tables = |count: usize, last: Rule| {
        let rules = (1..count).map(|_| rule([bucket(3)], Action::Continue)).chain([last]);
        compile(&input(rules, &[]), &Bounds::DEFAULT).unwrap().report.roots[0].tables
    };
    assert_eq!((tables(1, rule([], Action::Accept)), tables(64, rule([], Action::Accept))), (0, 0));
    assert_eq!((tables(65, rule([], Action::Accept)), tables(64, rule([port(22)], Action::Accept))), (1, 1));
}

#[test]
fn a_limit_on_a_chain_of_ten_rules_spends_one_token() {
    let chain: Vec<Rule> = (0..10).map(|_| rule([], Action::Continue)).collect();
    let packets = vec![to_port(80); 5];
    let ruleset = input([jump([bucket(3)])], &[&chain]);
    let rules = Rules::new(&ruleset, &packets);
    for packet in &packets {
        assert_eq!(rules.decide(packet), Decision::Drop);
    }
    assert_eq!((0..=10).map(|counter| rules.packets(counter)).collect::<Vec<_>>(), [3; 11]);
}

#[test]
fn a_limit_before_a_port_is_spent_by_other_ports() {
    let limit_first = input([rule([bucket(2), port(22)], Action::Accept)], &[]);
    let port_first = input([rule([port(22), bucket(2)], Action::Accept)], &[]);
    let packets = [to_port(80), to_port(80), to_port(22)];
    for (ruleset, expected) in [(limit_first, Decision::Drop), (port_first, Decision::Accept)] {
        let rules = Rules::new(&ruleset, &packets);
        let decisions = packets.each_ref().map(|packet| rules.decide(packet));
        assert_eq!(decisions, [Decision::Drop, Decision::Drop, expected]);
    }
}

#[test]
fn checks_around_a_field_stay_in_order() {
    let both = [bucket(2), port(22), bucket(1)];
    let ruleset = input([rule(both, Action::Accept)], &[]);
    let packets = [to_port(80), to_port(22), to_port(22)];
    let rules = Rules::new(&ruleset, &packets);
    let decisions = packets.each_ref().map(|packet| rules.decide(packet));
    assert_eq!(decisions, [Decision::Drop, Decision::Accept, Decision::Drop]);
}

#[test]
fn copies_of_a_rule_share_its_bucket() {
    let chain = [rule([bucket(2)], Action::Accept)];
    let mut ruleset = input([jump([port(1)]), jump([port(2)])], &[&chain]);
    let program = ruleset.ipv4.as_mut().unwrap();
    program.output = base(program, Policy::Accept, [jump([])]);
    let ruleset = number(ruleset);
    let packets = [to_port(1), Packet { chain: BuiltIn::Output, ..to_port(1) }, to_port(2)];
    let rules = Rules::new(&ruleset, &packets);
    let decisions = packets.each_ref().map(|packet| rules.decide(packet));
    assert_eq!(decisions, [Decision::Accept, Decision::Accept, Decision::Drop]);
}

#[test]
fn returning_from_a_goto_goes_behind_the_jump() {
    let inner = [rule([port(1)], Action::Return), rule([port(2)], Action::Accept)];
    let outer = [rule([is(Dimension::Source, 7_u32)], Action::Goto(ChainId(1))), rule([], Action::Reject(4))];
    let ruleset = input([jump([]), rule([port(3)], Action::Accept)], &[&outer, &inner]);
    let from = |source: u32, port| to_port(port).with(Dimension::Source, source);
    let packets = [from(7, 1), from(7, 2), from(7, 3), from(8, 3)];
    let rules = Rules::new(&ruleset, &packets);
    let decisions = packets.each_ref().map(|packet| rules.decide(packet));
    assert_eq!(decisions, [Decision::Drop, Decision::Accept, Decision::Accept, Decision::Reject]);
}

#[test]
fn returning_from_the_built_in_chain_is_the_policy() {
    let rules = [rule([port(1)], Action::Return), rule([], Action::Accept)];
    let rules = Rules::new(&input(rules, &[]), &[to_port(1), to_port(2)]);
    assert_eq!((rules.decide(&to_port(1)), rules.decide(&to_port(2))), (Decision::Drop, Decision::Accept));
}

#[test]
fn a_chain_that_ends_for_all_may_have_returned_before() {
    let chain = [rule([port(1)], Action::Return), rule([], Action::Accept)];
    let ruleset = input([jump([]), rule([], Action::Reject(1))], &[&chain]);
    let rules = Rules::new(&ruleset, &[to_port(1), to_port(2)]);
    assert_eq!((rules.decide(&to_port(1)), rules.decide(&to_port(2))), (Decision::Reject, Decision::Accept));
}

#[test]
fn rules_behind_one_that_decides_for_all_are_left_out() {
    let compiled = compile(&input((0..50).map(|_| rule([], Action::Drop)), &[]), &Bounds::DEFAULT).unwrap();
    let expected = [Origin { counter: 0, role: Role::Rule }, Origin { counter: 50, role: Role::Policy }];
    assert_eq!(compiled.report.roots[0].origins, expected);
}

#[test]
fn entries_say_where_they_come_from() {
    let chain = [rule([port(4)], Action::Continue)];
    let ruleset = input(
        [
            rule([bucket(1), port(1)], Action::Accept),
            rule([port(2)], Action::Goto(ChainId(0))),
            rule([port(3)], Action::Goto(ChainId(1))),
            rule([port(4)], Action::Drop),
        ],
        &[&chain, &[rule([], Action::Continue)]],
    );
    let roles = compile(&ruleset, &Bounds::DEFAULT).unwrap().report.roots[0].origins.clone();
    let expected = [
        (0, Role::Guard),
        (0, Role::Rule),
        (1, Role::Rule),
        (1, Role::Back),
        (2, Role::Rule),
        (5, Role::Rule),
        (2, Role::Back),
        (3, Role::Rule),
        (6, Role::Policy),
    ];
    assert_eq!(roles, expected.map(|(counter, role)| Origin { counter, role }));
}

#[test]
fn ports_negated_or_not_leave_fragments_out() {
    let other = Values::one(22_u32).except(Dimension::DestinationPort, Family::Ipv4);
    let any = Values::all(Dimension::DestinationPort, Family::Ipv4);
    let by = |values| rule([Condition::Field(Dimension::DestinationPort, values)], Action::Continue);
    let ruleset = input([by(Values::one(22_u32)), by(other), by(any), by(Values::absent())], &[]);
    let later = packet().with(Dimension::Protocol, 6_u32);
    let rules = Rules::new(&ruleset, &[to_port(22), to_port(23), later.clone()]);
    for packet in [to_port(22), to_port(23), later] {
        let _ = rules.decide(&packet);
    }
    assert_eq!([0, 1, 2, 3].map(|counter| rules.packets(counter)), [1, 1, 2, 1]);
}

#[test]
fn either_port_counts_once() {
    let ports = Values::new([80..=81]);
    let either = Condition::Either(vec![
        vec![(Dimension::SourcePort, ports.clone())],
        vec![(Dimension::DestinationPort, ports)],
    ]);
    let chain = [rule([], Action::Continue)];
    let ruleset = input([jump([either])], &[&chain]);
    let both = to_port(80).with(Dimension::SourcePort, 81_u32);
    let packets = [both, to_port(80), to_port(9).with(Dimension::SourcePort, 80_u32), to_port(9)];
    let rules = Rules::new(&ruleset, &packets);
    for packet in &packets {
        let _ = rules.decide(packet);
    }
    assert_eq!((rules.packets(0), rules.packets(1)), (3, 3));
}

#[test]
fn an_ipv6_packet_may_claim_an_ipv4_mapped_source() {
    let mapped = 0xffff_0a00_0001_u128;
    let rules = vec![rule([is(Dimension::Source, mapped)], Action::Accept)];
    let mut program = Program::default();
    program.input = base(&mut program, Policy::Drop, rules);
    let ruleset = Ruleset { ipv6: Some(program), ..Ruleset::default() };
    let from = |source: u128| Packet::new(Family::Ipv6, BuiltIn::Input).with(Dimension::Source, source);
    let rules = Rules::new(&ruleset, &[from(mapped), from(mapped + 1)]);
    assert_eq!(
        (rules.decide(&from(mapped)), rules.decide(&from(mapped + 1))),
        (Decision::Accept, Decision::Drop)
    );
}

#[test]
fn a_mark_is_seen_by_later_rules() {
    let marked = Condition::Check(Check::Mark { value: 2, mask: 0xf, inverted: false });
    let new = is(Dimension::State, state::NEW);
    let ruleset =
        input([rule([new], Action::SetMark { value: 2, mask: 0xff }), rule([marked], Action::Accept)], &[]);
    let established = packet().with(Dimension::State, state::ESTABLISHED);
    let rules = Rules::new(&ruleset, &[packet(), established.clone()]);
    assert_eq!((rules.decide(&packet()), rules.decide(&established)), (Decision::Accept, Decision::Drop));
}

#[test]
fn what_a_leg_accepts_comes_to_the_next_one() {
    let chain = [rule([], Action::Accept)];
    let mut ruleset = input([], &[&chain]);
    let program = ruleset.ipv4.as_mut().unwrap();
    let first = [rule([port(1)], Action::Accept), jump([port(2)])];
    let second = [rule([port(1)], Action::Accept), rule([port(3)], Action::Reject(4))];
    let legs = vec![
        leg(program, Policy::Accept, Some(0), first),
        leg(program, Policy::Drop, None, second),
        leg(program, Policy::Accept, Some(0), [rule([], Action::Continue)]),
    ];
    program.input = Base { legs };
    let rules = Rules::new(&number(ruleset), &[1, 2, 3].map(to_port));
    let decisions = [1, 2, 3].map(|port| rules.decide(&to_port(port)));
    assert_eq!(decisions, [Decision::Accept, Decision::Drop, Decision::Reject]);
    // The first leg's rules and policy, the second's rules, the last one's rule and policy, the chain.
    let packets = (0..8).map(|counter| rules.packets(counter)).collect::<Vec<_>>();
    assert_eq!(packets, [1, 1, 1, 1, 1, 1, 1, 1]);
    assert_eq!(rules.dropped_by_policy(BuiltIn::Input), 1);
}

#[test]
fn a_leg_may_know_less_than_the_next_one() {
    let by = |values| rule([Condition::Field(Dimension::OutInterface, values)], Action::Continue);
    let named = Values::one(5_u32);
    let other = named.except(Dimension::OutInterface, Family::Ipv4);
    let rules = [by(named), by(other)];
    let mut ruleset = input([], &[]);
    let program = ruleset.ipv4.as_mut().unwrap();
    let first = leg(program, Policy::Accept, Some(0), rules.clone());
    let unknowing = Leg { unknown: vec![Dimension::OutInterface], ..first };
    program.input = Base { legs: vec![unknowing, leg(program, Policy::Accept, None, rules)] };
    let packet = packet().with(Dimension::OutInterface, 5_u32);
    let rules = Rules::new(&number(ruleset), std::slice::from_ref(&packet));
    let _ = rules.decide(&packet);
    assert_eq!([0, 1, 2, 3, 4].map(|counter| rules.packets(counter)), [0, 1, 1, 1, 0]);
}

#[test]
fn a_counter_goes_on_from_its_base() {
    let mut compiled = compile(&input([rule([], Action::Accept)], &[]), &Bounds::DEFAULT).unwrap();
    compiled.set_base(0, Traffic { packets: 5, bytes: 700 });
    compiled.stamp(42);
    let memory = Memory::new(&compiled.lines).unwrap();
    let _ = classify(&&memory, &mut World::new(&packet(), 0, 0), &packet().question(), &mut { State::EMPTY });
    assert_eq!(memory.counter(0), Some(Traffic { packets: 1, bytes: 100 }));
    assert_eq!(memory.base(0), Some(Traffic { packets: 5, bytes: 700 }));
    assert_eq!(memory.header().generation, 42);
}

#[test]
fn more_checks_than_an_entry_holds() {
    let marks = |count: u32| {
        (0..count)
            .map(|bit| Condition::Check(Check::Mark { value: 1 << bit, mask: 1 << bit, inverted: false }))
    };
    let ruleset = input([rule(marks(20).chain([port(80)]), Action::Accept)], &[]);
    let all = Packet { mark: 0xf_ffff, ..to_port(80) };
    let packets = [all.clone(), Packet { mark: 0x7_ffff, ..all.clone() }, Packet { mark: 0xf_fffe, ..all }];
    let rules = Rules::new(&ruleset, &packets);
    let decisions = packets.each_ref().map(|packet| rules.decide(packet));
    assert_eq!(decisions, [Decision::Accept, Decision::Drop, Decision::Drop]);
}

#[test]
fn a_walk_that_has_waited_knows_whether_its_rules_were_replaced() {
    let asked = External { kind: 9, id: 0, parameters: [0; 3], inverted: false, pure: false };
    let stamped = |generation| {
        let check = Condition::Check(Check::External(asked.clone()));
        let mut compiled = compile(&input([rule([check], Action::Accept)], &[]), &Bounds::DEFAULT).unwrap();
        compiled.stamp(generation);
        Memory::new(&compiled.lines).unwrap()
    };
    let (old, new) = (stamped(1), stamped(2));
    let (question, mut world, mut state) = (packet().question(), World::new(&packet(), 0, 0), State::EMPTY);
    assert!(begin(&&old, &question, &mut state));
    let mut walk = |state: &mut State| {
        while (Walk { lines: &&old, surroundings: Waiting(&mut world), question: &question, state }).step() {}
    };
    walk(&mut state);
    assert!(state.is_waiting() && !state.was_told());
    state.give(Answer::Yes);
    assert!(state.was_told() && !state.is_waiting());
    assert!(state.is_in(&&old) && !state.is_in(&&new));
    walk(&mut state);
    assert_eq!(state.finish().decision, Decision::Accept);
}
