//! What rules keep something for beside the ruleset: found again by name, as netfilter does, when rules change.

use std::collections::HashMap;

use berth_common::abi::rules::external::SET;

use super::{Pair, change::key};
use crate::{
    compile::input::{Check, Condition, Family, Ruleset},
    control::{Keeps, Kept},
    lower::{ExternalSpec, Externals},
    state::Objects,
};

/// The numbers of what these rules keep something for, and what is kept. In the rules they take the place of the ids, which
/// are of that one ruleset.
pub(super) fn number(
    ruleset: &mut Ruleset,
    (externals, pair): (&Externals, &Pair),
    before: &Objects,
) -> (Objects, Vec<Kept>) {
    let names = names(externals, pair);
    let objects = before.renewed(names.iter().flatten().cloned());
    for program in [&mut ruleset.ipv4, &mut ruleset.ipv6].into_iter().flatten() {
        let rules = program.chains.iter_mut().flat_map(|chain| &mut chain.rules);
        for condition in rules.flat_map(|rule| &mut rule.conditions) {
            let Condition::Check(Check::External(external)) = condition else { continue };
            // A named set has its number already.
            if external.kind == SET {
                continue;
            }
            let name = names.get(external.id as usize).and_then(Option::as_ref);
            if let Some(number) = name.and_then(|name| objects.numbers.get(name)) {
                external.id = *number;
            }
        }
    }
    let kept = externals.0.iter().zip(&names).filter_map(|(spec, name)| {
        let number = *objects.numbers.get(name.as_ref()?)?;
        let what = match spec {
            ExternalSpec::Recent { .. } => Keeps::List,
            ExternalSpec::Hashlimit { .. } => Keeps::Buckets,
            ExternalSpec::Connlimit { .. } => Keeps::Flows,
        };
        Some(Kept { number, what })
    });
    let kept = kept.collect();
    (objects, kept)
}

/// What each external is called; nothing for one that keeps nothing of its own.
fn names(externals: &Externals, pair: &Pair) -> Vec<Option<String>> {
    let mut rules = HashMap::new();
    externals
        .0
        .iter()
        .map(|spec| match spec {
            ExternalSpec::Recent { family, name, .. } => Some(named("recent", *family, name)),
            ExternalSpec::Hashlimit { family, written, .. } => {
                Some(named("hashlimit", *family, written.name.as_str()))
            }
            ExternalSpec::Connlimit { place } => {
                let (_, table, chain, text) = key(pair, place)?;
                let rule = format!("{} {chain}{text}", table.name());
                let before = rules.entry((place.family, rule.clone())).or_insert(0_u32);
                *before += 1;
                Some(named("connlimit", place.family, &format!("{before} {rule}")))
            }
        })
        .collect()
}

fn named(kind: &str, family: Family, name: &str) -> String {
    let family = match family {
        Family::Ipv4 => "ipv4",
        Family::Ipv6 => "ipv6",
    };
    format!("{kind} {family} {name}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        lower::{Names, Source, lower},
        rules::{self, parse::parse},
    };

    #[test]
    fn sets_keep_their_numbers() {
        let text = "*filter\n\
                    -A INPUT -m hashlimit --hashlimit-upto 1/sec --hashlimit-name one -j ACCEPT\n\
                    -A INPUT -m set --match-set two src -j ACCEPT\n\
                    COMMIT";
        let ipv4 = parse(rules::family::Family::Ipv4, text).unwrap();
        let names = Names { interfaces: vec![], sets: vec![("two".to_owned(), 0, None)] };
        let mut lowered = lower(&Source { ipv4: Some(&ipv4), ipv6: None }, &names).unwrap();
        let pair = Pair { ipv4: Some(ipv4), ipv6: None };
        let before = Objects { last: 40, ..Objects::default() };
        let (objects, kept) = number(&mut lowered.ruleset, (&lowered.externals, &pair), &before);
        assert_eq!(objects.numbers.values().copied().collect::<Vec<_>>(), [41]);
        assert_eq!(kept.iter().map(|kept| kept.number).collect::<Vec<_>>(), [41]);
        let chains = &lowered.ruleset.ipv4.unwrap().chains;
        let asked = chains.iter().flat_map(|chain| &chain.rules).flat_map(|rule| &rule.conditions);
        let numbers = asked.filter_map(|condition| match condition {
            Condition::Check(Check::External(external)) => Some(external.id),
            _ => None,
        });
        assert_eq!(numbers.collect::<Vec<_>>(), [41, 0]);
    }
}
