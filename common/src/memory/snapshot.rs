//! All tables as plain values.

use core::sync::atomic::Ordering::SeqCst;
use std::vec::Vec;

use super::{
    Capacity, FlowArrays, MemoryTables, flow_table::Arrays, fragments::Fragments, lock, usage::UsageCell,
};
use crate::{
    abi::{
        address::{Address, AddressEntry, OwnAddress},
        config::{Config, Runtime},
        container::{Container, Usage},
        fragment::FragmentPlace,
        port::{PortEntry, PortKey},
        units::{ContainerId, Nanos},
    },
    engine::tables::Word as _,
};

/// What the maps hold at one moment, each list in the order of its keys. Sockets are not in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// [`Config::unowned`].
    pub unowned: u32,
    /// The only entry of `RUNTIME`.
    pub runtime: Runtime,
    /// `CONTAINERS`, without the empty places.
    pub containers: Vec<(ContainerId, Container)>,
    /// `USAGE`, without what was never used.
    pub usage: Vec<(ContainerId, Usage)>,
    /// `ADDRESSES`.
    pub addresses: Vec<(Address, AddressEntry)>,
    /// `OWN_ADDRESSES`.
    pub own_addresses: Vec<(OwnAddress, u32)>,
    /// `FLOWS` and its neighbours.
    pub flows: FlowArrays,
    /// `PORTS`.
    pub ports: Vec<(PortKey, PortEntry)>,
    /// `PORT_SUMMARY`, without the zeroes.
    pub summaries: Vec<(u32, u64)>,
    /// `FRAGMENTS`, without what was never used.
    pub fragments: Vec<(u32, FragmentPlace)>,
}

impl Default for Snapshot {
    fn default() -> Self {
        Self {
            unowned: Config::UNOWNED_PASS,
            runtime: Runtime { port_epoch: 0 },
            containers: Vec::new(),
            usage: Vec::new(),
            addresses: Vec::new(),
            own_addresses: Vec::new(),
            flows: FlowArrays::default(),
            ports: Vec::new(),
            summaries: Vec::new(),
            fragments: Vec::new(),
        }
    }
}

impl MemoryTables {
    /// All tables as plain values.
    pub fn export(&self) -> Snapshot {
        let unused = Usage::default();
        let usage = (0_u32..).map(ContainerId).zip(self.usage.iter().map(UsageCell::get));
        let ports = self.ports().into_iter().map(|(key, claim)| (key, PortEntry { claim: claim.0 }));
        let drops = self.drops_unowned.load(SeqCst);
        Snapshot {
            unowned: if drops { Config::UNOWNED_DROP } else { Config::UNOWNED_PASS },
            runtime: Runtime { port_epoch: self.port_epoch.load(SeqCst) },
            containers: lock(&self.containers).iter().map(|(id, container)| (*id, *container)).collect(),
            usage: usage.filter(|(_, usage)| *usage != unused).collect(),
            addresses: lock(&self.addresses).iter().map(|(address, entry)| (*address, *entry)).collect(),
            own_addresses: lock(&self.own_addresses).iter().map(|(key, entry)| (*key, *entry)).collect(),
            flows: self.flows.export(),
            ports: ports.collect(),
            summaries: self.summaries.entries(),
            fragments: self.fragments.export(),
        }
    }

    /// Tables with the values of `snapshot`, at the time `now`; its flow table is as large as it was. What `capacity` has no place for is left out.
    pub fn import(snapshot: &Snapshot, capacity: Capacity, now: Nanos) -> Self {
        let mut tables = Self::new(capacity);
        tables.flows = Arrays::import(&snapshot.flows, capacity.containers);
        tables.fragments = Fragments::import(&snapshot.fragments);
        tables.set_now(now);
        tables.set_drops_unowned(snapshot.unowned == Config::UNOWNED_DROP);
        tables.port_epoch.store(snapshot.runtime.port_epoch, SeqCst);
        for (id, container) in &snapshot.containers {
            tables.add_container(*id, *container);
        }
        for (cell, usage) in
            snapshot.usage.iter().filter_map(|(id, usage)| Some((tables.usage_cell(*id)?, usage)))
        {
            cell.set(usage);
        }
        lock(&tables.addresses).extend(snapshot.addresses.iter().copied());
        lock(&tables.own_addresses).extend(snapshot.own_addresses.iter().copied());
        for (key, entry) in &snapshot.ports {
            let _ = tables.ports.insert(key, |word| word.store(entry.claim, SeqCst));
        }
        for (index, value) in &snapshot.summaries {
            if let Some(word) = tables.summaries.word(*index) {
                word.swap(0, *value);
            }
        }
        tables
    }
}
