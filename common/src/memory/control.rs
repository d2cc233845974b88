//! What the loader asks of the tables, done as the `control` program does it.

use super::{FlowCell, MemoryTables, MemoryWord, lock};
use crate::{
    abi::{
        control::Control,
        port::{Claim, PortKey},
        units::ContainerId,
    },
    engine::{
        Tables as _,
        flow_table::{
            account,
            growth::{self, Carried},
            reclaim,
        },
        ports::{self, Refusal},
        quota,
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

    /// Guarantees `id` so many flows; false if others were quicker each time.
    pub fn guarantee(&self, id: ContainerId, flows: u32) -> bool {
        account::guarantee(&self, id, flows)
    }

    /// Forgets what `id` has used, but for the flows that it has.
    pub fn forget_usage(&self, id: ContainerId) {
        quota::forget(&self, id);
    }

    /// Deletes the flows that have expired, the reservations that nobody holds, and what rules keep no longer; returns how
    /// many.
    pub fn sweep(&self) -> usize {
        self.sweep_flows() + self.sweep_ports() + self.sweep_guards()
    }

    /// Frees slots of `id` whose flows have ended, of those that nobody has looked at for longest; returns how many flows had
    /// expired.
    pub fn sweep_ring(&self, id: ContainerId) -> usize {
        self.look_at(id, Control::LOOKS.try_into().unwrap_or(0))
    }

    /// Deletes the reservations that nobody holds; returns how many.
    pub fn sweep_ports(&self) -> usize {
        let _deleting = lock(&self.deleting);
        let ports = self.ports.entries().into_iter();
        ports
            .filter(|(key, claim)| ports::retire(MemoryWord::atomic(claim)) && self.ports.remove(key))
            .count()
    }

    /// Deletes all flows of `id`; returns how many.
    pub fn flush_flows(&self, id: ContainerId) -> usize {
        let _deleting = lock(&self.deleting);
        let goes = |flow: &&FlowCell| flow.opener() == id || flow.responder() == id;
        self.flows.slots().filter(|(number, _)| reclaim::retire(&self, *number, goes)).count()
    }

    /// As [`Control::FLUSH_FLOWS`].
    pub fn flush_few_flows(&self, id: ContainerId, first: u32) -> usize {
        let _deleting = lock(&self.deleting);
        let goes = |flow: &&FlowCell| flow.opener() == id || flow.responder() == id;
        few(first).filter(|number| reclaim::retire(&self, *number, goes)).count()
    }

    /// As [`Control::CARRY_FLOWS`].
    pub fn carry_few_flows(&self, first: u32) -> usize {
        few(first).filter(|number| growth::carry(&self, *number) == Carried::Stays).count()
    }

    /// As [`Control::DRAIN_SLOTS`].
    pub fn drain_few_slots(&self) -> usize {
        few(0).filter(|_| growth::drain(&self)).count()
    }

    /// Deletes all reservations of `id`; returns how many.
    pub fn flush_ports(&self, id: ContainerId) -> usize {
        let _deleting = lock(&self.deleting);
        self.ports.entries().into_iter().filter(|(key, _)| ports::evict(&self, key, id)).count()
    }

    /// Frees the slots of flows that have ended: no ring has more nodes than slots were ever used.
    fn sweep_flows(&self) -> usize {
        let turns = self.flows.slots().count() + 1;
        (0_u32..).map(ContainerId).take(self.usage.len()).map(|id| self.look_at(id, turns)).sum()
    }

    fn look_at(&self, id: ContainerId, turns: usize) -> usize {
        let freed = (0..turns).map_while(|_| reclaim::sweep(&self, id));
        freed.filter_map(|count| usize::try_from(count).ok()).sum()
    }
}

/// Slots that a request looks at.
fn few(first: u32) -> impl Iterator<Item = u32> {
    (first..).take(Control::LOOKS.try_into().unwrap_or(0))
}
