//! A container's named sets: changed in the state directory and in the kernel, or in neither.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use berth_common::abi::{rules::LINE_BYTES, set::NUMBERS};
use log::{error, warn};

use super::{Enforcer, Node, NodeError, Observer, rules::Pair, spec::settings};
use crate::{
    api::{self, name::Name, quota::Quota, response::Response, set::Commands},
    sets::{
        Bounds, Change, Fault, Set, SetError, Sets, Step,
        command::{self, Action, Command},
        form::family_name,
    },
    state::{Batch, Record, Whose},
};

impl<E: Enforcer, O: Observer> Node<E, O> {
    /// Carries out commands on a container's sets, all of them or none.
    pub(super) fn change_sets(
        &mut self,
        name: &Name,
        commands: &Commands,
        overlook: bool,
    ) -> Result<Response, NodeError> {
        let commands = match commands {
            Commands::Text(text) => command::read(text)?,
            Commands::Words(words) => command::command(words).map_err(SetError::from)?,
        };
        let record = self.known(name)?.0.clone();
        self.load_sets(record.id)?;
        let before = self.sets.get(&record.id).cloned().unwrap_or_default();
        let used = if removes(&commands) { used(&record)? } else { BTreeSet::new() };
        let taken = if creates(&commands) { self.numbers_of_sets()? } else { BTreeSet::new() };
        let mut free = (0..NUMBERS).filter(|number| !taken.contains(number));
        let mut bounds = Bounds { generation: record.generation, overlook, used: &used, free: &mut free };
        let (after, steps) = before.changed(&commands, &mut bounds)?;
        let (asked, limit) = (after.held(), self.set_limit(&settings(&record)));
        if asked > u64::from(limit) && asked > before.held() {
            self.count_refusal(&record, before)?;
            return Err(NodeError::SetQuota { name: name.clone(), asked, limit });
        }
        if !steps.is_empty() {
            self.put_sets(&record, before, after, steps)?;
        }
        Ok(Response::nothing())
    }

    /// All sets, or one with its entries.
    pub(super) fn list_sets(&mut self, name: &Name, only: Option<&str>) -> Result<Response, NodeError> {
        let record = self.known(name)?.0.clone();
        self.load_sets(record.id)?;
        let used = used(&record)?;
        let sets = self.sets.get(&record.id).cloned().unwrap_or_default();
        if let Some(only) = only.filter(|only| !sets.sets.contains_key(*only)) {
            return Err(SetError::from(Fault::NoSet(only.to_owned())).into());
        }
        let wanted = sets.sets.iter().filter(|(name, _)| only.is_none_or(|only| only == *name));
        let shown = |(name, set): (&String, &Arc<Set>)| api::set::Set {
            name: name.clone(),
            kind: set.form.name().to_owned(),
            family: set.form.family.map(|family| family_name(family).to_owned()),
            held: set.table.len() as u64,
            max: set.max,
            used: used.contains(name),
            bytes: (set.table.lines(0).len() * LINE_BYTES) as u64,
            entries: only.map(|_| set.texts()),
        };
        Ok(Response::Sets(wanted.map(shown).collect()))
    }

    /// As `ipset save` writes them.
    pub(super) fn save_sets(&mut self, name: &Name, only: Option<&str>) -> Result<Response, NodeError> {
        let id = self.known(name)?.0.id;
        self.load_sets(id)?;
        let none = Sets::default();
        Ok(Response::Text(self.sets.get(&id).unwrap_or(&none).save(only).map_err(SetError::from)?))
    }

    /// Whether something is in a set.
    pub(super) fn test_set(&mut self, name: &Name, set: &str, entry: &str) -> Result<Response, NodeError> {
        let id = self.known(name)?.0.id;
        self.load_sets(id)?;
        let found = self.sets.get(&id).and_then(|sets| sets.sets.get(set));
        let found = found.ok_or_else(|| SetError::from(Fault::NoSet(set.to_owned())))?;
        if found.contains(entry).map_err(SetError::from)? {
            Ok(Response::Done { notes: vec![format!("{entry} is in the set {set}")] })
        } else {
            Err(NodeError::NotInSet { set: set.to_owned(), entry: entry.to_owned() })
        }
    }

    /// Reads a container's sets, unless that was done, and puts those into the kernel that are not there as they should
    /// be: before its rules, which name them.
    pub(super) fn load_sets(&mut self, id: u32) -> Result<(), NodeError> {
        if self.sets.contains_key(&id) {
            return Ok(());
        }
        let Some(record) = self.state.record_by_id(id).cloned() else { return Ok(()) };
        let mut sets = Sets::default();
        for Batch { batch, steps } in self.store.sets().load(whose(&record))? {
            sets.replay(batch, &steps, record.generation).map_err(|fault| NodeError::SetsUnreadable {
                name: record.name.clone(),
                problem: fault.into(),
            })?;
        }
        for set in sets.sets.values_mut() {
            if self.kernel.set_stamp(set.number)? != Some(set.stamp) {
                self.kernel.set_set(set.number, &set.table.lines(set.stamp))?;
                Arc::make_mut(set).table.take_change();
            }
        }
        self.sets.insert(id, sets);
        Ok(())
    }

    /// The numbers of all containers' sets; an error if there are sets that cannot be read, whose numbers must not be others'.
    fn numbers_of_sets(&mut self) -> Result<BTreeSet<u32>, NodeError> {
        let all: Vec<u32> = self.state.containers.iter().map(|record| record.id).collect();
        all.into_iter().try_for_each(|id| self.load_sets(id))?;
        Ok(self.sets.values().flat_map(|sets| sets.sets.values()).map(|set| set.number).collect())
    }

    /// Removes the sets from the kernel that are no container's, as when a berth was killed while it removed one. Not where something is
    /// wrong: rules may be in force that ask for sets whose file is lost.
    pub(super) fn remove_stray_sets(&mut self) {
        if self.problem.is_some() {
            return;
        }
        let Ok(known) = self.numbers_of_sets() else { return };
        let there = self.kernel.set_numbers().unwrap_or_else(|failure| {
            error!("{failure}");
            Vec::new()
        });
        for number in there.into_iter().filter(|number| !known.contains(number)) {
            warn!("set #{number} is in the kernel but no container's: it is removed");
            if let Err(failure) = self.kernel.remove_set(number) {
                error!("{failure}");
            }
        }
    }

    /// Forgets the sets of a container that has gone.
    pub(super) fn remove_sets(&mut self, id: u32) {
        let gone = self.sets.remove(&id).unwrap_or_default();
        for set in gone.sets.values() {
            if let Err(failure) = self.kernel.remove_set(set.number) {
                error!("{failure}");
            }
        }
        if let Err(failure) = self.tidy_sets() {
            error!("{failure}");
        }
    }

    /// Removes the files of sets whose containers have gone.
    pub(super) fn tidy_sets(&self) -> Result<(), NodeError> {
        let all: Vec<Whose> = self.state.containers.iter().map(whose).collect();
        Ok(self.store.sets().keep_only(&all)?)
    }

    /// The quota of entries, and what is held of it.
    pub(super) fn set_quota(&self, record: &Record) -> Quota {
        let none = Sets::default();
        let sets = self.sets.get(&record.id).unwrap_or(&none);
        let limit = self.set_limit(&settings(record)).into();
        Quota { held: sets.held(), maxheld: sets.maxheld, limit, failcnt: sets.failcnt }
    }

    fn count_refusal(&mut self, record: &Record, mut sets: Sets) -> Result<(), NodeError> {
        sets.batch = sets.batch.wrapping_add(1);
        sets.failcnt = sets.failcnt.saturating_add(1);
        let steps = vec![Step::Quota { maxheld: sets.maxheld, failcnt: sets.failcnt }];
        self.remember(record, &sets, steps)?;
        self.sets.insert(record.id, sets);
        Ok(())
    }

    /// Remembers a change, then puts it in force; if that fails, what was there stays.
    fn put_sets(
        &mut self,
        record: &Record,
        before: Sets,
        mut after: Sets,
        steps: Vec<Step>,
    ) -> Result<(), NodeError> {
        self.remember(record, &after, steps)?;
        let Err(failure) = self.push_sets(&before, &mut after) else {
            self.sets.insert(record.id, after);
            return Ok(());
        };
        if let Err(second) = self.take_back(record, before, &after) {
            error!("the sets of {} are not quite what they were before: {second}", record.name);
        }
        Err(failure)
    }

    fn remember(&self, record: &Record, sets: &Sets, steps: Vec<Step>) -> Result<(), NodeError> {
        let store = self.store.sets();
        let batch = Batch { batch: sets.batch, steps };
        if store.append(whose(record), &batch, sets.held())? {
            // It is remembered, only not as briefly as it could be.
            if let Err(failure) =
                store.replace(whose(record), &Batch { batch: sets.batch, steps: sets.steps() })
            {
                error!("{failure}");
            }
        }
        Ok(())
    }

    /// Makes the kernel's sets what they are after a change.
    fn push_sets(&mut self, before: &Sets, after: &mut Sets) -> Result<(), NodeError> {
        let old: BTreeMap<u32, u64> = before.sets.values().map(|set| (set.number, set.stamp)).collect();
        for set in after.sets.values_mut().filter(|set| old.get(&set.number) != Some(&set.stamp)) {
            let (number, stamp) = (set.number, set.stamp);
            let table = &mut Arc::make_mut(set).table;
            match table.take_change() {
                Change::Lines(mut lines) if old.contains_key(&number) => {
                    // The stamp last: until it is there, the set is not what it should be.
                    lines.push((0, table.header(stamp)));
                    self.kernel.change_set(number, &lines)?;
                }
                _ => self.kernel.set_set(number, &table.lines(stamp))?,
            }
        }
        let kept: BTreeSet<u32> = after.sets.values().map(|set| set.number).collect();
        for number in old.into_keys().filter(|number| !kept.contains(number)) {
            self.kernel.remove_set(number)?;
        }
        Ok(())
    }

    /// Puts back what was there before a change that failed.
    fn take_back(&mut self, record: &Record, mut before: Sets, after: &Sets) -> Result<(), NodeError> {
        // What is on file counts on from what has failed.
        before.batch = after.batch.wrapping_add(1);
        let batch = Batch { batch: before.batch, steps: before.steps() };
        self.store.sets().replace(whose(record), &batch)?;
        self.sets.remove(&record.id);
        let kept: BTreeSet<u32> = before.sets.values().map(|set| set.number).collect();
        for set in after.sets.values().filter(|set| !kept.contains(&set.number)) {
            self.kernel.remove_set(set.number)?;
        }
        self.load_sets(record.id)
    }
}

fn whose(record: &Record) -> Whose {
    (record.id, record.generation)
}

fn creates(commands: &[Command]) -> bool {
    commands.iter().any(|command| matches!(command.action, Action::Create(..)))
}

fn removes(commands: &[Command]) -> bool {
    commands.iter().any(|command| matches!(command.action, Action::Destroy(_)))
}

/// The sets that a container's rules name, those included that come back if a change is not confirmed.
fn used(record: &Record) -> Result<BTreeSet<String>, NodeError> {
    let unreadable = |problem| NodeError::RulesUnreadable { name: record.name.clone(), problem };
    let mut pairs = vec![Pair::try_from(&record.rules).map_err(unreadable)?];
    if let Some(former) = &record.rules.unconfirmed {
        let read = Pair::remembered(former.ipv4.as_deref(), former.ipv6.as_deref());
        pairs.push(read.map_err(unreadable)?);
    }
    Ok(pairs.iter().flat_map(Pair::names_of_sets).map(str::to_owned).collect())
}
