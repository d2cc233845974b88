//! A flow table of a few slots, each of whose words the model checker knows.

use std::sync::atomic::{AtomicU32 as Plain, Ordering::Relaxed};

use berth_common::{
    abi::{
        container::Held,
        counters::Traffic,
        flow::{FlowKey, State},
        flow_table::{self as abi, InUse, Seed, Shape},
        units::{ContainerId, Nanos, Ticks},
    },
    engine::{
        flow_table::{FlowTable, Half, Places, PoolWord, RingWords, index, pool::Turn},
        tables::{Beginning, FlowEntry, UsageWord, Word},
    },
};
use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst, fence};

/// Now, for ever: later than zero by more than slots rest.
pub const NOW: Nanos = Nanos::seconds(100);
pub const LATER: Nanos = Nanos::seconds(200);
pub const EARLIER: Nanos = Nanos::seconds(50);

/// One bucket of so many entries is enough for all slots.
const ENTRIES: usize = 3;
const CONTAINERS: usize = 4;

/// What a thread has seen of a table that grows, from before it does to after.
pub const SETTLED: u32 = 0;
pub const LOOKING: u32 = 1;
pub const MAKING: u32 = 2;

pub struct Table {
    /// By how far it has come.
    shapes: [Shape; 3],
    /// How far that is for who does not say.
    stage: Plain,
    /// How far it is at this moment, for who goes on while it changes.
    in_use: AtomicU32,
    now: Nanos,
    slots: Vec<Slot>,
    sides: [Side; 2],
    fresh: AtomicU64,
    hand: AtomicU64,
    promised: AtomicU64,
    rings: [Ring; CONTAINERS],
    held: [AtomicU64; CONTAINERS],
    other: [AtomicU64; CONTAINERS],
    /// What a thread has to tell when all are done.
    pub told: Plain,
}

struct Side {
    entries: [AtomicU32; ENTRIES],
    free: Vec<AtomicU32>,
    head: AtomicU64,
    tail: AtomicU64,
}

/// The table, as somebody has seen it who began to work on it then.
#[derive(Clone, Copy)]
pub struct Seen<'a> {
    table: &'a Table,
    stage: u32,
    /// Whether it changes before his eyes.
    live: bool,
}

impl Seen<'_> {
    /// Something is to be told when all are done.
    pub fn tell(self) {
        self.table.told.store(1, Relaxed);
    }
}

impl<'a> From<&'a Table> for Seen<'a> {
    fn from(table: &'a Table) -> Self {
        table.at(table.stage.load(Relaxed))
    }
}

/// What nobody but the claimer writes is not the model's: to it each word more is many orders more.
#[derive(Default)]
pub struct Slot {
    expires: AtomicU64,
    state: AtomicU32,
    next: AtomicU32,
    opener: Plain,
    key: Plain,
    created: Plain,
}

#[derive(Default)]
struct Ring {
    lock: AtomicU64,
    dry_until: AtomicU64,
    head: AtomicU32,
    tail: AtomicU32,
    next: AtomicU32,
}

#[derive(Clone, Copy)]
pub struct Long<'a>(&'a AtomicU64);

#[derive(Clone, Copy)]
pub struct Short<'a>(&'a AtomicU32);

/// What is changed by one instruction, and its result seen, is a barrier in the kernel (Documentation/atomic_t.txt, and so do
/// BPF's): which the checker, to whom `SeqCst` is but `AcqRel`, has to be told.
fn ordered<T>(change: impl FnOnce() -> T) -> T {
    fence(SeqCst);
    let result = change();
    fence(SeqCst);
    result
}

impl Word for Long<'_> {
    fn load(&self) -> u64 {
        self.0.load(SeqCst)
    }

    fn swap(&self, old: u64, new: u64) -> bool {
        ordered(|| self.0.compare_exchange(old, new, SeqCst, SeqCst).is_ok())
    }

    fn add(&self, value: u64) -> u64 {
        ordered(|| self.0.fetch_add(value, SeqCst))
    }
}

impl Half for Short<'_> {
    fn load(&self) -> u32 {
        self.0.load(SeqCst)
    }

    fn swap(&self, old: u32, new: u32) -> bool {
        ordered(|| self.0.compare_exchange(old, new, SeqCst, SeqCst).is_ok())
    }

    fn exchange(&self, new: u32) -> u32 {
        ordered(|| self.0.swap(new, SeqCst))
    }
}

impl Table {
    /// One of so many slots, which may grow to so many.
    pub fn new(slots: u32, grown: u32) -> Self {
        // One bucket on each side, for fewer words.
        let extent = |slots| abi::Side { buckets: 1, places: slots };
        let seed = Seed([1; 10]);
        let settled = Shape {
            sides: [extent(slots), abi::Side::NONE, abi::Side::NONE, abi::Side::NONE],
            ..Shape::new(slots, seed.0)
        };
        let looking = Shape {
            sides: [extent(slots), extent(grown), abi::Side::NONE, abi::Side::NONE],
            ..settled.looking(grown)
        };
        let side = |slots: u32| Side {
            entries: Default::default(),
            free: (0..slots).map(|_| AtomicU32::default()).collect(),
            head: AtomicU64::default(),
            tail: AtomicU64::default(),
        };
        Self {
            shapes: [settled, looking, looking.making()],
            stage: Plain::new(SETTLED),
            in_use: AtomicU32::new(looking.in_use.0),
            now: NOW,
            slots: (0..grown).map(|_| Slot::default()).collect(),
            sides: [side(slots), side(grown)],
            fresh: AtomicU64::default(),
            hand: AtomicU64::default(),
            promised: AtomicU64::default(),
            rings: Default::default(),
            held: Default::default(),
            other: Default::default(),
            told: Plain::default(),
        }
    }

    /// As who begins then sees it.
    pub fn at(&self, stage: u32) -> Seen<'_> {
        Seen { table: self, stage, live: false }
    }

    /// As who is at work sees it when it goes from looking to making, by [`Self::make`].
    pub fn live(&self) -> Seen<'_> {
        Seen { live: true, ..self.at(LOOKING) }
    }

    /// Entries are made on the new side from now on.
    pub fn make(&self) {
        self.in_use.store(self.shapes[MAKING as usize].in_use.0, SeqCst);
    }

    /// Whoever begins from now on sees it so.
    pub fn proceed(&self, stage: u32) {
        self.stage.store(stage, Relaxed);
    }

    /// How many entries, and how many free slots, are on a side.
    pub fn is_empty(&self, side: usize) -> bool {
        let Side { entries, head, tail, .. } = &self.sides[side];
        entries.iter().all(|entry| entry.load(SeqCst) == 0) && head.load(SeqCst) == tail.load(SeqCst)
    }

    pub fn held(&self, id: ContainerId) -> u64 {
        self.quota(id).count()
    }

    /// How many slots are promised.
    pub fn promised(&self) -> u64 {
        self.promised.load(SeqCst)
    }

    fn quota(&self, id: ContainerId) -> Held {
        Held(self.held[id.0 as usize].load(SeqCst))
    }

    /// The live or expired flows: slot, key, and whose.
    pub fn flows(&self) -> Vec<(usize, u32, ContainerId)> {
        let flows = self.slots.iter().enumerate().filter(|(_, slot)| slot.expires.load(SeqCst) != 0);
        flows.map(|(n, slot)| (n, slot.key.load(Relaxed), ContainerId(slot.opener.load(Relaxed)))).collect()
    }

    /// Fails if anything is wrong when nobody is at work.
    pub fn check(&self) {
        let flows = self.flows();
        for id in (1..).map(ContainerId).take(CONTAINERS - 1) {
            let count = flows.iter().filter(|(_, _, owner)| *owner == id).count();
            assert_eq!(self.held(id), count as u64, "flows of {id:?}: {flows:?}");
        }
        let all = (1..).map(ContainerId).take(CONTAINERS - 1).map(|id| self.quota(id));
        assert_eq!(self.promised(), all.map(Held::promised).sum::<u64>(), "promises");
        let entries = self.sides.iter().flat_map(|side| &side.entries);
        let entries = entries.map(|entry| entry.load(SeqCst) & 0xff_ffff).filter(|entry| *entry != 0);
        let mut found: Vec<usize> = entries.map(|entry| entry as usize - 1).collect();
        found.sort_unstable();
        let expected: Vec<usize> = flows.iter().map(|(number, _, _)| *number).collect();
        assert_eq!(found, expected, "the index");
        let mut keys: Vec<u32> = flows.iter().map(|(_, key, _)| *key).collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), flows.len(), "a key is there twice: {flows:?}");
        for (number, key, _) in flows {
            let found = index::find(&Seen::from(self), |place| if place == 0 { key } else { 0 });
            assert_eq!(found.map(|slot| slot.number as usize), Some(number), "key {key}");
        }
        self.check_places();
    }

    /// Each slot that was ever used is in one ring, or free.
    fn check_places(&self) {
        let mut places = Vec::new();
        for Side { free, head, tail, .. } in &self.sides {
            for count in head.load(SeqCst)..tail.load(SeqCst) {
                let turn = Turn::of(count, free.len().try_into().unwrap()).unwrap();
                places.push(turn.slot(free[turn.place as usize].load(SeqCst)).expect("a free slot"));
            }
        }
        for ring in &self.rings {
            assert_eq!(ring.lock.load(SeqCst), 0);
            let mut node = ring.head.load(SeqCst);
            loop {
                if node != 0 {
                    places.push(node - 1);
                }
                let next = if node == 0 { &ring.next } else { &self.slots[node as usize - 1].next };
                match next.load(SeqCst) {
                    0 => break,
                    next => node = next - 1,
                }
                assert!(places.len() <= self.slots.len(), "a ring without an end");
            }
            assert_eq!(ring.tail.load(SeqCst), node, "the back of a ring");
        }
        places.sort_unstable();
        let used = self.fresh.load(SeqCst).min(self.slots.len() as u64);
        let places: Vec<u64> = places.into_iter().map(u64::from).collect();
        assert_eq!(places, (0..used).collect::<Vec<_>>(), "places of slots");
    }
}

#[derive(Clone, Copy)]
pub struct Entries<'a>(&'a [AtomicU32; ENTRIES]);

impl<'a> Places for Entries<'a> {
    type Half = Short<'a>;

    fn entry(&self, place: usize) -> Option<Short<'a>> {
        self.0.get(place).map(Short)
    }
}

#[derive(Clone, Copy)]
pub struct Handle<'a>(&'a Slot);

impl<'a> FlowEntry for Handle<'a> {
    type Half = Short<'a>;

    fn key_word(&self, place: usize) -> u32 {
        if place == 0 { self.0.key.load(Relaxed) } else { 0 }
    }

    fn set_key(&self, key: &FlowKey) {
        self.0.key.store(key.word(0), Relaxed);
    }

    fn next(&self) -> Short<'a> {
        Short(&self.0.next)
    }

    fn expires(&self) -> Nanos {
        Nanos(self.0.expires.load(SeqCst))
    }

    fn swap_expires(&self, old: Nanos, new: Nanos) -> bool {
        ordered(|| self.0.expires.compare_exchange(old.0, new.0, SeqCst, SeqCst).is_ok())
    }

    fn release(&self) {
        ordered(|| self.0.expires.fetch_add(Nanos(0).held().0, SeqCst));
    }

    fn opener(&self) -> ContainerId {
        ContainerId(self.0.opener.load(Relaxed))
    }

    fn responder(&self) -> ContainerId {
        ContainerId::UNOWNED
    }

    fn change_responder(&self, _: ContainerId, _: ContainerId) {}

    fn created(&self) -> Ticks {
        Ticks(self.0.created.load(Relaxed))
    }

    fn set_ended(&self, created: Ticks) {
        self.0.created.store(created.0, Relaxed);
    }

    fn set_gone(&self) {
        self.0.state.store(State::GONE, SeqCst);
    }

    fn state(&self) -> State {
        State(self.0.state.load(SeqCst))
    }

    fn change_state(&self, old: State, new: State) -> bool {
        self.0.state.compare_exchange(old.0, new.0, SeqCst, SeqCst).is_ok()
    }

    fn number(&self, _: usize) -> u64 {
        0
    }

    fn set_number(&self, _: usize, _: u64) {}

    fn port_epoch(&self) -> u32 {
        0
    }

    fn set_port_epoch(&self, _: u32) {}

    fn verdict(&self, _: usize, _: usize) -> u64 {
        0
    }

    fn set_verdict(&self, _: usize, _: usize, _: u64) {}

    fn count(&self, _: bool, _: Traffic) {}

    fn begin(&self, beginning: &Beginning) {
        self.0.opener.store(beginning.opener.0, Relaxed);
        self.0.created.store(beginning.created.0, Relaxed);
        self.0.state.store(beginning.state.0, SeqCst);
    }
}

impl<'a> FlowTable for Seen<'a> {
    type Flow = Handle<'a>;
    type Word = Long<'a>;
    type Half = Short<'a>;
    type Places = Entries<'a>;

    // The more, the more orders there are.
    const LOOKS: u32 = 2;
    const WAITS: u32 = 2;

    fn now(&self) -> Nanos {
        self.table.now
    }

    fn usage(&self, id: ContainerId, word: UsageWord) -> Option<Long<'a>> {
        let words = match word {
            UsageWord::FlowsHeld => &self.table.held,
            _ => &self.table.other,
        };
        words.get(id.0 as usize).map(Long)
    }

    fn shape(&self) -> Option<&Shape> {
        Some(&self.table.shapes[self.stage as usize])
    }

    fn in_use(&self) -> InUse {
        if self.live { InUse(self.table.in_use.load(SeqCst)) } else { self.shape().unwrap().in_use }
    }

    fn slot(&self, number: u32) -> Option<Handle<'a>> {
        self.table.slots.get(number as usize).map(Handle)
    }

    fn places(&self, side: u32, bucket: u32) -> Option<Entries<'a>> {
        (bucket == 0).then_some(Entries(&self.table.sides[side as usize].entries))
    }

    fn free(&self, side: u32, place: u32) -> Option<Short<'a>> {
        self.table.sides[side as usize].free.get(place as usize).map(Short)
    }

    fn pool(&self, word: PoolWord) -> Option<Long<'a>> {
        Some(Long(match word {
            PoolWord::Fresh => &self.table.fresh,
            PoolWord::Head(side) => &self.table.sides[side as usize].head,
            PoolWord::Tail(side) => &self.table.sides[side as usize].tail,
            PoolWord::Hand => &self.table.hand,
            PoolWord::Promised => &self.table.promised,
        }))
    }

    fn ring(&self, id: ContainerId) -> Option<RingWords<Long<'a>, Short<'a>>> {
        let ring = self.table.rings.get(id.0 as usize)?;
        Some(RingWords {
            lock: Long(&ring.lock),
            dry_until: Long(&ring.dry_until),
            head: Short(&ring.head),
            tail: Short(&ring.tail),
            next: Short(&ring.next),
        })
    }
}
