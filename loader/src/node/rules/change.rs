//! Changing a container's rules: checked, compiled, remembered, put in force, or not at all.

use std::collections::HashMap;

use berth_common::abi::{
    guard::{MAX_CONNLIMITS, MAX_RECENT_LISTS},
    rules::{BuiltIn, Family, chain::SLOTS, counters, interface},
    units::ContainerId,
};

use super::{Loaded, Pair, objects};
use crate::{
    api::settings::Settings,
    compile::{self, Bounds, Compiled},
    control::{Keeps, Kept},
    lower::{self, Names, Place, Spot},
    node::{Enforcer, Node, NodeError, Observer, spec::settings},
    rules::{self, chain::ChainName, hook::Hook, table::TableName},
    sets::Sets,
    state::{Objects, Record, Rules},
};

/// Fails if rules keep more than fits.
fn check_kept(kept: &[Kept]) -> Result<(), NodeError> {
    let count = |what| kept.iter().filter(|kept| kept.what == what).count();
    let (asked, limit) = (count(Keeps::Flows), MAX_CONNLIMITS);
    if asked > limit {
        return Err(NodeError::Connlimits { asked, limit });
    }
    let (asked, limit) = (count(Keeps::List), MAX_RECENT_LISTS);
    if asked > limit {
        return Err(NodeError::RecentLists { asked, limit });
    }
    Ok(())
}

/// What a container mostly calls its own interface.
const INSIDE: &str = "eth0";

/// Rules that may come into force.
pub(super) struct Prepared {
    pub loaded: Loaded,
    /// The numbers of what they keep something for.
    pub objects: Objects,
    /// What they keep something for.
    pub kept: Vec<Kept>,
    /// Nothing where there are no rules.
    pub compiled: Option<Compiled>,
}

impl<E: Enforcer, O: Observer> Node<E, O> {
    /// Compiles rules for a container, or says why they may not come into force.
    pub(super) fn prepare(&self, record: &Record, pair: Pair) -> Result<Prepared, NodeError> {
        self.check_features(&settings(record), pair.all())?;
        self.check_rules_of_nat(record, &pair)?;
        self.compile(record, record.rules.changes.wrapping_add(1), pair)
    }

    /// Compiles rules for a container as they are after so many changes.
    pub(super) fn compile(&self, record: &Record, changes: u32, pair: Pair) -> Result<Prepared, NodeError> {
        if pair.is_empty() {
            let objects = record.rules.objects.renewed([]);
            return Ok(Prepared {
                loaded: Loaded { pair, ..Loaded::default() },
                objects,
                kept: Vec::new(),
                compiled: None,
            });
        }
        let lowered = lower::lower(&pair.source(), &self.names(record.id)?)?;
        let mut ruleset = lowered.ruleset.clone();
        let (objects, kept) =
            objects::number(&mut ruleset, (&lowered.externals, &pair), &record.rules.objects);
        check_kept(&kept)?;
        let mut compiled = compile::compile(&ruleset, &Bounds::DEFAULT)?;
        compiled.stamp(generation(record, changes));
        let mut places = lowered.counters;
        places.extend(policies(&compiled));
        let loaded = Loaded { pair, places, logs: lowered.logs, lowered: lowered.ruleset };
        Ok(Prepared { loaded, objects, kept, compiled: Some(compiled) })
    }

    /// Fails if the container may not hold so many rules.
    pub(super) fn check_rule_quota(&mut self, id: u32, held: u64) -> Result<(), NodeError> {
        let Some(record) = self.state.record_by_id(id) else { return Ok(()) };
        let limit = self.rule_limit(&settings(record));
        if held <= u64::from(limit) {
            return Ok(());
        }
        let name = record.name.clone();
        let mut after = self.state.clone();
        if let Some(record) = after.record_by_id_mut(id) {
            record.rules.failcnt = record.rules.failcnt.saturating_add(1);
        }
        self.save(after)?;
        Err(NodeError::RuleQuota { name, asked: held, limit })
    }

    /// Puts prepared rules in force and remembers them; if that fails, those that were there stay. `change` is made to
    /// what is remembered, beside the rules themselves.
    pub(super) fn put_rules(
        &mut self,
        id: u32,
        prepared: Prepared,
        change: impl FnOnce(&mut Rules),
    ) -> Result<(), NodeError> {
        let before = self.state.clone();
        let mut after = before.clone();
        if let Some(record) = after.record_by_id_mut(id) {
            let rules = &mut record.rules;
            (rules.ipv4, rules.ipv6) = prepared.loaded.pair.texts();
            rules.changes = rules.changes.wrapping_add(1);
            rules.objects = prepared.objects.clone();
            rules.maxheld = rules.maxheld.max(prepared.loaded.pair.entries());
            change(rules);
        }
        self.save(after)?;
        let put = self.publish(id, prepared);
        if put.is_err() {
            let spent = self.state.record_by_id(id).map(|record| record.rules.clone());
            self.state = before;
            // What may be in the kernel has a number of its own, which is not given again.
            if let (Some(record), Some(spent)) = (self.state.record_by_id_mut(id), spent) {
                record.rules.changes = spent.changes;
                record.rules.objects.last = spent.objects.last;
            }
            if let Err(failure) = self.store.save(&self.state) {
                log::error!("{failure}");
            }
        }
        put
    }

    /// Puts rules in force. Where the container itself is not, they come with it.
    fn publish(&mut self, id: u32, prepared: Prepared) -> Result<(), NodeError> {
        let Prepared { loaded, kept, compiled, .. } = prepared;
        let old = self.rules.insert(id, loaded);
        if !self.attachments.contains_key(&id) {
            return Ok(());
        }
        let done = self
            .push_ruleset(id, (compiled.as_ref(), &kept), old.as_ref())
            .and_then(|()| self.refresh_container(id));
        if done.is_err() {
            match old {
                Some(old) => self.rules.insert(id, old),
                None => self.rules.remove(&id),
            };
        }
        done
    }

    /// Makes a compiled ruleset the container's in the kernel; its counters go on from those of `old`.
    pub(super) fn push_ruleset(
        &mut self,
        id: u32,
        (compiled, kept): (Option<&Compiled>, &[Kept]),
        old: Option<&Loaded>,
    ) -> Result<(), NodeError> {
        let none = Loaded::default();
        let Some(compiled) = compiled else { return Ok(self.kernel.remove_ruleset(ContainerId(id))?) };
        let carried = carried(old.unwrap_or(&none), self.rules.get(&id).unwrap_or(&none));
        Ok(self.kernel.set_ruleset(ContainerId(id), &compiled.lines, &carried, kept)?)
    }

    /// Tells the programs whether the container has rules.
    fn refresh_container(&mut self, id: u32) -> Result<(), NodeError> {
        let Some(record) = self.state.record_by_id(id) else { return Ok(()) };
        let attachment = self.attachments.get(&id).cloned().unwrap_or_default();
        let spec = self.spec(record, &attachment);
        Ok(self.kernel.update_container(ContainerId(id), &spec)?)
    }

    /// What names in the rules of a container stand for now. Its own interface is called as the node calls it, and
    /// `eth0`, as most are called inside.
    pub(super) fn names(&self, id: u32) -> Result<Names, NodeError> {
        let sets = self.sets.get(&id).map(Sets::names).unwrap_or_default();
        let own =
            self.attachments.get(&id).map(|attachment| attachment.interfaces.as_slice()).unwrap_or_default();
        if own.is_empty() {
            let links = self.observer.links()?.into_iter();
            return Ok(Names { interfaces: links.map(|link| (link.name, link.ifindex)).collect(), sets });
        }
        let inside = [("lo".to_owned(), interface::LOOPBACK), (INSIDE.to_owned(), interface::OWN)];
        let outside = own.iter().map(|link| (link.name.clone(), interface::OWN));
        Ok(Names { interfaces: inside.into_iter().chain(outside).collect(), sets })
    }

    pub(in crate::node) fn rule_limit(&self, settings: &Settings) -> u32 {
        settings.max_rules.unwrap_or(self.config.defaults.max_rules)
    }
}

/// The stamp of a container's rules after so many changes.
pub(super) fn generation(record: &Record, changes: u32) -> u64 {
    u64::from(record.generation) << 32 | u64::from(changes)
}

/// Where the counters of filter's policies are, which come behind those of the rules. The slots of other chains count nothing.
fn policies(compiled: &Compiled) -> impl Iterator<Item = Place> + '_ {
    const CHAINS: [(BuiltIn, Hook); 3] =
        [(BuiltIn::Input, Hook::Input), (BuiltIn::Output, Hook::Output), (BuiltIn::Forward, Hook::Forward)];
    let first = counters::policy(compiled.header.rules, 0);
    (0..SLOTS).map(move |slot| {
        debug_assert_eq!(counters::policy(compiled.header.rules, slot), first + slot);
        let (family, hook) = Family::ALL
            .into_iter()
            .flat_map(|family| CHAINS.into_iter().map(move |(chain, hook)| (family, chain, hook)))
            .find(|(family, chain, _)| chain.slot(*family) == slot)
            .map_or((Family::Ipv4, Hook::Prerouting), |(family, _, hook)| (family, hook));
        Place { family, table: TableName::Filter, chain: ChainName::of(hook), spot: Spot::Policy }
    })
}

/// Which counters go on: those of policies, and of rules that are in the same chain as before. Of several that are the
/// same, the first goes on as the first.
fn carried(old: &Loaded, new: &Loaded) -> Vec<(u32, u32)> {
    let mut known: HashMap<(Family, TableName, &ChainName, String), Vec<u32>> = HashMap::new();
    for (number, place) in (0..).zip(&old.places) {
        if let Some(key) = key(&old.pair, place) {
            known.entry(key).or_default().push(number);
        }
    }
    for numbers in known.values_mut() {
        numbers.reverse();
    }
    (0..)
        .zip(&new.places)
        .filter_map(|(number, place)| Some((number, known.get_mut(&key(&new.pair, place)?)?.pop()?)))
        .collect()
}

/// What a counter counts: where, and which rule. Nothing where the family has no rules: it counts nothing then.
pub(super) fn key<'a>(pair: &Pair, place: &'a Place) -> Option<(Family, TableName, &'a ChainName, String)> {
    let ruleset = pair.of(match place.family {
        Family::Ipv4 => rules::family::Family::Ipv4,
        Family::Ipv6 => rules::family::Family::Ipv6,
    })?;
    let text = match place.spot {
        Spot::Policy => String::new(),
        Spot::Rule(index) => {
            rules::save::to_rule(ruleset.table(place.table)?.chain(place.chain.as_str())?.rules.get(index)?)
        }
    };
    Some((place.family, place.table, &place.chain, text))
}
