//! The flow table's maps: made, and made larger while packets go on.
//!
//! How that goes, and why nothing is lost, is said in [`berth_common::engine::flow_table::growth`].

use std::{
    hash::{BuildHasher as _, Hasher as _, RandomState},
    os::fd::AsFd as _,
    thread,
    time::Duration,
};

use aya::maps::{Array, ArrayOfMaps, IterableMap as _, Map, MapData, MapError};
use aya_obj::generated::BPF_F_INNER_MAP;
use berth_common::abi::{
    control::Control,
    flow::{Flow, FlowKey},
    flow_table::{Growing, IndexBucket, SEGMENT, Shape, Side},
    units::ContainerId,
};

use super::{
    ControlError, Kernel,
    error::Context as _,
    maps::{self, Table},
    pins::Pins,
    plain::{Layout, Plain},
    sys,
};

const SLOTS: &str = "FLOWS";
const SEGMENTS: &str = "FLOW_MORE";
const INDEXES: &str = "FLOW_INDEXES";
const QUEUES: &str = "FLOW_QUEUES";

/// Slots that are read at once.
const CHUNK: u32 = 8_192;

/// How often one goes over all slots for entries that somebody else had in hand, which takes no longer than a packet.
const PASSES: u32 = 1_000;
const BETWEEN_PASSES: Duration = Duration::from_millis(1);

type Inner<V> = Array<MapData, Plain<V>>;

/// Maps in a map, by number.
struct Outer<V: Layout> {
    name: &'static str,
    map: ArrayOfMaps<MapData, Inner<V>>,
    entries: u32,
    descriptor: MapData,
}

/// The maps of slots, and of what leads to those of a table that has grown.
pub struct FlowTable {
    base: Table<Flow>,
    segments: Outer<Flow>,
    indexes: Outer<IndexBucket>,
    queues: Outer<u32>,
}

impl<V: Layout> Outer<V> {
    fn open(pins: &Pins, name: &'static str) -> Result<Self, ControlError> {
        let descriptor = maps::open(pins, name)?;
        let info = descriptor.info().map_err(ControlError::map(name, "inspect"))?;
        let map = Map::from_map_data(maps::open(pins, name)?).map_err(ControlError::map(name, "open"))?;
        let map = map.try_into().map_err(ControlError::map(name, "open"))?;
        Ok(Self { name, map, entries: info.max_entries(), descriptor })
    }

    fn get(&self, number: u32) -> Result<Option<Inner<V>>, ControlError> {
        match self.map.get(&number, 0) {
            Ok(inner) => Ok(Some(inner)),
            Err(MapError::KeyNotFound) => Ok(None),
            Err(error) => Err(ControlError::map(self.name, "read")(error)),
        }
    }

    /// Puts an empty map of so many entries there; `flags` are those that maps there have.
    fn make(&mut self, number: u32, entries: u32, flags: u32) -> Result<(), ControlError> {
        let inner =
            Inner::<V>::create(entries, flags).map_err(ControlError::map(self.name, "make a part of"))?;
        self.put(number, &inner)
    }

    /// Returns when no program is at work that began before: the kernel waits for that after each change of a map of maps, since
    /// they may have the old one in hand.
    fn put(&mut self, number: u32, inner: &Inner<V>) -> Result<(), ControlError> {
        self.map.set(number, inner, 0).map_err(ControlError::map(self.name, "write to"))
    }

    fn remove(&self, number: u32) -> Result<(), ControlError> {
        sys::delete(self.descriptor.fd().as_fd(), &number)
            .context(|| format!("remove a part of map {}", self.name))
    }

    /// Bytes of memory that the maps in it take.
    fn memory(&self) -> Result<u64, ControlError> {
        let mut sum = 0;
        for number in 0..self.entries {
            if let Some(inner) = self.get(number)? {
                sum += super::counters::memory(inner.map().fd())?;
            }
        }
        Ok(sum)
    }
}

impl FlowTable {
    /// What is pinned.
    pub(super) fn open(pins: &Pins) -> Result<Self, ControlError> {
        Ok(Self {
            base: Table::open(pins, SLOTS)?,
            segments: Outer::open(pins, SEGMENTS)?,
            indexes: Outer::open(pins, INDEXES)?,
            queues: Outer::open(pins, QUEUES)?,
        })
    }

    /// Shows the first slots, so many, with their numbers. They are read in pieces: there may be a gigabyte of them.
    pub(super) fn each_slot(
        &self,
        shape: &Shape,
        used: u32,
        mut see: impl FnMut(u32, &Flow),
    ) -> Result<(), ControlError> {
        for first in (0..used.min(shape.base)).step_by(CHUNK as usize) {
            let flows = self.base.some(first, CHUNK.min(used.min(shape.base) - first))?;
            show(first, flows, &mut see);
        }
        for number in 0..shape.segments(used) {
            let missing = || ControlError::Incomplete("segment of the flow table");
            let segment = self.segments.get(number)?.ok_or_else(missing)?;
            let start = shape.base + number * SEGMENT;
            for first in (start..used.min(start + SEGMENT)).step_by(CHUNK as usize) {
                let count = CHUNK.min(used - first) as usize;
                let flows = sys::read_array(segment.map().fd().as_fd(), first - start, count)
                    .context(|| format!("read map {SEGMENTS}"))?;
                show(first, flows, &mut see);
            }
        }
        Ok(())
    }

    /// Bytes of memory that the maps of these names take beside themselves, if they are of the table.
    pub(super) fn memory(&self, name: &str) -> Result<u64, ControlError> {
        match name {
            SEGMENTS => self.segments.memory(),
            INDEXES => self.indexes.memory(),
            QUEUES => self.queues.memory(),
            _ => Ok(0),
        }
    }

    /// Makes what a side consists of, which is not the first.
    fn make_side(&mut self, number: u32, side: Side) -> Result<(), ControlError> {
        self.indexes.make(number - 1, side.buckets, BPF_F_INNER_MAP)?;
        self.queues.make(number - 1, side.places, BPF_F_INNER_MAP)
    }

    /// Gives back the memory of a side that is no more. That of the first stays: programs are bound to its maps.
    fn remove_side(&self, number: u32) -> Result<(), ControlError> {
        match number.checked_sub(1) {
            Some(number) => {
                self.indexes.remove(number)?;
                self.queues.remove(number)
            }
            None => Ok(()),
        }
    }

    /// Makes the segments that a table of so many slots has and this one lacks.
    fn make_segments(&mut self, shape: &Shape, slots: u32) -> Result<(), ControlError> {
        for number in 0..shape.segments(slots) {
            if self.segments.get(number)?.is_none() {
                self.segments.make(number, SEGMENT, 0)?;
            }
        }
        Ok(())
    }

    /// Returns when no program is at work that began before. There is a segment: the table grows.
    fn wait_for_programs(&mut self) -> Result<(), ControlError> {
        match self.segments.get(0)? {
            Some(first) => self.segments.put(0, &first),
            None => Err(ControlError::Incomplete("segment of the flow table")),
        }
    }
}

/// One that is held is so for less than a microsecond.
fn show(first: u32, flows: Vec<Flow>, see: &mut impl FnMut(u32, &Flow)) {
    for (number, flow) in (first..).zip(flows) {
        see(number, &Flow { expires: flow.expires.released(), ..flow });
    }
}

impl Kernel {
    /// Sees to it that there is a flow table; one that was growing goes on doing so.
    pub fn provide_flows(&mut self) -> Result<(), ControlError> {
        if self.maps.config.get()?.flows.slots == 0 {
            let slots = self.maps.flow_table.base.len();
            self.change_config(|config| config.flows = Shape::new(slots, seed()))?;
        }
        self.go_on_growing()?;
        // What was interrupted may have left another.
        self.share_flows(None)
    }

    /// Makes the flow table larger, while packets go on, and without losing a flow. Returns how many slots it had.
    pub fn grow_flows(&mut self, slots: u32) -> Result<u32, ControlError> {
        self.go_on_growing()?;
        let shape = self.maps.config.get()?.flows;
        if slots < shape.slots {
            return Err(ControlError::FewerFlows { slots: shape.slots, wanted: slots });
        }
        if slots > shape.slots {
            let looking = shape.looking(slots);
            let table = &mut self.maps.flow_table;
            table.make_segments(&shape, slots)?;
            if let Some(new) = looking.in_use.other() {
                table.make_side(new, looking.on(new))?;
            }
            self.change_shape(looking)?;
            self.go_on_growing()?;
            self.share_flows(None)?;
        }
        Ok(shape.slots)
    }

    /// Takes all steps that are left.
    fn go_on_growing(&mut self) -> Result<(), ControlError> {
        let mut shape = self.maps.config.get()?.flows;
        if shape.growing() == Growing::Looking {
            shape = shape.making();
            self.change_shape(shape)?;
        }
        if shape.growing() == Growing::Making {
            self.carry_all()?;
            self.change_shape(shape.settled())?;
            if let Some(old) = shape.in_use.other() {
                self.maps.flow_table.remove_side(old)?;
            }
        }
        Ok(())
    }

    /// Returns when no program is at work that has seen another shape.
    fn change_shape(&mut self, shape: Shape) -> Result<(), ControlError> {
        self.change_config(|config| config.flows = shape)?;
        self.maps.flow_table.wait_for_programs()
    }

    /// Carries all over to the new side.
    fn carry_all(&mut self) -> Result<(), ControlError> {
        while self.run_over_slots(Control::DRAIN_SLOTS, ContainerId::HOST)? != 0 {}
        let mut left = 0;
        for _ in 0..PASSES {
            left = self.run_over_slots(Control::CARRY_FLOWS, ContainerId::HOST)?;
            if left == 0 {
                return Ok(());
            }
            thread::sleep(BETWEEN_PASSES);
        }
        Err(ControlError::FlowsStay(left))
    }

    /// Has the control program do something with each slot that was ever used.
    pub(super) fn run_over_slots(
        &mut self,
        operation: u32,
        container: ContainerId,
    ) -> Result<u32, ControlError> {
        let turns = self.used_slots()?.div_ceil(Control::LOOKS);
        self.repeat(Control { operation, container, ..super::plain::zero() }, turns.into())
    }

    /// How many slots were ever used.
    pub(super) fn used_slots(&self) -> Result<u32, ControlError> {
        let slots = self.maps.config.get()?.flows.slots;
        Ok(u32::try_from(self.maps.flow_pool.get()?.fresh).unwrap_or(u32::MAX).min(slots))
    }
}

/// What a new table hashes keys with, which nobody else knows.
fn seed() -> [u32; FlowKey::WORDS] {
    // The standard library seeds its hash maps with the system's random numbers.
    let random = RandomState::new();
    std::array::from_fn(|place| {
        let mut hasher = random.build_hasher();
        hasher.write_usize(place);
        // Half of it serves.
        u32::try_from(hasher.finish() >> 32).unwrap_or(0)
    })
}
