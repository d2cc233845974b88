//! A container's rules in output.

use berth_common::abi::units::ContainerId;
use similar::TextDiff;

use super::{Loaded, Pair};
use crate::{
    api::{
        name::Name,
        quota::Quota,
        response::Response,
        rules::{Chain, Family, Listed, Rule},
        traffic::Traffic,
    },
    node::{Enforcer, Node, NodeError, Observer, spec::settings},
    rules::{counters::Counters, parse, save, table::TableName},
    state::Record,
};

impl<E: Enforcer, O: Observer> Node<E, O> {
    /// The rules as iptables-save would write them.
    pub(in crate::node) fn save_rules(
        &self,
        name: &Name,
        family: Family,
        counters: bool,
    ) -> Result<Response, NodeError> {
        let id = self.known(name)?.0.id;
        let pair = if counters { self.counted(id)? } else { self.loaded(id).pair };
        let text = pair.of(family.into()).map(|ruleset| save::to_save(ruleset, counters));
        Ok(Response::Text(text.unwrap_or_default()))
    }

    /// How the rules in force differ from a text.
    pub(in crate::node) fn diff_rules(
        &self,
        name: &Name,
        family: Family,
        text: &str,
    ) -> Result<Response, NodeError> {
        let id = self.known(name)?.0.id;
        let given = parse::parse(family.into(), text).map_err(NodeError::Rules)?;
        let mut after = self.ruleset(id, family.into());
        let before = self.loaded(id).pair.of(family.into()).map(|ruleset| save::to_save(ruleset, false));
        after.tables.extend(given.tables);
        let after = Pair::default().with(after);
        let after = after.of(family.into()).map(|ruleset| save::to_save(ruleset, false)).unwrap_or_default();
        let before = before.unwrap_or_default();
        let diff = TextDiff::from_lines(&before, &after);
        Ok(Response::Text(diff.unified_diff().header("in force", "given").to_string()))
    }

    /// The rules one by one, with what they have counted.
    pub(in crate::node) fn list_rules(&self, name: &Name, family: Family) -> Result<Response, NodeError> {
        let id = self.known(name)?.0.id;
        let pair = self.counted(id)?;
        let tables = pair.of(family.into()).into_iter().flat_map(|ruleset| &ruleset.tables);
        let chains =
            tables.flat_map(|(table, chains)| chains.chains.iter().map(|chain| listed(*table, chain)));
        Ok(Response::Rules(Listed { chains: chains.collect() }))
    }

    /// The quota of rules, and what is held of it.
    pub(in crate::node) fn rule_quota(&self, record: &Record) -> Quota {
        let held = self.rules.get(&record.id).map_or(0, |loaded| loaded.pair.entries());
        Quota {
            held,
            maxheld: record.rules.maxheld.max(held),
            limit: self.rule_limit(&settings(record)).into(),
            failcnt: record.rules.failcnt,
        }
    }

    fn loaded(&self, id: u32) -> Loaded {
        self.rules.get(&id).cloned().unwrap_or_default()
    }

    /// The rules with what they have counted.
    fn counted(&self, id: u32) -> Result<Pair, NodeError> {
        let Loaded { mut pair, places, .. } = self.loaded(id);
        let counters = self.kernel.rule_counters(ContainerId(id))?;
        for (place, counted) in places.iter().zip(counters) {
            pair.count(place, Counters { packets: counted.packets, bytes: counted.bytes });
        }
        Ok(pair)
    }
}

fn listed(table: TableName, chain: &crate::rules::chain::Chain) -> Chain {
    let traffic = |counters: Counters| Traffic { packets: counters.packets, bytes: counters.bytes };
    Chain {
        table: table.name().to_owned(),
        chain: chain.name.to_string(),
        policy: chain.base.map(|base| base.policy.name().to_owned()),
        counted: chain.base.map(|base| traffic(base.counters)),
        rules: chain
            .rules
            .iter()
            .map(|rule| Rule {
                rule: save::to_rule(rule).trim_start().to_owned(),
                counted: traffic(rule.counters.unwrap_or_default()),
            })
            .collect(),
    }
}
