//! That flows keep verdicts changes nothing: neither what becomes of packets, nor what is counted.

use berth_common::{
    abi::{
        container::{Container, MAX_PORT_RANGES, Mode, PortRange},
        counters::Traffic,
        rules::chain::SLOTS,
        units::{ContainerId, Nanos, Port},
    },
    engine::{Trace, ingress},
    memory::{
        Bytes, Capacity, MemoryTables, Ruleset as Memory,
        generate::{Direction, Random, Scene, Shape, cases::number},
    },
};

use super::setup::lowered;
use crate::{
    compile::{compile, tests::agreement::BOUNDS},
    rules::{
        family::Family,
        generate::{Wanted, ruleset},
        ruleset::Ruleset,
        save::to_save,
        table::TableName,
    },
};

const RULESETS: u32 = 400;
const PACKETS: usize = 300;
const OWNER: ContainerId = ContainerId(1);

/// A node with a container of these rules behind an interface.
fn node(memory: Memory, keeps: bool) -> MemoryTables {
    let tables = MemoryTables::new(Capacity { containers: 4, flows: 4_096, ..Capacity::default() });
    tables.set_now(Nanos::seconds(1_000));
    let container = Container {
        generation: 1,
        mode: Mode::Stateful as u8,
        flags: Container::HAS_RULES | Container::OWN_NETWORK,
        range_count: 0,
        flow_events: 0,
        flow_limit: 4_096,
        port_limit: 0,
        ranges: [PortRange { first: Port(0), last: Port(0) }; MAX_PORT_RANGES],
        guard_limit: 0,
        flow_rate: 0,
    };
    assert!(tables.add_container(OWNER, container));
    tables.set_ruleset(OWNER, memory);
    tables.keep_verdicts(keeps);
    tables
}

/// Few flows, so that packets meet them again.
fn scene(family: Family) -> Scene {
    let Scene { local, remote, .. } = Scene::default();
    let some = |all: Vec<std::net::IpAddr>| {
        all.into_iter().filter(|address| address.is_ipv4() == (family == Family::Ipv4)).take(1).collect()
    };
    Scene { local: some(local), remote: some(remote), ports: vec![53, 4_000] }
}

fn random_ruleset(random: &mut Random, family: Family) -> Ruleset {
    let mut wanted = Wanted::everything(family);
    wanted.tables = vec![TableName::Filter];
    wanted.rules = 8;
    let others = ["connlimit", "connmark", "hashlimit", "recent", "set", "statistic"];
    wanted.matches.retain(|name| !others.contains(name) && !random.once_in(2));
    wanted.matches.extend(["tcp", "udp", "state", "comment"]);
    wanted.targets.retain(|name| *name != "CONNMARK");
    ruleset(random, &wanted)
}

/// How many packets passed by a verdict that was kept.
fn compare(ruleset: &Ruleset, random: &mut Random) -> Option<u64> {
    let compiled = compile(&lowered(ruleset).ok()?.ruleset, &BOUNDS).ok()?;
    let memory = || Memory::new(&compiled.lines).unwrap();
    let (with, without) = (node(memory(), true), node(memory(), false));
    let scene = scene(ruleset.family);
    for _ in 0..PACKETS {
        let inward = random.once_in(2);
        let direction = if inward { Direction::In } else { Direction::Out };
        let shape = random.pick(&[Shape::Tcp, Shape::Udp, Shape::Query, Shape::Error, Shape::Bare]);
        let packet = scene.packet(shape.unwrap(), direction, random);
        let Some(headers) = Bytes(&packet).in_packet() else { continue };
        let judge = |tables: &MemoryTables| {
            let traffic = Traffic { packets: 1, bytes: packet.len() as u64 };
            let asked = (&Bytes(&packet), &headers);
            ingress::on_interface(&tables, asked, (OWNER, inward), Trace::None, traffic)
        };
        assert_eq!(judge(&with), judge(&without), "{headers:?}\n{}", to_save(ruleset, false));
        let while_nothing_comes = Nanos(u64::from(random.byte()) * 1_000_000);
        for tables in [&with, &without] {
            tables.advance(while_nothing_comes);
        }
    }
    let counters = |tables: &MemoryTables| {
        let ruleset = tables.ruleset(OWNER).unwrap();
        (0..ruleset.header().rules + SLOTS).map(|counter| ruleset.counter(counter)).collect::<Vec<_>>()
    };
    assert_eq!(counters(&with), counters(&without), "{}", to_save(ruleset, false));
    assert_eq!(without.replayed(), 0);
    Some(with.replayed())
}

#[test]
fn verdicts_that_are_kept_are_those_that_rules_would_come_to() {
    let (mut tried, mut replayed, mut met) = (0, 0, 0);
    for seed in 0..u64::from(number(RULESETS).unwrap()) {
        let mut random = Random::new(seed);
        let family = if seed % 2 == 0 { Family::Ipv4 } else { Family::Ipv6 };
        let ruleset = random_ruleset(&mut random, family);
        if let Some(count) = compare(&ruleset, &mut random) {
            tried += 1;
            replayed += count;
            met += u32::from(count > 0);
        }
    }
    println!("{tried} rulesets, of which {met} met packets by verdicts that were kept: {replayed} in all");
    assert!(tried > 0 && met * 4 > tried, "{met} of {tried} rulesets kept verdicts that were used");
}
