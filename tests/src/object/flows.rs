//! The flow table of an object.

use std::path::Path;

use anyhow::Result;
use berth_common::abi::{
    config::Config,
    flow::{Flow, FlowKey},
    flow_table::{IndexBucket, Pool, Ring, Shape},
    units::ContainerId,
};
use berth_common::engine::flow_table::Hash;
use berth_common::memory::FlowArrays;

use super::{Array, Object, zero};

/// What keys are hashed with where a test says nothing else.
const SEED: [u32; FlowKey::WORDS] = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3];

/// How large a table of so many flows is.
pub fn shape(flows: u32) -> Shape {
    Shape::new(flows, SEED)
}

/// Sizes of all maps that go with those of `sizes`.
pub(super) fn sizes(sizes: &[(&'static str, u32)]) -> Vec<(&'static str, u32)> {
    let more = sizes.iter().flat_map(|&(map, entries)| match map {
        "FLOWS" => vec![("FLOW_INDEX", Shape::buckets(entries)), ("FLOW_FREE", entries)],
        "CONTAINERS" => vec![("FLOW_RINGS", entries), ("TIMEOUTS", entries)],
        _ => Vec::new(),
    });
    sizes.iter().copied().chain(more).collect()
}

/// The flow table's maps.
pub struct FlowMaps {
    shape: Shape,
    slots: Array<Flow>,
    index: Array<IndexBucket>,
    free: Array<u32>,
    pool: Array<Pool>,
    rings: Array<Ring>,
}

impl FlowMaps {
    /// Takes them out of the object, which has this shape in its configuration.
    pub fn take(object: &mut Object, shape: Shape) -> Result<Self> {
        Ok(Self {
            shape,
            slots: object.array("FLOWS")?,
            index: object.array("FLOW_INDEX")?,
            free: object.array("FLOW_FREE")?,
            pool: object.array("FLOW_POOL")?,
            rings: object.array("FLOW_RINGS")?,
        })
    }

    /// Those that are pinned below `maps`.
    pub fn pinned(maps: &Path) -> Result<Self> {
        let config: Config = Array::pinned(&maps.join("CONFIG"))?.get(0)?;
        Ok(Self {
            shape: config.flows,
            slots: Array::pinned(&maps.join("FLOWS"))?,
            index: Array::pinned(&maps.join("FLOW_INDEX"))?,
            free: Array::pinned(&maps.join("FLOW_FREE"))?,
            pool: Array::pinned(&maps.join("FLOW_POOL"))?,
            rings: Array::pinned(&maps.join("FLOW_RINGS"))?,
        })
    }

    /// The flow with this key, expired or not.
    pub fn get(&self, key: &FlowKey) -> Result<Option<Flow>> {
        let hash = Hash::of(&self.shape, |place| key.word(place));
        for bucket in [hash.first, hash.second] {
            let IndexBucket(entries) = self.index.get(bucket)?;
            for number in entries.into_iter().filter_map(|entry| hash.slot(entry)) {
                let flow = self.slots.get(number)?;
                if flow.key == *key {
                    return Ok(Some(flow));
                }
            }
        }
        Ok(None)
    }

    /// All flows, expired or not, each with the number of its slot.
    pub fn flows(&self) -> Result<Vec<(u32, Flow)>> {
        let mut slots = self.slots()?;
        slots.retain(|(_, flow)| flow.expires.0 != 0);
        Ok(slots)
    }

    /// Changes what is in a slot.
    pub fn set(&mut self, number: u32, flow: Flow) -> Result<()> {
        self.slots.set(number, flow)
    }

    /// All of it.
    pub fn export(&self) -> Result<FlowArrays> {
        let index = self.index.values()?;
        let free = self.free.values()?;
        let rings = self.rings.values()?.into_iter().map(|(id, ring)| (ContainerId(id), ring));
        Ok(FlowArrays {
            shape: self.shape,
            slots: self.slots()?,
            index: index.into_iter().filter(|(_, bucket)| *bucket != IndexBucket::default()).collect(),
            free: free.into_iter().filter(|(_, number)| *number != 0).collect(),
            pool: self.pool.get(0)?,
            rings: rings.filter(|(_, ring)| *ring != Ring::default()).collect(),
        })
    }

    /// Makes them these, and nothing else.
    pub fn import(&mut self, arrays: &FlowArrays) -> Result<()> {
        for (number, _) in self.slots()? {
            self.slots.set(number, zero())?;
        }
        for (number, _) in
            self.index.values()?.into_iter().filter(|(_, bucket)| bucket.0 != zero::<IndexBucket>().0)
        {
            self.index.set(number, zero())?;
        }
        for (number, _) in self.free.values()?.into_iter().filter(|(_, number)| *number != 0) {
            self.free.set(number, 0)?;
        }
        for (id, _) in self.rings.values()? {
            self.rings.set(id, zero())?;
        }
        for &(number, flow) in &arrays.slots {
            self.slots.set(number, flow)?;
        }
        for &(number, bucket) in &arrays.index {
            self.index.set(number, bucket)?;
        }
        for &(place, number) in &arrays.free {
            self.free.set(place, number)?;
        }
        for &(id, ring) in &arrays.rings {
            self.rings.set(id.0, ring)?;
        }
        self.shape = arrays.shape;
        self.pool.set(0, arrays.pool)
    }

    /// The slots that were ever used.
    fn slots(&self) -> Result<Vec<(u32, Flow)>> {
        let used = self.pool.get(0)?.fresh.min(self.shape.slots.into());
        (0..u32::try_from(used)?).map(|number| Ok((number, self.slots.get(number)?))).collect()
    }
}
