//! What the flow table is made of, in memory.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst};
use std::{boxed::Box, vec::Vec};

use super::{FlowCell, MemoryHalf, MemoryTables, MemoryWord, cells::Cells, lock};
use crate::{
    abi::{
        flow::Flow,
        flow_event::{Change, FlowEvent},
        flow_table::{IndexBucket, PLACES, Pool, Queue, Ring, SIDES, Shape, Side},
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
    sides: [SideCells; SIDES],
    pool: PoolCell,
    rings: Box<[RingCell]>,
}

/// All arrays as plain values: each with its index, and those left out that are zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlowArrays {
    /// [`Config::flows`](crate::abi::config::Config::flows).
    pub shape: Shape,
    /// Slots, as far as they were ever used.
    pub slots: Vec<(u32, Flow)>,
    /// Indexes and queues of free slots.
    pub sides: [SideArrays; SIDES],
    /// `FLOW_POOL`.
    pub pool: Pool,
    /// `FLOW_RINGS`.
    pub rings: Vec<(ContainerId, Ring)>,
}

/// The arrays of one side, likewise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SideArrays {
    /// Its index.
    pub index: Vec<(u32, IndexBucket)>,
    /// Its queue of free slots.
    pub free: Vec<(u32, u32)>,
}

struct SideCells {
    buckets: Cells<BucketCell>,
    free: Cells<AtomicU32>,
}

impl SideCells {
    fn new(side: Side) -> Self {
        Self { buckets: Cells::new(entries(side.buckets)), free: Cells::new(entries(side.places)) }
    }

    fn export(&self) -> SideArrays {
        let number = |place: usize| u32::try_from(place).unwrap_or(u32::MAX);
        let bucket = |cell: &BucketCell| IndexBucket(cell.0.each_ref().map(|entry| entry.load(SeqCst)));
        let buckets = self.buckets.used().into_iter().map(|(place, cell)| (number(place), bucket(cell)));
        let free = self.free.used().into_iter().map(|(place, cell)| (number(place), cell.load(SeqCst)));
        SideArrays {
            index: buckets.filter(|(_, bucket)| *bucket != IndexBucket::default()).collect(),
            free: free.filter(|(_, number)| *number != 0).collect(),
        }
    }

    fn import(&self, arrays: &SideArrays) {
        for (number, IndexBucket(values)) in &arrays.index {
            if let Some(BucketCell(cells)) = self.buckets.get(entries(*number)) {
                cells.iter().zip(values).for_each(|(cell, entry)| cell.store(*entry, SeqCst));
            }
        }
        for (number, slot) in &arrays.free {
            if let Some(cell) = self.free.get(entries(*number)) {
                cell.store(*slot, SeqCst);
            }
        }
    }
}

fn entries(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

#[derive(Default)]
pub struct BucketCell([AtomicU32; PLACES]);

#[derive(Default)]
struct PoolCell {
    fresh: AtomicU64,
    hand: AtomicU64,
    promised: AtomicU64,
    queues: [QueueCell; SIDES],
}

#[derive(Default)]
struct QueueCell {
    head: AtomicU64,
    tail: AtomicU64,
}

impl PoolCell {
    fn get(&self) -> Pool {
        let queue = |cell: &QueueCell| Queue { head: cell.head.load(SeqCst), tail: cell.tail.load(SeqCst) };
        Pool {
            fresh: self.fresh.load(SeqCst),
            hand: self.hand.load(SeqCst),
            promised: self.promised.load(SeqCst),
            queues: self.queues.each_ref().map(queue),
        }
    }

    fn set(&self, pool: &Pool) {
        self.fresh.store(pool.fresh, SeqCst);
        self.hand.store(pool.hand, SeqCst);
        self.promised.store(pool.promised, SeqCst);
        for (cell, queue) in self.queues.iter().zip(pool.queues) {
            cell.head.store(queue.head, SeqCst);
            cell.tail.store(queue.tail, SeqCst);
        }
    }
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
        Self {
            shape,
            slots: Cells::new(entries(shape.slots)),
            sides: shape.sides.map(SideCells::new),
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
        let rings = (0_u32..).map(ContainerId).zip(self.rings.iter().map(RingCell::get));
        FlowArrays {
            shape: self.shape,
            slots: self.slots().map(|(number, cell)| (number, cell.get())).collect(),
            sides: self.sides.each_ref().map(SideCells::export),
            pool: self.pool.get(),
            rings: rings.filter(|(_, ring)| *ring != Ring::default()).collect(),
        }
    }

    /// Makes them these, as far as there are places.
    pub(super) fn import(arrays: &FlowArrays, containers: usize) -> Self {
        let made = Self::new(arrays.shape, containers);
        for (number, flow) in &arrays.slots {
            if let Some(cell) = made.slots.get(entries(*number)) {
                cell.set(flow);
            }
        }
        for (side, arrays) in made.sides.iter().zip(&arrays.sides) {
            side.import(arrays);
        }
        for (id, ring) in &arrays.rings {
            if let Some(cell) = made.rings.get(entries(id.0)) {
                cell.set(ring);
            }
        }
        made.pool.set(&arrays.pool);
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

    fn places(&self, side: u32, bucket: u32) -> Option<&'a BucketCell> {
        self.flows.sides.get(entries(side))?.buckets.get(entries(bucket))
    }

    fn free(&self, side: u32, place: u32) -> Option<MemoryHalf<'a>> {
        self.flows.sides.get(entries(side))?.free.get(entries(place)).map(MemoryHalf)
    }

    fn pool(&self, word: PoolWord) -> Option<MemoryWord<'a>> {
        let pool = &self.flows.pool;
        Some(MemoryWord::atomic(match word {
            PoolWord::Fresh => &pool.fresh,
            PoolWord::Head(side) => &pool.queues.get(entries(side))?.head,
            PoolWord::Tail(side) => &pool.queues.get(entries(side))?.tail,
            PoolWord::Hand => &pool.hand,
            PoolWord::Promised => &pool.promised,
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
