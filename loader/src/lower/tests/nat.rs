//! What table nat says of flows.

use berth_common::{
    abi::{address::Address, rules::target::Target, units::Port},
    engine::classify::Decision,
};

use super::{
    packet::{Packet, Upper},
    setup::{lowered, parsed},
    targets::{both, packet},
};
use crate::{
    compile::{
        Bounds, compile,
        input::{BuiltIn, Dimension, Family},
    },
    lower::Spot,
};

fn addresses(texts: [&str; 2]) -> [Address; 2] {
    texts.map(|text| Address::from(text.parse::<std::net::IpAddr>().unwrap()))
}

/// What one rule of nat translates to.
fn target(family: Family, rule: &str) -> Target {
    let lowered = lowered(&parsed(family, &format!("*nat\n-A {rule}\nCOMMIT\n"))).unwrap();
    let [target] = lowered.ruleset.targets.as_slice() else { panic!("{:?}", lowered.ruleset.targets) };
    *target
}

#[test]
fn every_option_has_its_place() {
    let expected = [
        (
            "PREROUTING -p tcp -j DNAT --to-destination 10.0.0.7",
            Target {
                flags: Target::ADDRESSES,
                addresses: addresses(["10.0.0.7", "10.0.0.7"]),
                ..Target::NOTHING
            },
        ),
        (
            "OUTPUT -p udp -j DNAT --to-destination 10.0.0.7-10.0.0.9:53 --random --persistent",
            Target {
                flags: Target::ADDRESSES | Target::PORTS | Target::RANDOM | Target::PERSISTENT,
                ports: [Port(53), Port(53)],
                addresses: addresses(["10.0.0.7", "10.0.0.9"]),
                ..Target::NOTHING
            },
        ),
        (
            "PREROUTING -p tcp -j DNAT --to-destination :8000-8099/5000",
            Target {
                flags: Target::PORTS | Target::SHIFTS,
                ports: [Port(8_000), Port(8_099)],
                base: Port(5_000),
                ..Target::NOTHING
            },
        ),
        (
            "POSTROUTING -p tcp -j SNAT --to-source 10.0.0.1:1024-2047 --random-fully",
            Target {
                flags: Target::ADDRESSES | Target::PORTS | Target::RANDOM,
                ports: [Port(1_024), Port(2_047)],
                addresses: addresses(["10.0.0.1", "10.0.0.1"]),
                ..Target::NOTHING
            },
        ),
        (
            "INPUT -j SNAT --to-source 10.0.0.1 --random --persistent",
            Target {
                flags: Target::ADDRESSES | Target::RANDOM | Target::PERSISTENT,
                addresses: addresses(["10.0.0.1", "10.0.0.1"]),
                ..Target::NOTHING
            },
        ),
        ("POSTROUTING -j MASQUERADE", Target { flags: Target::OWN, ..Target::NOTHING }),
        (
            "POSTROUTING -p udp -j MASQUERADE --to-ports 5-6 --random-fully",
            Target {
                flags: Target::OWN | Target::PORTS | Target::RANDOM,
                ports: [Port(5), Port(6)],
                ..Target::NOTHING
            },
        ),
        (
            "PREROUTING -j REDIRECT --random",
            Target { flags: Target::OWN | Target::RANDOM, ..Target::NOTHING },
        ),
        (
            "PREROUTING -p tcp -j REDIRECT --to-ports 8080",
            Target {
                flags: Target::OWN | Target::PORTS,
                ports: [Port(8_080), Port(8_080)],
                ..Target::NOTHING
            },
        ),
    ];
    for (rule, expected) in expected {
        assert_eq!(target(Family::Ipv4, rule), expected, "{rule}");
    }
    let six = Target {
        flags: Target::ADDRESSES | Target::PORTS,
        ports: [Port(80), Port(80)],
        addresses: addresses(["fd00::1", "fd00::2"]),
        ..Target::NOTHING
    };
    assert_eq!(target(Family::Ipv6, "PREROUTING -p tcp -j DNAT --to-destination [fd00::1-fd00::2]:80"), six);
}

#[test]
fn its_chains_are_asked_apart() {
    let ruleset = parsed(
        Family::Ipv4,
        "*nat
:PUBLISHED - [0:0]
-A PREROUTING -p tcp -j PUBLISHED
-A PUBLISHED -p tcp --dport 80 -j REDIRECT --to-ports 8080
-A PUBLISHED -p tcp --dport 81 -j ACCEPT
-A PUBLISHED -p tcp --dport 82 -j RETURN
-A PREROUTING -p tcp --dport 80:82 -j DNAT --to-destination 10.0.0.7
-A POSTROUTING -o eth0 -j MASQUERADE
COMMIT
*filter
-A INPUT -p tcp --dport 80 -j DROP
COMMIT
",
    );
    let mut both = both(&ruleset);
    let flags = [80, 81, 82, 83].map(|destination| {
        let upper = Upper::Tcp { source: 9, destination, flags: 0, options: 0 };
        let answer = both.ask(&Packet { upper, ..packet(BuiltIn::NatPrerouting) }, 0, 0).unwrap();
        assert_eq!(answer.decision, Decision::Accept);
        answer.target.map(|target| target.flags)
    });
    assert_eq!(flags, [Some(Target::OWN | Target::PORTS), None, Some(Target::ADDRESSES), None]);
    let mut target = |chain| both.ask(&packet(chain), 0, 0).unwrap().target.map(|target| target.flags);
    assert_eq!(target(BuiltIn::NatPostrouting), Some(Target::OWN));
    assert_eq!([BuiltIn::NatInput, BuiltIn::NatOutput, BuiltIn::Output].map(target), [None; 3]);
    assert_eq!(both.ask(&packet(BuiltIn::Input), 0, 0).unwrap().decision, Decision::Drop);
    both.compare_counters().unwrap();
    let policies = both.lowered.counters.iter().filter(|place| place.spot == Spot::Policy).count();
    assert_eq!((both.lowered.counters.len(), policies), (11, 4));
}

#[test]
fn without_rules_there_is_nothing_to_ask() {
    let texts = [
        "*nat\n:INPUT ACCEPT [4:5]\n:OWN - [0:0]\nCOMMIT\n*filter\n-A INPUT\nCOMMIT\n",
        "*filter\n-A INPUT\nCOMMIT\n",
    ];
    let [with, without] = texts.map(|text| lowered(&parsed(Family::Ipv4, text)).unwrap());
    assert_eq!(with, without);
    let compiled = compile(&with.ruleset, &Bounds::DEFAULT).unwrap();
    let root = |chain: BuiltIn| compiled.header.roots[chain.slot(Family::Ipv4) as usize];
    assert!(BuiltIn::NAT.into_iter().all(|chain| root(chain) == 0));
    assert!(BuiltIn::FILTER.into_iter().all(|chain| root(chain) != 0));
}

#[test]
fn what_is_equal_is_one_line() {
    let count = |text: &str| {
        let lowered = lowered(&parsed(Family::Ipv4, text)).unwrap();
        compile(&lowered.ruleset, &Bounds::DEFAULT).unwrap().lines.len()
    };
    let once =
        "*nat\n-A POSTROUTING -p tcp -j MASQUERADE\n-A POSTROUTING -p udp -j MASQUERADE --random\nCOMMIT\n";
    let twice = "*nat\n-A POSTROUTING -p tcp -j MASQUERADE\n-A POSTROUTING -p udp -j MASQUERADE\nCOMMIT\n";
    assert_eq!(count(once), count(twice) + 1);
}

#[test]
fn interfaces_are_known_as_far_as_a_flow_has_come() {
    let text = "*nat\n:A -\n-A PREROUTING -j A\n-A INPUT -j A\n-A OUTPUT -j A\n-A POSTROUTING -j A\n-A A -j ACCEPT\nCOMMIT\n";
    let program = lowered(&parsed(Family::Ipv4, text)).unwrap().ruleset.ipv4.unwrap();
    let unknown = BuiltIn::NAT.map(|chain| program.base(chain).unwrap().legs[0].unknown.clone());
    assert_eq!(unknown, [vec![Dimension::OutInterface], vec![], vec![], vec![Dimension::InInterface]]);
}

macro_rules! file {
    ($name:literal) => {
        ($name, include_str!(concat!("../../rules/corpus/", $name, ".rules")))
    };
}

#[test]
fn files_of_tools_with_a_table_nat_are_carried_out() {
    let files = [(file!("docker.v4"), 4), (file!("csf-without-owner.v4"), 1), (file!("lxc.v4"), 3)];
    for ((name, text), expected) in files {
        let lowered = lowered(&parsed(Family::Ipv4, text)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(lowered.ruleset.targets.len(), expected, "{name}");
        compile(&lowered.ruleset, &Bounds::DEFAULT).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}
