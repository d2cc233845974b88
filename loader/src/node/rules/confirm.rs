//! Changes that come undone unless they are confirmed.

use std::time::{SystemTime, UNIX_EPOCH};

use log::warn;

use super::Pair;
use crate::{
    api::{name::Name, response::Response},
    node::{Enforcer, Node, NodeError, Observer},
    state::{Record, Rules, Unconfirmed},
};

impl<E: Enforcer, O: Observer> Node<E, O> {
    /// Keeps a change that was to be confirmed.
    pub(in crate::node) fn confirm_rules(&mut self, name: &Name) -> Result<Response, NodeError> {
        let record = self.known(name)?.0;
        if record.rules.unconfirmed.is_none() {
            return Err(NodeError::NothingToConfirm(name.clone()));
        }
        let id = record.id;
        let mut after = self.state.clone();
        if let Some(record) = after.record_by_id_mut(id) {
            record.rules.unconfirmed = None;
        }
        self.save(after)?;
        Ok(Response::nothing())
    }

    /// Undoes what was not confirmed in time.
    pub fn undo_unconfirmed(&mut self) {
        let now = seconds();
        let is_due =
            |record: &&Record| record.rules.unconfirmed.as_ref().is_some_and(|one| one.deadline <= now);
        let due: Vec<Record> = self.state.containers.iter().filter(is_due).cloned().collect();
        for record in due {
            let Some(unconfirmed) = &record.rules.unconfirmed else { continue };
            match self.undo(record.id, unconfirmed) {
                Ok(()) => {
                    warn!("the change of {}'s rules was not confirmed: the former are back", record.name);
                }
                Err(failure) => {
                    self.report(format!("{}'s former rules are not back: {failure}", record.name));
                }
            }
        }
    }

    fn undo(&mut self, id: u32, unconfirmed: &Unconfirmed) -> Result<(), NodeError> {
        let Some(record) = self.state.record_by_id(id) else { return Ok(()) };
        let pair = Pair::remembered(unconfirmed.ipv4.as_deref(), unconfirmed.ipv6.as_deref())
            .map_err(|problem| NodeError::RulesUnreadable { name: record.name.clone(), problem })?;
        let prepared = self.compile(record, record.rules.changes.wrapping_add(1), pair)?;
        self.put_rules(id, prepared, |rules| rules.unconfirmed = None)
    }
}

/// What is to come back in so many seconds: what is there, or what an earlier change left unconfirmed.
pub(super) fn before(rules: &Rules, after: u64) -> Unconfirmed {
    let deadline = seconds().saturating_add(after);
    match &rules.unconfirmed {
        Some(earlier) => Unconfirmed { deadline, ..earlier.clone() },
        None => Unconfirmed { ipv4: rules.ipv4.clone(), ipv6: rules.ipv6.clone(), deadline },
    }
}

/// Seconds since 1970.
fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
