//! Named sets in the kernel: one map of lines for each, in a map of maps.

use std::os::fd::AsFd as _;

use aya::maps::{Array, ArrayOfMaps, IterableMap, Map, MapData, MapError};
use aya_obj::generated::BPF_F_INNER_MAP;
use berth_common::abi::{rules::Line, set::Header};

use super::{ControlError, Kernel, error::Context as _, maps, pins::Pins, plain::Plain, sys};

const SETS: &str = "SETS";

/// The lines of one set.
type Lines = Array<MapData, Plain<Line>>;

/// The sets of all containers, by their numbers.
pub struct Sets(ArrayOfMaps<MapData, Lines>);

impl Sets {
    /// What is pinned.
    pub(super) fn open(pins: &Pins) -> Result<Self, ControlError> {
        let map = Map::from_map_data(maps::open(pins, SETS)?).map_err(ControlError::map(SETS, "open"))?;
        map.try_into().map(Self).map_err(ControlError::map(SETS, "open"))
    }

    fn get(&self, number: u32) -> Result<Option<Lines>, ControlError> {
        match self.0.get(&number, 0) {
            Ok(lines) => Ok(Some(lines)),
            Err(MapError::KeyNotFound) => Ok(None),
            Err(error) => Err(ControlError::map(SETS, "read")(error)),
        }
    }
}

impl Kernel {
    /// Puts a set in the place of the one that has its number: every packet meets the one or the other, as a whole.
    pub fn set_set(&mut self, number: u32, lines: &[Line]) -> Result<(), ControlError> {
        let count = u32::try_from(lines.len()).unwrap_or(u32::MAX);
        let map = Lines::create(count, BPF_F_INNER_MAP).map_err(ControlError::map(SETS, "make a set of"))?;
        let descriptor = IterableMap::map(&map).fd().as_fd();
        sys::write_array(descriptor, 0, lines).context(|| format!("write set {number}"))?;
        self.maps.sets.0.set(number, &map, 0).map_err(ControlError::map(SETS, "write to"))
    }

    /// Writes lines of a set that is there, one after the other.
    pub fn change_set(&mut self, number: u32, lines: &[(u32, Line)]) -> Result<(), ControlError> {
        let missing = || ControlError::Incomplete("set to change");
        let mut map = self.maps.sets.get(number)?.ok_or_else(missing)?;
        for (index, line) in lines {
            map.set(*index, Plain(*line), 0).map_err(ControlError::map(SETS, "write a set of"))?;
        }
        Ok(())
    }

    /// Removes a set: no packet is in it any more.
    pub fn remove_set(&mut self, number: u32) -> Result<(), ControlError> {
        let outer = maps::open(&self.pins, SETS)?;
        sys::delete(outer.fd().as_fd(), &number).context(|| format!("remove set {number}"))
    }

    /// The stamp of a set; nothing where there is none.
    pub fn set_stamp(&self, number: u32) -> Result<Option<u64>, ControlError> {
        let Some(lines) = self.maps.sets.get(number)? else { return Ok(None) };
        let Plain(first) = lines.get(&0, 0).map_err(ControlError::map(SETS, "read a set of"))?;
        Ok(Header::from_line(&first).map(|header| header.stamp))
    }
}
