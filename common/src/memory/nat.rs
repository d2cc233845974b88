//! Translation.

use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::SeqCst};
use std::{collections::BTreeMap, sync::Mutex, vec::Vec};

use super::{MemoryTables, MemoryWord, arena::Table, cells::Cells, lock};
use crate::{
    abi::{
        address::Address,
        flow::{End, FlowKey},
        fragment::FragmentKey,
        nat::{
            NatAddresses, NatEnd, NatFragment, NatOwner, NatPending, NatSource, PENDING_PLACES, Published,
            Translation,
        },
        port::PortKey,
        units::{ContainerId, Nanos, Zone},
    },
    engine::{
        nat::{NatTables, TranslationEntry},
        places::{KEY_WORDS, Key, Place},
        tables::InsertError,
    },
};

/// What translation keeps.
pub(super) struct Nat {
    names: Table<FlowKey, AtomicU64>,
    translations: Table<u32, TranslationCell>,
    published: Mutex<BTreeMap<PortKey, Published>>,
    sources: Mutex<BTreeMap<NatSource, NatOwner>>,
    addresses: Mutex<BTreeMap<u32, NatAddresses>>,
    pending: Cells<PendingCell>,
    fragments: Mutex<Vec<(FragmentKey, NatFragment)>>,
    ports: Mutex<[u16; 2]>,
    random: AtomicU32,
    is_own_on: AtomicBool,
}

/// A translation.
pub struct TranslationCell {
    stamp: AtomicU64,
    rest: Mutex<(FlowKey, bool)>,
}

impl Default for TranslationCell {
    fn default() -> Self {
        Self { stamp: AtomicU64::new(0), rest: Mutex::new((Translation::NONE.outer, false)) }
    }
}

impl Nat {
    pub(super) fn new(flows: usize) -> Self {
        Self {
            names: Table::new(flows),
            translations: Table::new(flows),
            published: Mutex::default(),
            sources: Mutex::default(),
            addresses: Mutex::default(),
            pending: Cells::new(PENDING_PLACES as usize),
            fragments: Mutex::default(),
            ports: Mutex::new([61_000, 65_535]),
            random: AtomicU32::new(1),
            is_own_on: AtomicBool::new(false),
        }
    }
}

impl MemoryTables {
    /// Publishes a port.
    pub fn publish(&self, key: PortKey, published: Published) {
        lock(&self.nat.published).insert(key, published);
    }

    /// Takes that back.
    pub fn withdraw(&self, key: &PortKey) {
        lock(&self.nat.published).remove(key);
    }

    /// Has flows from a source translated.
    pub fn set_source(&self, source: NatSource, owner: NatOwner) {
        lock(&self.nat.sources).insert(source, owner);
    }

    /// Has it that containers' own rules translate.
    pub fn set_own_translation(&self) {
        self.nat.is_own_on.store(true, SeqCst);
    }

    /// Gives an uplink, or a container's interface, its addresses.
    pub fn set_interface_addresses(&self, ifindex: u32, addresses: NatAddresses) {
        lock(&self.nat.addresses).insert(ifindex, addresses);
    }

    /// Sets the ports that masquerading takes.
    pub fn set_nat_ports(&self, ports: [u16; 2]) {
        *lock(&self.nat.ports) = ports;
    }

    /// All names, those included that do not count any more, with the slots they lead to.
    pub fn names(&self) -> Vec<(FlowKey, u32)> {
        let entries = self.nat.names.entries().into_iter();
        entries.map(|(key, word)| (key, word.load(SeqCst) as u32)).collect()
    }
}

/// A place of what is pending.
pub struct PendingCell {
    turn: AtomicU64,
    rest: Mutex<([u32; KEY_WORDS], NatPending)>,
}

impl Default for PendingCell {
    fn default() -> Self {
        let pending = NatPending { expires: Nanos(0), end: NatEnd::NOWHERE, owner: ContainerId::HOST };
        Self { turn: AtomicU64::new(0), rest: Mutex::new(([0; KEY_WORDS], pending)) }
    }
}

impl<'a> Place for &'a PendingCell {
    type Word = MemoryWord<'a>;
    type Kept = NatPending;

    fn turn(&self) -> MemoryWord<'a> {
        MemoryWord::atomic(&self.turn)
    }

    fn key_word(&self, number: usize) -> u32 {
        lock(&self.rest).0.get(number).copied().unwrap_or_default()
    }

    fn owner(&self) -> ContainerId {
        lock(&self.rest).1.owner
    }

    fn expires(&self) -> Nanos {
        lock(&self.rest).1.expires
    }

    fn kept(&self) -> NatPending {
        lock(&self.rest).1
    }

    fn keep(&self, key: &impl Key, kept: &NatPending) {
        *lock(&self.rest) = (core::array::from_fn(|number| key.word(number)), *kept);
    }
}

impl TranslationEntry for &TranslationCell {
    type Word = Self;

    fn stamp(&self) -> Self {
        self
    }

    fn outer(&self) -> FlowKey {
        lock(&self.rest).0
    }

    fn outer_end(&self) -> End {
        let (outer, is_low) = *lock(&self.rest);
        Translation { outer, is_low: is_low.into(), ..Translation::NONE }.outer_end()
    }

    fn faces(&self, address: &Address, zone: Zone) -> bool {
        let (outer, is_low) = *lock(&self.rest);
        outer.zone() == zone && *address == if is_low { outer.high } else { outer.low }
    }

    fn set_outer(&self, key: &FlowKey, is_low: bool) {
        *lock(&self.rest) = (*key, is_low);
    }
}

impl crate::engine::tables::Word for &TranslationCell {
    fn load(&self) -> u64 {
        self.stamp.load(SeqCst)
    }

    fn swap(&self, old: u64, new: u64) -> bool {
        self.stamp.compare_exchange(old, new, SeqCst, SeqCst).is_ok()
    }

    fn add(&self, value: u64) -> u64 {
        self.stamp.fetch_add(value, SeqCst)
    }
}

impl<'a> NatTables for &'a MemoryTables {
    type Translation = &'a TranslationCell;
    type PendingPlace = &'a PendingCell;

    fn name(&self, outer: &FlowKey) -> Option<MemoryWord<'a>> {
        self.nat.names.get(outer).map(MemoryWord::atomic)
    }

    fn insert_name(&self, outer: &FlowKey, word: u64) -> Result<(), InsertError> {
        self.nat.names.insert(outer, |name| name.store(word, SeqCst))
    }

    fn remove_name(&self, outer: &FlowKey) {
        self.nat.names.remove(outer);
    }

    fn translation(&self, slot: u32) -> Option<&'a TranslationCell> {
        self.nat.translations.get(&slot)
    }

    fn make_translation(&self, slot: u32) -> Option<&'a TranslationCell> {
        // Who was faster has made the same.
        let _ = self.nat.translations.insert(&slot, |_| ());
        self.translation(slot)
    }

    fn publication(&self, key: &PortKey) -> Option<Published> {
        lock(&self.nat.published).get(key).copied()
    }

    fn source(&self, source: &NatSource) -> Option<NatOwner> {
        lock(&self.nat.sources).get(source).copied()
    }

    fn interface_address(&self, ifindex: u32, is_v4: bool) -> Option<Address> {
        let addresses = lock(&self.nat.addresses).get(&ifindex).copied()?;
        Some(if is_v4 { addresses.v4 } else { addresses.v6 }).filter(|address| !address.is_wildcard())
    }

    fn pending_place(&self, number: u32) -> Option<&'a PendingCell> {
        self.nat.pending.get(number as usize)
    }

    fn fragment(&self, key: &FragmentKey) -> Option<NatFragment> {
        let fragments = lock(&self.nat.fragments);
        fragments.iter().rev().find(|(other, _)| other == key).map(|(_, fragment)| *fragment)
    }

    fn keep_fragment(&self, key: &FragmentKey, fragment: &NatFragment) {
        lock(&self.nat.fragments).push((*key, *fragment));
    }

    fn ports(&self) -> [u16; 2] {
        *lock(&self.nat.ports)
    }

    fn is_own_on(&self) -> bool {
        self.nat.is_own_on.load(SeqCst)
    }

    /// A linear congruential generator (Numerical Recipes), of whose numbers the upper half is good.
    fn random(&self) -> u32 {
        let next = |seed: u32| Some(seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
        let seed = self.nat.random.fetch_update(SeqCst, SeqCst, next).unwrap_or_default();
        seed >> 16
    }
}
