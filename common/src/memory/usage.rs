//! What containers use of their quotas.

use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

use super::MemoryWord;
use crate::{
    abi::container::{Held, Quota, Usage},
    engine::tables::UsageWord,
};

/// A [`Usage`] that several threads may use at once.
#[derive(Default)]
pub(super) struct UsageCell {
    flows: QuotaCell,
    ports: QuotaCell,
    guards: QuotaCell,
    control: AtomicU64,
    notices: AtomicU64,
    evicted: AtomicU64,
    new_flows: AtomicU64,
}

#[derive(Default)]
struct QuotaCell {
    held: AtomicU64,
    maxheld: AtomicU64,
    failcnt: AtomicU64,
}

impl QuotaCell {
    fn get(&self) -> Quota {
        Quota {
            held: Held(self.held.load(SeqCst)),
            maxheld: self.maxheld.load(SeqCst),
            failcnt: self.failcnt.load(SeqCst),
        }
    }

    fn set(&self, quota: &Quota) {
        self.held.store(quota.held.0, SeqCst);
        self.maxheld.store(quota.maxheld, SeqCst);
        self.failcnt.store(quota.failcnt, SeqCst);
    }
}

impl UsageCell {
    pub(super) fn word(&self, word: UsageWord) -> MemoryWord<'_> {
        MemoryWord::atomic(match word {
            UsageWord::FlowsHeld => &self.flows.held,
            UsageWord::FlowsMax => &self.flows.maxheld,
            UsageWord::FlowsFailed => &self.flows.failcnt,
            UsageWord::FlowsEvicted => &self.evicted,
            UsageWord::PortsHeld => &self.ports.held,
            UsageWord::PortsMax => &self.ports.maxheld,
            UsageWord::PortsFailed => &self.ports.failcnt,
            UsageWord::GuardsHeld => &self.guards.held,
            UsageWord::GuardsMax => &self.guards.maxheld,
            UsageWord::GuardsFailed => &self.guards.failcnt,
            UsageWord::Control => &self.control,
            UsageWord::Notices => &self.notices,
            UsageWord::NewFlows => &self.new_flows,
        })
    }

    pub(super) fn get(&self) -> Usage {
        Usage {
            flows: self.flows.get(),
            ports: self.ports.get(),
            guards: self.guards.get(),
            control: self.control.load(SeqCst),
            notices: self.notices.load(SeqCst),
            evicted: self.evicted.load(SeqCst),
            new_flows: self.new_flows.load(SeqCst),
        }
    }

    pub(super) fn set(&self, usage: &Usage) {
        self.flows.set(&usage.flows);
        self.ports.set(&usage.ports);
        self.guards.set(&usage.guards);
        self.control.store(usage.control, SeqCst);
        self.notices.store(usage.notices, SeqCst);
        self.evicted.store(usage.evicted, SeqCst);
        self.new_flows.store(usage.new_flows, SeqCst);
    }
}
