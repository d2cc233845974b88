//! Random rulesets mean the same lowered and compiled as read one by one.

use std::collections::BTreeMap;

use berth_common::memory::generate::{Random, cases::number};

use super::{
    aim::Targets,
    oracle::JIFFY,
    setup::{Both, lowered, names},
};
use crate::{
    compile::{self, CompileError, compile, input::Family},
    lower::{Lowered, Reason, Source, Spot, lower},
    rules::{
        self,
        generate::{Wanted, ruleset, shrink},
        matches,
        ruleset::Ruleset,
        save::to_save,
        table::TableName,
        targets::Target,
    },
};

/// How many rulesets are tried, unless the environment wants more or fewer. With those of [`crate::compile`]'s tests there
/// are ten thousand.
const RULESETS: u32 = 1_500;
/// As many meet every match and target: with fewer, nothing is said of those.
const ALL: u64 = 500;

fn cases() -> u64 {
    number(RULESETS).unwrap().into()
}

/// What others know of cannot be told from a packet.
fn told_by_packets(family: rules::family::Family) -> Wanted {
    let mut wanted = Wanted::everything(family);
    wanted.tables = TableName::ALL.to_vec();
    wanted.matches.retain(|name| !["connlimit", "connmark", "hashlimit", "recent", "set"].contains(name));
    wanted.targets.retain(|name| *name != "CONNMARK");
    wanted
}

/// Whatever may be wrong with what the generator makes.
fn name(reason: &Reason) -> &'static str {
    match reason {
        Reason::RedirectOutput => "redirected by whom it goes to",
        Reason::MangleBeforeNat => "of mangle, before nat",
        Reason::ConnlimitOfNat => "counted as it is translated",
        Reason::ToLoopback(_) => "to a loopback address",
        Reason::FlowMark => "mark of a flow",
        Reason::AddressesOfInterface => "addresses of an interface",
        Reason::Holes { .. } => "holes",
        Reason::RecentMask(_)
        | Reason::RecentHits(_)
        | Reason::NoChain(_)
        | Reason::NoSet(_)
        | Reason::SetFamily(_) => {
            panic!("{reason}")
        }
    }
}

/// Takes out the rules that are refused, one after another.
fn lowerable(ruleset: &mut Ruleset, refused: &mut BTreeMap<&'static str, u32>) -> Lowered {
    let rules =
        ruleset.tables.values_mut().flat_map(|table| &mut table.chains).flat_map(|chain| &mut chain.rules);
    for (rule, line) in rules.zip(1..) {
        rule.line = line;
    }
    loop {
        match lowered(ruleset) {
            Ok(lowered) => return lowered,
            Err(error) => {
                *refused.entry(name(&error.reason)).or_default() += 1;
                for chain in ruleset.tables.values_mut().flat_map(|table| &mut table.chains) {
                    chain.rules.retain(|rule| rule.line != error.line);
                }
            }
        }
    }
}

/// What is not the same, if anything is not. What the rules have that packets agreed with is added to `met`.
fn difference(ruleset: &Ruleset, seed: u64, met: &mut BTreeMap<&'static str, u32>) -> Option<String> {
    let lowered = lowered(ruleset).ok()?;
    let mut both = Both::new(ruleset, lowered)?;
    let mut random = Random::new(seed);
    let targets = Targets::new(ruleset);
    let family = match ruleset.family {
        rules::family::Family::Ipv4 => Family::Ipv4,
        rules::family::Family::Ipv6 => Family::Ipv6,
    };
    let mut now = 1_000 * JIFFY;
    for _ in 0..60 {
        now += u64::from(random.byte() & 3) * JIFFY;
        let packet = targets.packet(&mut random, family);
        if let Err(difference) = both.ask(&packet, now, random.bits()) {
            return Some(difference);
        }
    }
    for place in both.oracle.counters.keys() {
        let chain = ruleset.table(place.table).and_then(|table| table.chain(place.chain.as_str()));
        let Spot::Rule(index) = place.spot else { continue };
        let rule = chain.and_then(|chain| chain.rules.get(index)).unwrap();
        let names = rule.matches.iter().map(matches::Match::name).chain(rule.target.iter().map(Target::name));
        names.for_each(|name| *met.entry(name).or_default() += 1);
    }
    both.compare_counters().err()
}

#[test]
fn lowered_rules_do_what_was_written() {
    let mut refused = BTreeMap::new();
    let mut met = BTreeMap::new();
    let mut compiled = 0;
    for seed in 0..cases() {
        let family = if seed % 2 == 0 { rules::family::Family::Ipv4 } else { rules::family::Family::Ipv6 };
        let mut random = Random::new(seed);
        let mut ruleset = ruleset(&mut random, &told_by_packets(family));
        let lowered = lowerable(&mut ruleset, &mut refused);
        if Both::new(&ruleset, lowered).is_none() {
            continue;
        }
        compiled += 1;
        if difference(&ruleset, seed, &mut met).is_some() {
            let minimal = shrink::minimal(ruleset, |smaller| difference(smaller, seed, &mut met).is_some());
            let difference = difference(&minimal, seed, &mut met).unwrap_or_default();
            panic!("seed {seed}: {difference}\n{}", to_save(&minimal, false));
        }
    }
    println!("{compiled} of {} rulesets compiled; refused: {refused:?}; met by packets: {met:?}", cases());
    assert!(compiled >= cases() * 9 / 10, "only {compiled} rulesets compiled");
    if cases() < ALL {
        return;
    }
    for family in [rules::family::Family::Ipv4, rules::family::Family::Ipv6] {
        let Wanted { matches, targets, .. } = told_by_packets(family);
        for name in matches.iter().chain(&targets) {
            assert!(met.contains_key(name), "no packet met a rule with {name}");
        }
    }
}

#[test]
fn everything_is_lowered_or_refused_for_a_reason() {
    let mut refused = BTreeMap::new();
    for seed in 0..cases() / 4 {
        let [ipv4, ipv6] = [rules::family::Family::Ipv4, rules::family::Family::Ipv6].map(|family| {
            let mut ruleset = ruleset(&mut Random::new(seed), &Wanted::everything(family));
            lowerable(&mut ruleset, &mut refused);
            ruleset
        });
        let both = lower(&Source { ipv4: Some(&ipv4), ipv6: Some(&ipv6) }, &names()).unwrap();
        match compile(&both.ruleset, &compile::Bounds::DEFAULT) {
            Ok(compiled) => assert_eq!(compiled.header.rules as usize, both.counters.len()),
            Err(CompileError::TooManySteps { .. } | CompileError::TooManyEntries { .. }) => {}
            Err(error) => panic!("seed {seed}: {error}"),
        }
    }
    println!("rules refused: {refused:?}");
}
