//! All tables.

use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::SeqCst};
use std::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    vec::Vec,
};

use super::{
    FlowCell, MemoryWord, Ruleset, Socket,
    arena::Table,
    flow_table::Arrays,
    fragments::{FragmentCell, Fragments},
    guards::BucketCell,
    lock,
    nat::Nat,
    rules,
    sets::Sets,
    sockets::Sockets,
    usage::UsageCell,
    word::SparseArray,
};
use crate::{
    abi::{
        address::{Address, AddressEntry, OwnAddress},
        container::{Container, Usage},
        flow::{Flow, FlowKey},
        flow_event::FlowEvent,
        guard::{BucketKey, CountKey, Counted, CountedKey, ObjectKey, RecentList},
        port::{Claim, PortKey},
        rules::Line,
        timeout::Timeout,
        units::{ContainerId, Nanos},
    },
    engine::{
        Headers, Tables,
        flow_table::index,
        rules::{Case, Ruling},
        tables::{Found, InsertError, Which},
    },
    wire::Packet,
};

/// How much each table holds.
#[derive(Clone, Copy, Debug)]
pub struct Capacity {
    /// Container ids, the host's included.
    pub containers: usize,
    /// Flows.
    pub flows: usize,
    /// Port reservations, those that nobody holds included until they are swept.
    pub ports: usize,
    /// Buckets of hashlimit.
    pub buckets: usize,
}

impl Default for Capacity {
    fn default() -> Self {
        Self { containers: 4097, flows: 65_536, ports: 65_536, buckets: 65_536 }
    }
}

/// The tables. `&MemoryTables` is what the engine takes as [`Tables`].
pub struct MemoryTables {
    pub(super) clock: AtomicU64,
    pub(super) drops_unowned: AtomicBool,
    pub(super) tcp: AtomicU32,
    pub(super) containers: Mutex<BTreeMap<ContainerId, Container>>,
    pub(super) usage: Box<[UsageCell]>,
    pub(super) timeouts: Mutex<BTreeMap<(ContainerId, u32), u32>>,
    pub(super) addresses: Mutex<BTreeMap<Address, AddressEntry>>,
    pub(super) own_addresses: Mutex<BTreeMap<OwnAddress, u32>>,
    pub(super) flows: Arrays,
    pub(super) told: Mutex<Vec<FlowEvent>>,
    pub(super) ports: Table<PortKey, AtomicU64>,
    pub(super) summaries: SparseArray,
    pub(super) port_epoch: AtomicU64,
    pub(super) fragments: Fragments,
    pub(super) sockets: Sockets,
    pub(super) objects: Mutex<BTreeSet<ObjectKey>>,
    pub(super) buckets: Table<BucketKey, BucketCell>,
    pub(super) counted: Mutex<BTreeMap<CountedKey, Counted>>,
    pub(super) counts: Table<CountKey, AtomicU64>,
    pub(super) recents: Mutex<BTreeMap<ObjectKey, Box<RecentList>>>,
    /// Whether flows keep verdicts.
    pub(super) keeps_verdicts: AtomicBool,
    /// How many packets have passed by one that was kept.
    pub(super) replayed: AtomicU64,
    pub(super) rulesets: Mutex<BTreeMap<ContainerId, Arc<Ruleset>>>,
    pub(super) sets: Sets,
    pub(super) nat: Nat,
    /// Entries are deleted by one thread at a time, as the loader runs one request at a time: an entry that another has
    /// deleted may be somebody else's by now.
    pub(super) deleting: Mutex<()>,
}

impl Default for MemoryTables {
    fn default() -> Self {
        Self::new(Capacity::default())
    }
}

impl MemoryTables {
    /// Empty tables, at time zero, of a node that lets packets for nobody pass.
    pub fn new(capacity: Capacity) -> Self {
        Self {
            clock: AtomicU64::new(0),
            drops_unowned: AtomicBool::new(false),
            tcp: AtomicU32::new(0),
            containers: Mutex::default(),
            usage: (0..capacity.containers).map(|_| UsageCell::default()).collect(),
            timeouts: Mutex::default(),
            addresses: Mutex::default(),
            own_addresses: Mutex::default(),
            told: Mutex::default(),
            flows: Arrays::of(capacity.flows, capacity.containers),
            ports: Table::new(capacity.ports),
            summaries: SparseArray::default(),
            port_epoch: AtomicU64::new(0),
            fragments: Fragments::new(),
            sockets: Sockets::default(),
            objects: Mutex::default(),
            buckets: Table::new(capacity.buckets),
            counted: Mutex::default(),
            counts: Table::new(capacity.buckets),
            recents: Mutex::default(),
            keeps_verdicts: AtomicBool::new(true),
            replayed: AtomicU64::new(0),
            rulesets: Mutex::default(),
            sets: Sets::default(),
            nat: Nat::new(capacity.flows),
            deleting: Mutex::default(),
        }
    }

    /// Sets the clock.
    pub fn set_now(&self, now: Nanos) {
        self.clock.store(now.0, SeqCst);
    }

    /// Lets time pass.
    pub fn advance(&self, span: Nanos) {
        self.clock.fetch_add(span.0, SeqCst);
    }

    /// Whether packets that arrive for nobody are dropped.
    pub fn set_drops_unowned(&self, drops: bool) {
        self.drops_unowned.store(drops, SeqCst);
    }

    /// How strictly TCP is looked at: bits of [`Config::TCP_LIBERAL`](crate::abi::config::Config::TCP_LIBERAL) and its
    /// neighbours; none unless told.
    pub fn set_tcp(&self, policy: u32) {
        self.tcp.store(policy, SeqCst);
    }

    /// Adds a container, or changes it; tells whether there is a place for its id. One with generation zero does not
    /// exist.
    pub fn add_container(&self, id: ContainerId, container: Container) -> bool {
        let fits = self.usage_cell(id).is_some();
        if fits {
            lock(&self.containers).insert(id, container);
        }
        fits
    }

    /// Forgets a container. Its flows and reservations stay until they are flushed.
    pub fn remove_container(&self, id: ContainerId) {
        lock(&self.containers).remove(&id);
    }

    /// Has flows of a container last so many seconds.
    pub fn set_timeout(&self, id: ContainerId, timeout: Timeout, seconds: u32) {
        lock(&self.timeouts).insert((id, timeout.0), seconds);
    }

    /// Makes an address local: the node's ([`ContainerId::HOST`]), or one container's alone.
    pub fn add_address(&self, address: Address, owner: ContainerId) {
        let generation = lock(&self.containers).get(&owner).map_or(0, |container| container.generation);
        lock(&self.addresses).insert(address, AddressEntry { owner, generation });
    }

    /// Makes an address foreign.
    pub fn remove_address(&self, address: &Address) {
        lock(&self.addresses).remove(address);
    }

    /// Gives a container an address on its own interface.
    pub fn add_own_address(&self, container: ContainerId, address: Address) {
        let generation = lock(&self.containers).get(&container).map_or(0, |container| container.generation);
        lock(&self.own_addresses).insert(OwnAddress { address, container }, generation);
    }

    /// Lets lookups find a socket.
    pub fn add_socket(&self, socket: Socket, found: Found) {
        self.sockets.insert(socket, found);
    }

    /// Closes a socket; tells whether it was there.
    pub fn remove_socket(&self, socket: &Socket) -> bool {
        self.sockets.remove(socket)
    }

    /// Puts a container's rules in force, which [`Container::HAS_RULES`] must tell of. It gets them back with
    /// [`Self::ruleset`], to read what they have counted.
    pub fn set_ruleset(&self, id: ContainerId, ruleset: Ruleset) {
        lock(&self.rulesets).insert(id, Arc::new(ruleset));
    }

    /// Puts a named set in the place of the one that has its number.
    pub fn set_set(&self, number: u32, lines: Vec<Line>) {
        self.sets.put(number, lines);
    }

    /// A container's rules.
    pub fn ruleset(&self, id: ContainerId) -> Option<Arc<Ruleset>> {
        lock(&self.rulesets).get(&id).cloned()
    }

    /// Whether flows are to keep verdicts from now on; they do unless told.
    pub fn keep_verdicts(&self, keep: bool) {
        self.keeps_verdicts.store(keep, SeqCst);
    }

    /// How many packets have passed by a verdict that was kept.
    pub fn replayed(&self) -> u64 {
        self.replayed.load(SeqCst)
    }

    /// What a container uses of its quotas; nothing for ids beyond the capacity.
    pub fn usage_of(&self, id: ContainerId) -> Option<Usage> {
        Some(self.usage_cell(id)?.get())
    }

    /// What user space has been told of flows since this was last asked.
    pub fn told(&self) -> Vec<FlowEvent> {
        core::mem::take(&mut *lock(&self.told))
    }

    /// The flow at `key`, expired or not.
    pub fn flow_at(&self, key: &FlowKey) -> Option<Flow> {
        Some(index::find(&self, |place| key.word(place))?.flow.get())
    }

    /// All flows, expired or not, in the order of their keys.
    pub fn flows(&self) -> Vec<(FlowKey, Flow)> {
        let flows = self.flows.slots().map(|(_, cell)| cell.get()).filter(|flow| flow.expires.0 != 0);
        let mut flows: Vec<_> = flows.map(|flow| (flow.key, flow)).collect();
        flows.sort_unstable_by_key(|(key, _)| *key);
        flows
    }

    /// All reservations, those included that nobody holds and that were not swept yet, in the order of their keys.
    pub fn ports(&self) -> Vec<(PortKey, Claim)> {
        self.ports.entries().into_iter().map(|(key, word)| (key, Claim(word.load(SeqCst)))).collect()
    }

    pub(super) fn usage_cell(&self, id: ContainerId) -> Option<&UsageCell> {
        self.usage.get(usize::try_from(id.0).ok()?)
    }
}

impl<'a> Tables for &'a MemoryTables {
    type FragmentPlace = &'a FragmentCell;

    fn container(&self, id: ContainerId) -> Option<Container> {
        lock(&self.containers).get(&id).copied().filter(|container| container.generation != 0)
    }

    fn timeout(&self, id: ContainerId, timeout: Timeout) -> Nanos {
        let seconds = lock(&self.timeouts).get(&(id, timeout.0)).copied();
        seconds.map_or(timeout.unless_set(), |seconds| Nanos::seconds(seconds.into()))
    }

    fn drops_unowned(&self) -> bool {
        self.drops_unowned.load(SeqCst)
    }

    fn tcp(&self) -> u32 {
        self.tcp.load(SeqCst)
    }

    fn address(&self, address: &Address) -> Option<ContainerId> {
        let entry = lock(&self.addresses).get(address).copied()?;
        let is_current = || self.container(entry.owner)?.generation.eq(&entry.generation).then_some(());
        (entry.owner == ContainerId::HOST || is_current().is_some()).then_some(entry.owner)
    }

    fn has_address(&self, id: ContainerId, address: &Address) -> bool {
        let known = lock(&self.own_addresses).get(&OwnAddress { address: *address, container: id }).copied();
        known.is_some_and(|known| self.container(id).is_some_and(|container| container.generation == known))
    }

    fn has_container_addresses(&self) -> bool {
        lock(&self.addresses).values().any(|entry| entry.owner.is_container())
    }

    fn port(&self, key: &PortKey) -> Option<MemoryWord<'a>> {
        self.ports.get(key).map(MemoryWord::atomic)
    }

    fn insert_port(&self, key: &PortKey, claim: Claim) -> Result<(), InsertError> {
        self.ports.insert(key, |word| word.store(claim.0, SeqCst))
    }

    fn port_summary(&self, index: u32) -> Option<MemoryWord<'a>> {
        self.summaries.word(index)
    }

    fn port_epoch(&self) -> Option<MemoryWord<'a>> {
        Some(MemoryWord::atomic(&self.port_epoch))
    }

    fn fragment_place(&self, number: u32) -> Option<&'a FragmentCell> {
        self.fragments.get(number)
    }

    fn rule<P: Packet>(
        &self,
        packet: &P,
        headers: &Headers,
        case: &Case,
        flow: Option<&'a FlowCell>,
    ) -> Ruling {
        match self.ruleset(case.container) {
            Some(ruleset) => rules::ask(self, &ruleset, (packet, headers), case, flow),
            None => Ruling::PASS,
        }
    }

    fn socket(&self, headers: &Headers, end: Which) -> Found {
        self.sockets.find(headers, end)
    }
}
