//! Makes a ruleset smaller as long as a test fails.

use crate::rules::{
    chain::Chain,
    rule::Rule,
    ruleset::Ruleset,
    table::{Table, TableName},
    targets::Target,
};

/// The smallest ruleset found for which `fails` still holds: no rule, match or condition of it can be left out. The
/// ruleset itself must fail.
pub fn minimal(mut ruleset: Ruleset, mut fails: impl FnMut(&Ruleset) -> bool) -> Ruleset {
    loop {
        let smaller = smaller(&ruleset).find(|candidate| fails(candidate));
        match smaller {
            Some(smaller) => ruleset = smaller,
            None => return ruleset,
        }
    }
}

/// Rulesets that have something less, those that have much less first. All are such as iptables accepts.
pub fn smaller(ruleset: &Ruleset) -> impl Iterator<Item = Ruleset> + '_ {
    let names = || ruleset.tables.keys().copied();
    let tables = names().map(|name| {
        let mut less = ruleset.clone();
        less.tables.remove(&name);
        less
    });
    let inside = names().flat_map(move |name| {
        let table = ruleset.table(name);
        table.into_iter().flat_map(smaller_table).map(move |table| replaced(ruleset, name, table))
    });
    tables.chain(inside)
}

fn replaced(ruleset: &Ruleset, name: TableName, table: Table) -> Ruleset {
    let mut less = ruleset.clone();
    less.tables.insert(name, table);
    less
}

fn smaller_table(table: &Table) -> impl Iterator<Item = Table> + '_ {
    let places = || 0..table.chains.len();
    let without_chain = places().filter_map(|place| {
        let chain = table.chains.get(place).filter(|chain| chain.base.is_none())?;
        let mut less = table.clone();
        less.chains.remove(place);
        for other in &mut less.chains {
            other.rules.retain(|rule| !leads_to(rule, chain));
        }
        Some(less)
    });
    let without_rules = places().flat_map(move |place| cuts(table, place));
    let simpler_rules = places().flat_map(move |place| simpler(table, place));
    without_chain.chain(without_rules).chain(simpler_rules)
}

fn leads_to(rule: &Rule, chain: &Chain) -> bool {
    matches!(&rule.target, Some(Target::Jump(name) | Target::Goto(name)) if *name == chain.name)
}

/// The table without a stretch of a chain's rules: half of them, a quarter, and so on down to each one.
fn cuts(table: &Table, place: usize) -> impl Iterator<Item = Table> + '_ {
    let count = table.chains.get(place).map_or(0, |chain| chain.rules.len());
    let sizes = std::iter::successors((count > 0).then_some(count), |&size| (size > 1).then_some(size / 2));
    sizes.flat_map(move |size| (0..count).step_by(size).map(move |start| (start, size))).filter_map(
        move |(start, size)| {
            let mut less = table.clone();
            let chain = less.chains.get_mut(place)?;
            chain.rules.drain(start..(start + size).min(count));
            Some(less)
        },
    )
}

/// The table with one rule of a chain made simpler.
fn simpler(table: &Table, place: usize) -> impl Iterator<Item = Table> + '_ {
    let rules = table.chains.get(place).map_or(&[][..], |chain| chain.rules.as_slice());
    rules.iter().enumerate().flat_map(move |(index, rule)| {
        simpler_rule(rule).into_iter().filter_map(move |rule| {
            let mut less = table.clone();
            *less.chains.get_mut(place)?.rules.get_mut(index)? = rule;
            Some(less)
        })
    })
}

fn simpler_rule(rule: &Rule) -> Vec<Rule> {
    let mut all = Vec::new();
    let mut with = |change: &dyn Fn(&mut Rule)| {
        let mut less = rule.clone();
        change(&mut less);
        if less != *rule {
            all.push(less);
        }
    };
    for index in 0..rule.matches.len() {
        with(&|less| {
            less.matches.remove(index);
        });
    }
    with(&|less| less.header.source = None);
    with(&|less| less.header.destination = None);
    with(&|less| less.header.input = None);
    with(&|less| less.header.output = None);
    with(&|less| less.header.fragment = None);
    with(&|less| less.target = None);
    with(&|less| less.counters = None);
    if !needs_protocol(rule) {
        with(&|less| less.header.protocol = None);
    }
    all
}

fn needs_protocol(rule: &Rule) -> bool {
    let families = [crate::rules::family::Family::Ipv4, crate::rules::family::Family::Ipv6];
    families.into_iter().any(|family| {
        rule.matches.iter().any(|one| !one.protocols(family).protocols.is_empty())
            || rule.target.as_ref().is_some_and(|target| !target.protocols(family).protocols.is_empty())
    })
}
