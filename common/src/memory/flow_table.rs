//! What the flow table is made of, in memory.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst};
use std::{boxed::Box, vec::Vec};

use super::{FlowCell, MemoryHalf, MemoryTables, MemoryWord, cells::Cells, lock};
use crate::{
    abi::{
        flow::Flow,
        flow_event::{Change, FlowEvent},
        flow_table::{IndexBucket, PLACES, Pool, Ring, Shape},
        units::{ContainerId, Nanos},
    },
    engine::{
        Tables as _,
        flow::charged_for,
        flow_table::{FlowTable, Places, PoolWord, RingWords, is_told},
        tables::UsageWord,
    },
};

/// What keys are hashed with unless a snapshot says otherwise.
const SEED: [u32; 10] = [
    0x243f_6a88,
    0x85a3_08d3,
    0x1319_8a2e,
    0x0370_7344,
    0xa409_3822,
    0x299f_31d0,
    0x082e_fa98,
    0xec4e_6c89,
    0x4528_21e6,
    0x38d0_1377,
];

/// The flow table's arrays.
pub(super) struct Arrays {
    shape: Shape,
    slots: Cells<FlowCell>,
    buckets: Cells<BucketCell>,
    free: Cells<AtomicU32>,
    pool: PoolCell,
    rings: Box<[RingCell]>,
}

/// All arrays as plain values: each with its index, and those left out that are zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlowArrays {
    /// [`Config::flows`](crate::abi::config::Config::flows).
    pub shape: Shape,
    /// `FLOWS`, as far as it was ever used.
    pub slots: Vec<(u32, Flow)>,
    /// `FLOW_INDEX`.
    pub index: Vec<(u32, IndexBucket)>,
    /// `FLOW_FREE`.
    pub free: Vec<(u32, u32)>,
    /// `FLOW_POOL`.
    pub pool: Pool,
    /// `FLOW_RINGS`.
    pub rings: Vec<(ContainerId, Ring)>,
}

#[derive(Default)]
pub struct BucketCell([AtomicU32; PLACES]);

#[derive(Default)]
struct PoolCell {
    fresh: AtomicU64,
    head: AtomicU64,
    tail: AtomicU64,
    hand: AtomicU64,
}

#[derive(Default)]
struct RingCell {
    lock: AtomicU64,
    dry_until: AtomicU64,
    head: AtomicU32,
    tail: AtomicU32,
    next: AtomicU32,
}

impl RingCell {
    fn get(&self) -> Ring {
        Ring {
            lock: self.lock.load(SeqCst),
            dry_until: self.dry_until.load(SeqCst),
            head: self.head.load(SeqCst),
            tail: self.tail.load(SeqCst),
            next: self.next.load(SeqCst),
            padding: 0,
        }
    }

    fn set(&self, ring: &Ring) {
        self.lock.store(ring.lock, SeqCst);
        self.dry_until.store(ring.dry_until, SeqCst);
        self.head.store(ring.head, SeqCst);
        self.tail.store(ring.tail, SeqCst);
        self.next.store(ring.next, SeqCst);
    }
}

impl Arrays {
    pub(super) fn new(shape: Shape, containers: usize) -> Self {
        let entries = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
        Self {
            shape,
            slots: Cells::new(entries(shape.slots)),
            buckets: Cells::new(entries(shape.buckets)),
            free: Cells::new(entries(shape.slots)),
            pool: PoolCell::default(),
            rings: (0..containers).map(|_| RingCell::default()).collect(),
        }
    }

    /// Those of a table of so many flows.
    pub(super) fn of(flows: usize, containers: usize) -> Self {
        Self::new(Shape::new(u32::try_from(flows).unwrap_or(u32::MAX), SEED), containers)
    }

    /// The slots that were ever used, each with its number.
    pub(super) fn slots(&self) -> impl Iterator<Item = (u32, &FlowCell)> {
        let fresh = self.pool.fresh.load(SeqCst).min(self.shape.slots.into());
        let fresh = u32::try_from(fresh).unwrap_or(u32::MAX);
        (0..fresh).filter_map(|number| Some((number, self.slots.get(usize::try_from(number).ok()?)?)))
    }

    pub(super) fn export(&self) -> FlowArrays {
        let number = |place: usize| u32::try_from(place).unwrap_or(u32::MAX);
        let bucket = |cell: &BucketCell| IndexBucket(cell.0.each_ref().map(|entry| entry.load(SeqCst)));
        let buckets = self.buckets.used().into_iter().map(|(place, cell)| (number(place), bucket(cell)));
        let free = self.free.used().into_iter().map(|(place, cell)| (number(place), cell.load(SeqCst)));
        let rings = (0_u32..).map(ContainerId).zip(self.rings.iter().map(RingCell::get));
        FlowArrays {
            shape: self.shape,
            slots: self.slots().map(|(number, cell)| (number, cell.get())).collect(),
            index: buckets.filter(|(_, bucket)| *bucket != IndexBucket::default()).collect(),
            free: free.filter(|(_, number)| *number != 0).collect(),
            pool: Pool {
                fresh: self.pool.fresh.load(SeqCst),
                head: self.pool.head.load(SeqCst),
                tail: self.pool.tail.load(SeqCst),
                hand: self.pool.hand.load(SeqCst),
            },
            rings: rings.filter(|(_, ring)| *ring != Ring::default()).collect(),
        }
    }

    /// Makes them these, as far as there are places.
    pub(super) fn import(arrays: &FlowArrays, containers: usize) -> Self {
        let made = Self::new(arrays.shape, containers);
        let place = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        for (number, flow) in &arrays.slots {
            if let Some(cell) = made.slots.get(place(*number)) {
                cell.set(flow);
            }
        }
        for (number, IndexBucket(entries)) in &arrays.index {
            if let Some(BucketCell(cells)) = made.buckets.get(place(*number)) {
                cells.iter().zip(entries).for_each(|(cell, entry)| cell.store(*entry, SeqCst));
            }
        }
        for (number, slot) in &arrays.free {
            if let Some(cell) = made.free.get(place(*number)) {
                cell.store(*slot, SeqCst);
            }
        }
        for (id, ring) in &arrays.rings {
            if let Some(cell) = made.rings.get(place(id.0)) {
                cell.set(ring);
            }
        }
        let Pool { fresh, head, tail, hand } = arrays.pool;
        made.pool.fresh.store(fresh, SeqCst);
        made.pool.head.store(head, SeqCst);
        made.pool.tail.store(tail, SeqCst);
        made.pool.hand.store(hand, SeqCst);
        made
    }
}

impl<'a> Places for &'a BucketCell {
    type Half = MemoryHalf<'a>;

    fn entry(&self, place: usize) -> Option<MemoryHalf<'a>> {
        self.0.get(place).map(MemoryHalf)
    }
}

impl<'a> FlowTable for &'a MemoryTables {
    type Flow = &'a FlowCell;
    type Word = MemoryWord<'a>;
    type Half = MemoryHalf<'a>;
    type Places = &'a BucketCell;

    fn now(&self) -> Nanos {
        Nanos(self.clock.load(SeqCst))
    }

    fn usage(&self, id: ContainerId, word: UsageWord) -> Option<MemoryWord<'a>> {
        Some(self.usage_cell(id)?.word(word))
    }

    fn shape(&self) -> Option<&Shape> {
        Some(&self.flows.shape)
    }

    fn tell(&self, flow: &&'a FlowCell, change: Change, at: Nanos) {
        let container = self.container(charged_for(flow));
        if is_told(self, flow, container.map_or(0, |container| container.flow_events)) {
            let event = FlowEvent { time: at, change: change as u32, lost: 0, flow: flow.get() };
            lock(&self.told).push(event);
        }
    }

    fn slot(&self, number: u32) -> Option<&'a FlowCell> {
        self.flows.slots.get(usize::try_from(number).ok()?)
    }

    fn places(&self, bucket: u32) -> Option<&'a BucketCell> {
        self.flows.buckets.get(usize::try_from(bucket).ok()?)
    }

    fn free(&self, place: u32) -> Option<MemoryHalf<'a>> {
        self.flows.free.get(usize::try_from(place).ok()?).map(MemoryHalf)
    }

    fn pool(&self, word: PoolWord) -> Option<MemoryWord<'a>> {
        let pool = &self.flows.pool;
        Some(MemoryWord::atomic(match word {
            PoolWord::Fresh => &pool.fresh,
            PoolWord::Head => &pool.head,
            PoolWord::Tail => &pool.tail,
            PoolWord::Hand => &pool.hand,
        }))
    }

    fn ring(&self, id: ContainerId) -> Option<RingWords<MemoryWord<'a>, MemoryHalf<'a>>> {
        let ring = self.flows.rings.get(usize::try_from(id.0).ok()?)?;
        Some(RingWords {
            lock: MemoryWord::atomic(&ring.lock),
            dry_until: MemoryWord::atomic(&ring.dry_until),
            head: MemoryHalf(&ring.head),
            tail: MemoryHalf(&ring.tail),
            next: MemoryHalf(&ring.next),
        })
    }
}
