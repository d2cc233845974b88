//! Short ways to write rules.

use super::super::input::{
    Action, Base, Chain, Condition, Dimension, Policy, Program, Rule, Ruleset, Values,
};

pub(super) fn rule(conditions: impl IntoIterator<Item = Condition>, action: Action) -> Rule {
    Rule { counter: 0, conditions: conditions.into_iter().collect(), action }
}

pub(super) fn is(dimension: Dimension, value: impl Into<u128>) -> Condition {
    Condition::Field(dimension, Values::one(value))
}

/// IPv4 rules for INPUT, with the policy DROP.
pub(super) fn input(rules: impl IntoIterator<Item = Rule>, chains: &[&[Rule]]) -> Ruleset {
    let chains = chains
        .iter()
        .enumerate()
        .map(|(place, rules)| Chain { name: format!("chain{place}"), rules: rules.to_vec() });
    let input = Base { policy: Policy::Drop, rules: rules.into_iter().collect() };
    let ipv4 = Program { input, chains: chains.collect(), ..Program::default() };
    super::generate::number(Ruleset { ipv4: Some(ipv4), ipv6: None })
}
