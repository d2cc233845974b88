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
    refuse_mangle_before_nat(family, ruleset)?;
    let mut lowering = Lowering { family, names, lowered, chains: Vec::new(), ids: HashMap::new() };
    let tables = ENFORCED.into_iter().filter(|name| *name != TableName::Nat || ruleset.translates());
    let tables: Vec<_> = tables.filter_map(|name| Some((name, ruleset.table(name)?))).collect();
    for (name, table) in &tables {
        for chain in &table.chains {
            lowering.name(*name, chain);
        }
    }
    for (name, table) in tables {
        let sending = if name == TableName::Nat { table.reached_from(Hook::Output) } else { Vec::new() };
        for chain in &table.chains {
            lowering.chain(name, chain, sending.iter().any(|reached| reached.name == chain.name))?;
        }
    }
    let mut base = |chain| lowering.base(chain, ruleset);
    let (input, output, forward) = (base(BuiltIn::Input), base(BuiltIn::Output), base(BuiltIn::Forward));
    let nat = ruleset.translates().then(|| BuiltIn::NAT.map(base));
    Ok(Program { input, output, forward, nat, chains: lowering.chains })
}

/// What table mangle says before a destination is translated would be said after that here.
fn refuse_mangle_before_nat(family: Family, ruleset: &Ruleset) -> Result<(), LowerError> {
    let rules = |name: TableName, hook: Hook| {
        ruleset.table(name).and_then(|table| table.chain(hook.name())).map_or(&[][..], |chain| &chain.rules)
    };
    for hook in [Hook::Prerouting, Hook::Output] {
        if let ([first, ..], [_, ..]) = (rules(TableName::Mangle, hook), rules(TableName::Nat, hook)) {
            let chain = ChainName::of(hook);
            let place = Place { family, table: TableName::Mangle, chain, spot: Spot::Rule(0) };
            let reason = Reason::MangleBeforeNat;
            return Err(LowerError { line: first.line, place: Box::new(place), reason });
        }
    }
    Ok(())
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

    fn chain(
        &mut self,
        table: TableName,
        chain: &rules::chain::Chain,
        is_sending: bool,
    ) -> Result<(), LowerError> {
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
                is_sending,
                targets: &mut self.lowered.ruleset.targets,
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
            unknown: unknown(name, hook),
            chain: self.ids.get(&(name, chain.name.clone())).copied(),
        })
    }
}

/// What is not known: before routing where a packet goes, and where a flow leaves by what its packet has come.
fn unknown(table: TableName, hook: Hook) -> Vec<Dimension> {
    match hook {
        Hook::Prerouting => vec![Dimension::OutInterface],
        Hook::Postrouting if table == TableName::Nat => vec![Dimension::InInterface],
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
