//! Whether a container may have the rules of table nat that it is given.

use std::net::IpAddr;

use super::Pair;
use crate::{
    api::{settings::Settings, spoofing::Spoofing},
    node::{Enforcer, Node, NodeError, Observer, spec::settings, translatable::check_own_addresses},
    rules::{
        chain::Chain, hook::Hook, rule::Rule, save, table::TableName, targets::Target,
        values::range::AddressRange,
    },
    state::Record,
};

impl<E: Enforcer, O: Observer> Node<E, O> {
    /// Fails if flows would be translated that are not the container's, or to what it may not send from.
    pub(super) fn check_rules_of_nat(&self, record: &Record, pair: &Pair) -> Result<(), NodeError> {
        let Some(definition) = record.definition.as_ref().filter(|_| pair.translates()) else {
            return Ok(());
        };
        let attachment = self.attachments.get(&record.id).cloned().unwrap_or_default();
        check_own_addresses(&record.name, definition, &attachment)?;
        if let Some((chain, rule)) = to_itself(pair, &settings(record)) {
            return Err(NodeError::NatToItself {
                name: record.name.clone(),
                line: rule.line,
                rule: format!("{}{}", chain.name, save::to_rule(rule)),
            });
        }
        match foreign(pair, &settings(record)) {
            None => Ok(()),
            Some((chain, rule, addresses, own)) => Err(NodeError::NatSource {
                name: record.name.clone(),
                line: rule.line,
                rule: format!("{}{}", chain.name, save::to_rule(rule)),
                addresses: addresses.short(),
                own: own.to_vec(),
            }),
        }
    }
}

/// A rule by which what the container sends would come back to it: its kernel takes nothing from its own address.
fn to_itself<'a>(pair: &'a Pair, settings: &Settings) -> Option<(&'a Chain, &'a Rule)> {
    let own = settings.addresses.as_deref().unwrap_or_default();
    let is_own = |addresses: AddressRange| own.iter().any(|address| addresses.contains(*address));
    rules_from(pair, Hook::Output).find(|(_, rule)| match &rule.target {
        Some(Target::Dnat(dnat)) => dnat.to.addresses.is_some_and(is_own),
        _ => false,
    })
}

/// The rules of table nat that are reached from a hook, with their chains.
fn rules_from(pair: &Pair, hook: Hook) -> impl Iterator<Item = (&Chain, &Rule)> {
    let tables = pair.all().filter_map(|ruleset| ruleset.table(TableName::Nat));
    let chains = tables.flat_map(move |table| table.reached_from(hook));
    chains.flat_map(|chain| chain.rules.iter().map(move |rule| (chain, rule)))
}

type Foreign<'a> = (&'a Chain, &'a Rule, AddressRange, &'a [IpAddr]);

/// A rule by which the container would send from addresses that it may not send from, and its own. On the way in it may see
/// whatever it likes.
fn foreign<'a>(pair: &'a Pair, settings: &'a Settings) -> Option<Foreign<'a>> {
    let own = settings.addresses.as_deref().filter(|own| !own.is_empty())?;
    if settings.routes == Some(true) || settings.spoofing == Some(Spoofing::Allow) {
        return None;
    }
    rules_from(pair, Hook::Postrouting).find_map(|(chain, rule)| {
        let Some(Target::Snat(snat)) = &rule.target else { return None };
        let addresses = snat.to.addresses?;
        let among = own.iter().filter(|address| addresses.contains(**address)).count();
        (addresses.count() > among as u128).then_some((chain, rule, addresses, own))
    })
}
