//! Short ways to write rules.

use super::super::input::{
    Action, Base, Chain, ChainId, Condition, Dimension, Leg, Policy, Program, Rule, Ruleset, Values,
};

pub(super) fn rule(conditions: impl IntoIterator<Item = Condition>, action: Action) -> Rule {
    Rule { counter: 0, conditions: conditions.into_iter().collect(), action }
}

pub(super) fn is(dimension: Dimension, value: impl Into<u128>) -> Condition {
    Condition::Field(dimension, Values::one(value))
}

/// A built-in chain of one leg.
pub(super) fn base(program: &mut Program, policy: Policy, rules: impl IntoIterator<Item = Rule>) -> Base {
    Base { legs: vec![leg(program, policy, None, rules)] }
}

/// A leg, and the chain that it has.
pub(super) fn leg(
    program: &mut Program,
    policy: Policy,
    counter: Option<u32>,
    rules: impl IntoIterator<Item = Rule>,
) -> Leg {
    let chain = ChainId(program.chains.len());
    program.chains.push(Chain { name: format!("base{}", chain.0), rules: rules.into_iter().collect() });
    Leg { policy, counter, unknown: Vec::new(), chain: Some(chain) }
}

/// The rules of the first leg of INPUT of IPv4.
pub(super) fn input_rules(ruleset: &mut Ruleset) -> &mut Vec<Rule> {
    let program = ruleset.ipv4.as_mut().unwrap();
    let chain = program.input.legs[0].chain.unwrap();
    &mut program.chains[chain.0].rules
}

/// IPv4 rules for INPUT, with the policy DROP.
pub(super) fn input(rules: impl IntoIterator<Item = Rule>, chains: &[&[Rule]]) -> Ruleset {
    let chains = chains
        .iter()
        .enumerate()
        .map(|(place, rules)| Chain { name: format!("chain{place}"), rules: rules.to_vec() });
    let mut program = Program { chains: chains.collect(), ..Program::default() };
    program.input = base(&mut program, Policy::Drop, rules);
    super::generate::number(Ruleset { ipv4: Some(program), ..Ruleset::default() })
}
