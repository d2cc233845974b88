//! A program with its conditions worked out: once for each rule, however often its chain is copied. So all copies of a
//! rule share the state of its checks.

use super::{
    input::{Action, Base, BuiltIn, ChainId, Check, Dimension, Family, Policy, Program},
    region::Region,
    stages,
};

/// A program.
pub(super) struct Prepared {
    /// The built-in chains that there are.
    pub(super) bases: Vec<(BuiltIn, PreparedBase)>,
    /// The rules of all chains.
    pub(super) chains: Vec<Vec<PreparedRule>>,
}

/// A built-in chain, leg by leg.
pub(super) type PreparedBase = Vec<PreparedLeg>;

/// A leg.
pub(super) struct PreparedLeg {
    pub(super) policy: Policy,
    pub(super) counter: Option<u32>,
    pub(super) unknown: Vec<Dimension>,
    pub(super) chain: Option<ChainId>,
}

/// A rule.
pub(super) struct PreparedRule {
    pub(super) counter: u32,
    pub(super) stages: Vec<PreparedStage>,
    pub(super) action: Action,
}

/// A stage of a rule.
pub(super) struct PreparedStage {
    /// Without common packets.
    pub(super) regions: Vec<Region>,
    pub(super) checks: CheckList,
}

/// Some checks, one after another among all of the ruleset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct CheckList {
    pub(super) first: usize,
    pub(super) count: usize,
}

impl Prepared {
    /// Prepares a program, and adds its checks to those of the ruleset.
    pub(super) fn new<'a>(program: &'a Program, family: Family, checks: &mut Vec<&'a Check>) -> Self {
        let mut rules = |rules: &'a [super::input::Rule]| -> Vec<PreparedRule> {
            rules
                .iter()
                .map(|rule| PreparedRule {
                    counter: rule.counter,
                    stages: stages::stages(rule, family)
                        .into_iter()
                        .map(|stage| {
                            let list = CheckList { first: checks.len(), count: stage.checks.len() };
                            checks.extend(stage.checks);
                            PreparedStage { regions: stage.regions, checks: list }
                        })
                        .collect(),
                    action: rule.action,
                })
                .collect()
        };
        let base = |base: &Base| {
            let legs = base.legs.iter().map(|leg| PreparedLeg {
                policy: leg.policy,
                counter: leg.counter,
                unknown: leg.unknown.clone(),
                chain: leg.chain,
            });
            legs.collect()
        };
        Self {
            bases: program.bases().map(|(chain, one)| (chain, base(one))).collect(),
            chains: program.chains.iter().map(|chain| rules(&chain.rules)).collect(),
        }
    }
}
