//! The tables of one family as one program.

use std::collections::HashMap;

use super::{
    LowerError, Lowered, Names, Place, Reason, Spot,
    rule::{self, Context},
    tables::{ENFORCED, way},
};
use crate::{
    compile::input::{Base, BuiltIn, Chain, ChainId, Dimension, Family, Leg, Policy, Program},
    rules::{
        self,
        chain::ChainName,
        hook::Hook,
        ruleset::Ruleset,
        table::{Table, TableName},
    },
};

/// Lowers the rules of a family; counters, reports and so on are added to those of `lowered`.
pub(super) fn program(
    family: Family,
    ruleset: &Ruleset,
    names: &Names,
    lowered: &mut Lowered,
) -> Result<Program, LowerError> {
    refuse_translation(family, ruleset)?;
    let mut lowering = Lowering { family, names, lowered, chains: Vec::new(), ids: HashMap::new() };
    for name in ENFORCED {
        for chain in ruleset.table(name).map_or(&[][..], |table| &table.chains) {
            lowering.name(name, chain);
        }
    }
    for name in ENFORCED {
        for chain in ruleset.table(name).map_or(&[][..], |table| &table.chains) {
            lowering.chain(name, chain)?;
        }
    }
    let mut base = |chain| lowering.base(chain, ruleset);
    let (input, output, forward) = (base(BuiltIn::Input), base(BuiltIn::Output), base(BuiltIn::Forward));
    Ok(Program { input, output, forward, chains: lowering.chains })
}

fn refuse_translation(family: Family, ruleset: &Ruleset) -> Result<(), LowerError> {
    let chains = ruleset.table(TableName::Nat).map_or(&[][..], |table| &table.chains);
    let rules = chains.iter().flat_map(|chain| {
        chain.rules.iter().enumerate().map(|(index, rule)| (rule.line, &chain.name, index))
    });
    match rules.min_by_key(|(line, _, _)| *line) {
        None => Ok(()),
        Some((line, chain, index)) => {
            let place =
                Place { family, table: TableName::Nat, chain: chain.clone(), spot: Spot::Rule(index) };
            Err(LowerError { line, place: Box::new(place), reason: Reason::Translation })
        }
    }
}

struct Lowering<'a> {
    family: Family,
    names: &'a Names,
    lowered: &'a mut Lowered,
    /// The chains, in the order in which they were named.
    chains: Vec<Chain>,
    ids: HashMap<(TableName, ChainName), ChainId>,
}

impl Lowering<'_> {
    fn name(&mut self, table: TableName, chain: &rules::chain::Chain) {
        self.ids.insert((table, chain.name.clone()), ChainId(self.chains.len()));
        self.chains.push(Chain { name: chain.name.to_string(), rules: Vec::new() });
    }

    fn chain(&mut self, table: TableName, chain: &rules::chain::Chain) -> Result<(), LowerError> {
        let mut lowered = Vec::with_capacity(chain.rules.len());
        for (index, written) in chain.rules.iter().enumerate() {
            let place =
                Place { family: self.family, table, chain: chain.name.clone(), spot: Spot::Rule(index) };
            let counter = count(&mut self.lowered.counters, place.clone());
            let ids = &self.ids;
            let mut context = Context {
                place: &place,
                names: self.names,
                find: &|name| ids.get(&(table, name.clone())).copied(),
                logs: &mut self.lowered.logs,
                externals: &mut self.lowered.externals,
            };
            let rule = rule::rule(written, counter, &mut context).map_err(|reason| LowerError {
                line: written.line,
                place: Box::new(place),
                reason,
            })?;
            lowered.push(rule);
        }
        let id = self.ids.get(&(table, chain.name.clone()));
        if let Some(place) = id.and_then(|id| self.chains.get_mut(id.0)) {
            place.rules = lowered;
        }
        Ok(())
    }

    /// The legs of a built-in chain. Filter has one even without rules, for its policy to be counted.
    fn base(&mut self, chain: BuiltIn, ruleset: &Ruleset) -> Base {
        let legs = way(chain).iter().filter_map(|(name, hook)| match ruleset.table(*name) {
            Some(table) => self.leg(*name, table, *hook),
            None => (*name == TableName::Filter).then(Leg::default),
        });
        Base { legs: legs.collect() }
    }

    fn leg(&mut self, name: TableName, table: &Table, hook: Hook) -> Option<Leg> {
        let chain = table.chain(hook.name())?;
        let policy = match chain.base?.policy {
            rules::chain::Policy::Accept => Policy::Accept,
            rules::chain::Policy::Drop => Policy::Drop,
        };
        let place = Place { family: self.family, table: name, chain: chain.name.clone(), spot: Spot::Policy };
        Some(Leg {
            policy,
            counter: (name != TableName::Filter).then(|| count_once(&mut self.lowered.counters, place)),
            unknown: unknown(hook),
            chain: self.ids.get(&(name, chain.name.clone())).copied(),
        })
    }
}

/// What netfilter does not know before routing.
fn unknown(hook: Hook) -> Vec<Dimension> {
    match hook {
        Hook::Prerouting => vec![Dimension::OutInterface],
        Hook::Input | Hook::Forward | Hook::Output | Hook::Postrouting => Vec::new(),
    }
}

/// The number of the next counter.
fn count(counters: &mut Vec<Place>, place: Place) -> u32 {
    counters.push(place);
    number(counters.len() - 1)
}

/// The number of the counter of a place, which two built-in chains may lead to.
fn count_once(counters: &mut Vec<Place>, place: Place) -> u32 {
    match counters.iter().position(|known| *known == place) {
        Some(known) => number(known),
        None => count(counters, place),
    }
}

/// More than there may be if it does not fit, so that the compiler refuses it.
fn number(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}
