//! A container's rules.

mod change;
mod confirm;
mod objects;
mod pair;
mod show;
mod translation;

use change::{Prepared, generation};
pub(super) use pair::Pair;

use berth_common::abi::units::ContainerId;

use super::{Enforcer, Node, NodeError, Observer, error::MIN_RULES};
use crate::{
    api::{
        name::Name,
        response::Response,
        rules::{Edit, Family, Restore},
        settings::Settings,
    },
    compile::input,
    lower::{self, LogSpec, Place},
    rules::{
        self,
        feature::{Features, features},
        parse,
        ruleset::Ruleset,
        table::{Table, TableName},
    },
};

/// A container's rules, and what its counters count.
#[derive(Clone, Debug, Default)]
pub(super) struct Loaded {
    pub pair: Pair,
    pub places: Vec<Place>,
    /// What rules that log report, by their ids.
    pub logs: Vec<LogSpec>,
    /// What the compiler was given.
    pub lowered: input::Ruleset,
}

impl<E: Enforcer, O: Observer> Node<E, O> {
    /// Replaces the tables that a text gives.
    pub(super) fn restore_rules(&mut self, request: Restore) -> Result<Response, NodeError> {
        let Restore { name, family, text, check, confirm } = request;
        let id = self.known(&name)?.0.id;
        self.load_sets(id)?;
        let given = parse::parse(family.into(), &text).map_err(NodeError::Rules)?;
        let mut ruleset = self.ruleset(id, family.into());
        ruleset.tables.extend(given.tables);
        if check {
            return self.check_rules(id, ruleset);
        }
        self.change_rules(id, ruleset, confirm)
    }

    /// Changes a table by a command.
    pub(super) fn edit_rules(&mut self, edit: &Edit) -> Result<Response, NodeError> {
        let id = self.known(&edit.name)?.0.id;
        self.load_sets(id)?;
        let mut ruleset = self.ruleset(id, edit.family.into());
        parse::apply(&mut ruleset, edit.table.into(), &edit.command).map_err(NodeError::Rules)?;
        self.change_rules(id, ruleset, edit.confirm)
    }

    /// Takes all rules of a family away, and lets everything pass.
    pub(super) fn flush_rules(&mut self, name: &Name, family: Family) -> Result<Response, NodeError> {
        let id = self.known(name)?.0.id;
        self.change_rules(id, Ruleset::new(family.into()), None)
    }

    /// Puts the rules that are remembered into the kernel, unless they are there: before the container comes into force,
    /// or is told anything new. Whether they are allowed was found out when they were given.
    pub(super) fn load_rules(&mut self, id: u32) -> Result<(), NodeError> {
        if self.rules.contains_key(&id) {
            return Ok(());
        }
        self.load_sets(id)?;
        let Some(record) = self.state.record_by_id(id).cloned() else { return Ok(()) };
        let pair = Pair::try_from(&record.rules)
            .map_err(|problem| NodeError::RulesUnreadable { name: record.name.clone(), problem })?;
        let Prepared { loaded, kept, compiled, .. } = self.compile(&record, record.rules.changes, pair)?;
        self.rules.insert(id, loaded);
        let stamp = compiled.as_ref().map(|_| generation(&record, record.rules.changes));
        if self.kernel.ruleset_generation(ContainerId(id))? == stamp {
            // The berth before may have come no further than the rules.
            return compiled.map_or(Ok(()), |compiled| {
                Ok(self.kernel.refresh_objects(ContainerId(id), &compiled.lines, &kept)?)
            });
        }
        self.push_ruleset(id, (compiled.as_ref(), &kept), None)
    }

    /// Puts rules that name interfaces in force anew where those names stand for others now.
    pub(super) fn follow_interfaces(&mut self) -> Result<(), NodeError> {
        let named: Vec<u32> = self
            .rules
            .iter()
            .filter(|(_, loaded)| loaded.pair.names_interfaces())
            .map(|(id, _)| *id)
            .collect();
        for id in named {
            let known = self.names(id)?;
            let (Some(loaded), Some(record)) = (self.rules.get(&id), self.state.record_by_id(id)) else {
                continue;
            };
            if lower::lower(&loaded.pair.source(), &known)?.ruleset == loaded.lowered {
                continue;
            }
            let prepared = self.compile(record, record.rules.changes.wrapping_add(1), loaded.pair.clone())?;
            self.put_rules(id, prepared, |_| {})?;
        }
        Ok(())
    }

    /// Makes sure that a container's rules go with new settings, taking those away that do not if they may go. Returns how
    /// many went.
    pub(super) fn fit_rules(&mut self, id: u32, settings: &Settings, may_go: bool) -> Result<u64, NodeError> {
        if let Some(limit) = settings.max_rules.filter(|limit| *limit < MIN_RULES) {
            return Err(NodeError::RuleLimit(limit));
        }
        let pair = self.rules.get(&id).map(|loaded| loaded.pair.clone()).unwrap_or_default();
        let Err(error) = self.check_features(settings, pair.all()) else { return Ok(0) };
        let Some(record) = self.state.record_by_id(id).filter(|_| may_go) else { return Err(error) };
        let effective = self.allowance(settings).effective();
        let fitting = pair.only(|table, rule| features(table, rule).without(effective) == Features::NONE);
        let gone = pair.entries() - fitting.entries();
        let prepared = self.prepare(record, fitting)?;
        self.put_rules(id, prepared, |_| {})?;
        Ok(gone)
    }

    /// The rules of a family, every table that there can be among them.
    fn ruleset(&self, id: u32, family: rules::family::Family) -> Ruleset {
        let known = self.rules.get(&id).and_then(|loaded| loaded.pair.of(family)).cloned();
        let mut ruleset = known.unwrap_or_else(|| Ruleset::new(family));
        ruleset.tables.entry(TableName::Filter).or_insert_with(|| Table::empty(TableName::Filter));
        ruleset
    }

    fn change_rules(
        &mut self,
        id: u32,
        ruleset: Ruleset,
        confirm: Option<u64>,
    ) -> Result<Response, NodeError> {
        let old = self.rules.get(&id).cloned().unwrap_or_default();
        let pair = old.pair.with(ruleset);
        self.check_rule_quota(id, pair.entries())?;
        let Some(record) = self.state.record_by_id(id) else { return Ok(Response::nothing()) };
        let prepared = self.prepare(record, pair)?;
        let unconfirmed = confirm.map(|seconds| confirm::before(&record.rules, seconds));
        self.put_rules(id, prepared, |rules| {
            if let Some(unconfirmed) = unconfirmed {
                rules.unconfirmed = Some(unconfirmed);
            }
        })?;
        Ok(Response::nothing())
    }

    fn check_rules(&self, id: u32, ruleset: Ruleset) -> Result<Response, NodeError> {
        let old = self.rules.get(&id).cloned().unwrap_or_default();
        let pair = old.pair.with(ruleset);
        let Some(record) = self.state.record_by_id(id) else { return Ok(Response::nothing()) };
        let limit = self.rule_limit(&super::spec::settings(record));
        if pair.entries() > u64::from(limit) {
            let name = record.name.clone();
            return Err(NodeError::RuleQuota { name, asked: pair.entries(), limit });
        }
        let prepared = self.prepare(record, pair)?;
        let bytes = prepared.compiled.map_or(0, |compiled| compiled.report.bytes);
        let note = format!(
            "{} rules, {bytes} bytes compiled: they can come into force",
            prepared.loaded.pair.entries()
        );
        Ok(Response::Done { notes: vec![note] })
    }
}
