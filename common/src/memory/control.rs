//! What the loader asks of the tables, done as the `control` program does it.

use super::{FlowCell, MemoryTables, MemoryWord, lock};
use crate::{
    abi::{
        port::{Claim, PortKey},
        units::ContainerId,
    },
    engine::{
        Tables as _, flow,
        ports::{self, Refusal},
        tables::FlowEntry as _,
    },
};

impl MemoryTables {
    /// Reserves `key` within its owner's limit: for a socket ([`Claim::bound`]) or for the operator
    /// ([`Claim::permanent`]), who may do so before the container exists.
    pub fn reserve(&self, key: &PortKey, claim: Claim) -> Result<(), Refusal> {
        let tables = &self;
        let limit = tables.container(claim.owner()).map_or(u32::MAX, |container| container.port_limit);
        ports::reserve(tables, key, claim, limit)
    }

    /// Gives up what [`Self::reserve`] took with the same `claim`.
    pub fn release(&self, key: &PortKey, claim: Claim) {
        ports::release(&self, key, claim);
    }

    /// As [`Self::release`], and as the programs do it: an entry that nobody holds any more does not wait for the sweep.
    pub fn release_and_delete(&self, key: &PortKey, claim: Claim) {
        self.release(key, claim);
        if self.port(key).is_some_and(ports::retire) {
            self.ports.remove(key);
        }
    }

    /// Deletes the flows that have expired, the reservations that nobody holds, and what rules keep no longer; returns how
    /// many.
    pub fn sweep(&self) -> usize {
        let _deleting = lock(&self.deleting);
        let idle = self
            .ports
            .entries()
            .into_iter()
            .filter(|(key, claim)| ports::retire(MemoryWord::atomic(claim)) && self.ports.remove(key));
        self.delete_flows(None) + idle.count() + self.sweep_guards()
    }

    /// Deletes all flows of `id`; returns how many.
    pub fn flush_flows(&self, id: ContainerId) -> usize {
        let _deleting = lock(&self.deleting);
        self.delete_flows(Some(id))
    }

    /// Deletes all reservations of `id`; returns how many.
    pub fn flush_ports(&self, id: ContainerId) -> usize {
        let _deleting = lock(&self.deleting);
        self.ports.entries().into_iter().filter(|(key, _)| ports::evict(&self, key, id)).count()
    }

    fn delete_flows(&self, of: Option<ContainerId>) -> usize {
        let goes = |entry: &&FlowCell| match of {
            Some(id) => (entry.opener() == id || entry.responder() == id) && flow::retire(&self, entry, true),
            None => flow::retire(&self, entry, false),
        };
        let entries = self.flows.entries().into_iter();
        entries.filter(|(key, entry)| goes(entry) && self.flows.remove(key)).count()
    }
}
