//! The flow table of an object.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use berth_common::abi::{
    config::Config,
    control::Control,
    flow::{Flow, FlowKey},
    flow_table::{IndexBucket, Pool, Ring, SEGMENT, SIDES, Shape, Side},
    units::ContainerId,
};
use berth_common::engine::flow_table::Hash;
use berth_common::memory::{FlowArrays, SideArrays};

use super::maps::BPF_F_INNER_MAP;
use super::{Array, Arrays, Object, zero};

/// What keys are hashed with where a test says nothing else.
const SEED: [u32; FlowKey::WORDS] = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3];

/// How large a table of so many flows is.
pub fn shape(flows: u32) -> Shape {
    Shape::new(flows, SEED)
}

/// Sizes of all maps that go with those of `sizes`.
pub(super) fn sizes(sizes: &[(&'static str, u32)]) -> Vec<(&'static str, u32)> {
    let more = sizes.iter().flat_map(|&(map, entries)| match map {
        "FLOWS" => vec![("FLOW_INDEX", Side::of(entries).buckets), ("FLOW_FREE", entries)],
        "CONTAINERS" => vec![("FLOW_RINGS", entries), ("TIMEOUTS", entries)],
        _ => Vec::new(),
    });
    sizes.iter().copied().chain(more).collect()
}

/// The flow table's maps.
pub struct FlowMaps {
    shape: Shape,
    base: Array<Flow>,
    segments: Arrays<Flow>,
    index: Array<IndexBucket>,
    indexes: Arrays<IndexBucket>,
    queue: Array<u32>,
    queues: Arrays<u32>,
    pool: Array<Pool>,
    rings: Array<Ring>,
}

impl FlowMaps {
    /// Takes them out of the object, which has this shape in its configuration.
    pub fn take(object: &mut Object, shape: Shape) -> Result<Self> {
        Ok(Self {
            shape,
            base: object.array("FLOWS")?,
            segments: object.arrays("FLOW_MORE")?,
            index: object.array("FLOW_INDEX")?,
            indexes: object.arrays("FLOW_INDEXES")?,
            queue: object.array("FLOW_FREE")?,
            queues: object.arrays("FLOW_QUEUES")?,
            pool: object.array("FLOW_POOL")?,
            rings: object.array("FLOW_RINGS")?,
        })
    }

    /// Those that are pinned below `maps`.
    pub fn pinned(maps: &Path) -> Result<Self> {
        let config: Config = Array::pinned(&maps.join("CONFIG"))?.get(0)?;
        Ok(Self {
            shape: config.flows,
            base: Array::pinned(&maps.join("FLOWS"))?,
            segments: Arrays::pinned(&maps.join("FLOW_MORE"))?,
            index: Array::pinned(&maps.join("FLOW_INDEX"))?,
            indexes: Arrays::pinned(&maps.join("FLOW_INDEXES"))?,
            queue: Array::pinned(&maps.join("FLOW_FREE"))?,
            queues: Arrays::pinned(&maps.join("FLOW_QUEUES"))?,
            pool: Array::pinned(&maps.join("FLOW_POOL"))?,
            rings: Array::pinned(&maps.join("FLOW_RINGS"))?,
        })
    }

    fn slot(&self, number: u32) -> Result<Flow> {
        if number < self.shape.base {
            return self.base.get(number);
        }
        let (segment, place) = self.shape.place(number);
        self.segments.inner(segment)?.get(place)
    }

    /// Does something with the index of a side.
    fn with_index<T>(
        &mut self,
        side: u32,
        does: impl FnOnce(&mut Array<IndexBucket>) -> Result<T>,
    ) -> Result<T> {
        match side.checked_sub(1) {
            None => does(&mut self.index),
            Some(grown) => does(&mut self.indexes.inner(grown)?),
        }
    }

    /// Does something with the queue of a side.
    fn with_queue<T>(&mut self, side: u32, does: impl FnOnce(&mut Array<u32>) -> Result<T>) -> Result<T> {
        match side.checked_sub(1) {
            None => does(&mut self.queue),
            Some(grown) => does(&mut self.queues.inner(grown)?),
        }
    }

    fn bucket(&self, side: u32, bucket: u32) -> Result<IndexBucket> {
        match side.checked_sub(1) {
            None => self.index.get(bucket),
            Some(grown) => self.indexes.inner(grown)?.get(bucket),
        }
    }

    /// Makes what a table of this shape has beside the maps that are there from the start.
    fn make(&mut self, shape: &Shape) -> Result<()> {
        for segment in 0..shape.segments(shape.slots) {
            self.segments.make(segment, SEGMENT, 0)?;
        }
        for side in shape.in_use.sides().filter(|side| *side != 0) {
            self.indexes.make(side - 1, shape.on(side).buckets, BPF_F_INNER_MAP)?;
            self.queues.make(side - 1, shape.on(side).places, BPF_F_INNER_MAP)?;
        }
        Ok(())
    }

    /// The flow with this key, expired or not.
    pub fn get(&self, key: &FlowKey) -> Result<Option<Flow>> {
        let hash = Hash::of(&self.shape, |place| key.word(place));
        for side in self.shape.in_use.sides() {
            let size = self.shape.on(side);
            for bucket in [hash.first(size), hash.second(size)] {
                let IndexBucket(entries) = self.bucket(side, bucket)?;
                for number in entries.into_iter().filter_map(|entry| hash.slot(entry)) {
                    let flow = self.slot(number)?;
                    if flow.key == *key {
                        return Ok(Some(flow));
                    }
                }
            }
        }
        Ok(None)
    }

    /// Writes what is in the first slots, of those that the table was made with.
    pub fn write(&mut self, flows: &[Flow]) -> Result<()> {
        self.base.write(0, flows)
    }

    /// Makes the table larger while its programs are at work, as the loader does. `request` has the control program carry one out.
    pub fn grow(
        &mut self,
        config: &mut Array<Config>,
        slots: u32,
        mut request: impl FnMut(Control) -> Result<Control>,
    ) -> Result<()> {
        let looking = self.shape.looking(slots);
        let (old, new) = (looking.in_use.side(), looking.in_use.other().context("the table grows")?);
        for segment in self.shape.segments(self.shape.slots)..self.shape.segments(slots) {
            self.segments.make(segment, SEGMENT, 0)?;
        }
        self.indexes.make(new - 1, looking.on(new).buckets, BPF_F_INNER_MAP)?;
        self.queues.make(new - 1, slots, BPF_F_INNER_MAP)?;
        self.proceed(config, looking)?;
        self.proceed(config, looking.making())?;
        while request(Control { operation: Control::DRAIN_SLOTS, ..zero() })?.result != 0 {}
        loop {
            let mut left = 0;
            for cursor in (0..slots).step_by(Control::LOOKS as usize) {
                left += request(Control { operation: Control::CARRY_FLOWS, cursor, ..zero() })?.result;
            }
            if left == 0 {
                break;
            }
        }
        let side = self.export_side(old)?;
        ensure!(side.index.is_empty(), "something stays on the old side: {side:?}");
        self.proceed(config, looking.making().settled())
    }

    /// Changes the shape, and waits until no program is at work that has seen another.
    fn proceed(&mut self, config: &mut Array<Config>, shape: Shape) -> Result<()> {
        config.set(0, Config { flows: shape, ..config.get(0)? })?;
        self.shape = shape;
        self.segments.wait()
    }

    /// All flows, expired or not, each with the number of its slot.
    pub fn flows(&self) -> Result<Vec<(u32, Flow)>> {
        let mut slots = self.slots()?;
        slots.retain(|(_, flow)| flow.expires.0 != 0);
        Ok(slots)
    }

    /// Changes what is in a slot.
    pub fn set(&mut self, number: u32, flow: Flow) -> Result<()> {
        if number < self.shape.base {
            return self.base.set(number, flow);
        }
        let (segment, place) = self.shape.place(number);
        self.segments.inner(segment)?.set(place, flow)
    }

    /// All of it.
    pub fn export(&self) -> Result<FlowArrays> {
        let rings = self.rings.values()?.into_iter().map(|(id, ring)| (ContainerId(id), ring));
        let mut sides = <[SideArrays; SIDES]>::default();
        for side in self.shape.in_use.sides() {
            sides[side as usize] = self.export_side(side)?;
        }
        Ok(FlowArrays {
            shape: self.shape,
            slots: self.slots()?,
            sides,
            pool: self.pool.get(0)?,
            rings: rings.filter(|(_, ring)| *ring != Ring::default()).collect(),
        })
    }

    fn export_side(&self, side: u32) -> Result<SideArrays> {
        let (index, free) = match side.checked_sub(1) {
            None => (self.index.values()?, self.queue.values()?),
            Some(grown) => (self.indexes.inner(grown)?.values()?, self.queues.inner(grown)?.values()?),
        };
        Ok(SideArrays {
            index: index.into_iter().filter(|(_, bucket)| *bucket != IndexBucket::default()).collect(),
            free: free.into_iter().filter(|(_, number)| *number != 0).collect(),
        })
    }

    /// Makes them these, and nothing else. (The shape is to be in the configuration, too.)
    pub fn import(&mut self, arrays: &FlowArrays) -> Result<()> {
        self.clear()?;
        if self.shape != arrays.shape {
            self.shape = arrays.shape;
            self.make(&arrays.shape)?;
        }
        for (id, _) in self.rings.values()? {
            self.rings.set(id, zero())?;
        }
        for &(number, flow) in &arrays.slots {
            self.set(number, flow)?;
        }
        for (number, side) in (0..).zip(&arrays.sides) {
            for &(bucket, entries) in &side.index {
                self.with_index(number, |index| index.set(bucket, entries))?;
            }
            for &(place, slot) in &side.free {
                self.with_queue(number, |queue| queue.set(place, slot))?;
            }
        }
        for &(id, ring) in &arrays.rings {
            self.rings.set(id.0, ring)?;
        }
        self.pool.set(0, arrays.pool)
    }

    /// Makes all zero.
    fn clear(&mut self) -> Result<()> {
        for (number, _) in self.slots()? {
            self.set(number, zero())?;
        }
        for side in self.shape.in_use.sides() {
            let SideArrays { index, free } = self.export_side(side)?;
            for (bucket, _) in index {
                self.with_index(side, |map| map.set(bucket, zero()))?;
            }
            for (place, _) in free {
                self.with_queue(side, |map| map.set(place, 0))?;
            }
        }
        Ok(())
    }

    /// The slots that were ever used.
    fn slots(&self) -> Result<Vec<(u32, Flow)>> {
        let used = u32::try_from(self.pool.get(0)?.fresh)?.min(self.shape.slots);
        let mut slots: Vec<_> = (0..used.min(self.shape.base))
            .map(|number| Ok((number, self.base.get(number)?)))
            .collect::<Result<_>>()?;
        for segment in 0..self.shape.segments(used) {
            let start = self.shape.base + segment * SEGMENT;
            let inner = self.segments.inner(segment)?;
            for number in start..used.min(start + SEGMENT) {
                slots.push((number, inner.get(number - start)?));
            }
        }
        Ok(slots)
    }
}
