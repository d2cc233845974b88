//! What must hold for every ruleset.

use std::collections::BTreeSet;

use berth_common::memory::generate::{Random, cases::number};
use proptest::prelude::*;

use crate::rules::{
    family::Family,
    generate::{Wanted, ruleset, shrink},
    matches,
    parse::parse,
    ruleset::Ruleset,
    save::to_save,
    targets,
};

fn random(family: Family, seed: u64) -> Ruleset {
    ruleset(&mut Random::new(seed), &Wanted::everything(family))
}

fn family() -> impl Strategy<Value = Family> {
    prop_oneof![Just(Family::Ipv4), Just(Family::Ipv6)]
}

/// Why a ruleset does not survive being written and read.
fn changed(ruleset: &Ruleset) -> Option<String> {
    let text = to_save(ruleset, true);
    match parse(ruleset.family, &text) {
        Ok(read) if read != *ruleset => Some(format!("reads otherwise:\n{text}")),
        Ok(read) if to_save(&read, true) != text => Some(format!("writes otherwise:\n{text}")),
        Ok(_) => None,
        Err(errors) => Some(format!("{errors}\n{text}")),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(number(500).unwrap()))]

    #[test]
    fn what_is_written_reads_back(family in family(), seed: u64) {
        let ruleset = random(family, seed);
        if changed(&ruleset).is_some() {
            let minimal = shrink::minimal(ruleset, |smaller| changed(smaller).is_some());
            prop_assert!(false, "{}", changed(&minimal).unwrap_or_default());
        }
    }

    #[test]
    fn without_counters_the_rest_reads_back(family in family(), seed: u64) {
        let ruleset = random(family, seed).without_counters();
        prop_assert_eq!(to_save(&ruleset, false), to_save(&ruleset, true));
        prop_assert_eq!(parse(family, to_save(&random(family, seed), false)), Ok(ruleset));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(number(40).unwrap()))]

    #[test]
    fn smaller_rulesets_are_smaller_and_right(family in family(), seed: u64, start in 0_u8..50) {
        let ruleset = ruleset(&mut Random::new(seed), &Wanted { rules: 6, ..Wanted::everything(family) });
        let length = to_save(&ruleset, true).len();
        for smaller in shrink::smaller(&ruleset).skip(usize::from(start)).step_by(50) {
            prop_assert!(to_save(&smaller, true).len() < length);
            prop_assert_eq!(changed(&smaller), None);
        }
    }
}

#[test]
fn shrinking_finds_the_one_rule() {
    let has = |ruleset: &Ruleset| to_save(ruleset, true).contains("--dport 22 ");
    let found = (0..200).map(|seed| random(Family::Ipv4, seed)).find(has).unwrap();
    let minimal = shrink::minimal(found, has);
    assert_eq!((minimal.tables.len(), minimal.entries()), (1, 1));
    let rule = minimal.tables.values().flat_map(|table| &table.chains).find_map(|chain| chain.rules.first());
    assert_eq!(rule.map(|rule| (rule.matches.len(), rule.header.source)), Some((1, None)));
}

#[test]
fn one_seed_makes_one_ruleset_and_all_seeds_everything() {
    assert_eq!(random(Family::Ipv6, 5), random(Family::Ipv6, 5));
    for family in [Family::Ipv4, Family::Ipv6] {
        let mut seen = BTreeSet::new();
        for seed in 0..200 {
            let ruleset = random(family, seed);
            for rule in ruleset.tables.values().flat_map(|table| &table.chains).flat_map(|chain| &chain.rules)
            {
                seen.extend(rule.matches.iter().map(matches::Match::name));
                seen.extend(rule.target.iter().map(targets::Target::name));
            }
        }
        let matches =
            matches::MODULES.iter().filter(|module| module.is_for(family)).map(|module| module.name);
        let targets = targets::MODULES.iter().map(|module| module.name);
        for name in matches.chain(targets).chain(["ACCEPT", "DROP", "RETURN", "jump", "goto"]) {
            assert!(seen.contains(name), "{family}: no seed makes {name}");
        }
    }
}
