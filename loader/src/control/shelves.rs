//! Shelves with rulesets in the kernel: where there is room, and when what has been taken off may be used again.

use std::{
    collections::BTreeSet,
    os::fd::{AsFd as _, BorrowedFd},
};

use aya::maps::{Array, ArrayOfMaps, IterableMap, Map, MapData, MapError};
use berth_common::abi::rules::{
    Line,
    shelf::{LINES, Place, SHELVES},
};

use super::{ControlError, counters::memory, error::Context as _, maps, pins::Pins, plain::Plain, sys};

const MAP: &str = "SHELVES";

/// All shelves.
pub struct Shelves(ArrayOfMaps<MapData, Shelf>);

type Shelf = Array<MapData, Plain<Line>>;

impl Shelves {
    /// What is pinned.
    pub(super) fn open(pins: &Pins) -> Result<Self, ControlError> {
        let map = Map::from_map_data(maps::open(pins, MAP)?).map_err(ControlError::map(MAP, "open"))?;
        map.try_into().map(Self).map_err(ControlError::map(MAP, "open"))
    }

    /// Writes lines where there is room for them beside those at `taken`, on a new shelf if need be.
    pub(super) fn put(&mut self, lines: &[Line], taken: &[Place]) -> Result<Place, ControlError> {
        let count = u32::try_from(lines.len()).unwrap_or(u32::MAX);
        if count > LINES {
            return Err(ControlError::RulesetTooLarge { lines: count, limit: LINES });
        }
        let place = room(count, taken).ok_or(ControlError::NoShelf)?;
        if self.get(place.shelf())?.is_none() {
            let array = Shelf::create(LINES, 0).map_err(ControlError::map(MAP, "make another of"))?;
            self.0.set(place.shelf(), &array, 0).map_err(ControlError::map(MAP, "write to"))?;
        }
        self.write(place, 0, lines)?;
        Ok(place)
    }

    /// Writes lines at a place, beginning with the one that has this number there.
    pub(super) fn write(&self, place: Place, number: u32, lines: &[Line]) -> Result<(), ControlError> {
        let array = self.get(place.shelf())?.ok_or(ControlError::NoShelf)?;
        sys::write_array(descriptor(&array), place.first() + number, lines)
            .context(|| "write a ruleset to the kernel".to_owned())
    }

    /// So many lines at a place, beginning with the one that has this number there; none if there is no such shelf.
    pub(super) fn read(&self, place: Place, number: u32, count: usize) -> Result<Vec<Line>, ControlError> {
        let Some(array) = self.get(place.shelf())? else { return Ok(Vec::new()) };
        sys::read_array(descriptor(&array), place.first() + number, count)
            .context(|| "read a ruleset from the kernel".to_owned())
    }

    /// Throws the shelves away on which there is nothing but what is at `taken`, if there is nothing. Nobody may be at work there.
    pub(super) fn tidy(&self, pins: &Pins, taken: &[Place]) -> Result<(), ControlError> {
        let map = maps::open(pins, MAP)?;
        let used: BTreeSet<u32> = taken.iter().map(|place| place.shelf()).collect();
        for number in (0..SHELVES).filter(|number| !used.contains(number)) {
            // Kernels before 6.8 wait for all programs even if there is nothing to delete.
            if self.get(number)?.is_some() {
                sys::delete(map.fd().as_fd(), &number).context(|| "throw an empty shelf away".to_owned())?;
            }
        }
        Ok(())
    }

    /// Bytes of memory that they take.
    pub(super) fn memory(&self) -> Result<u64, ControlError> {
        (0..SHELVES).try_fold(0, |sum, number| match self.get(number)? {
            Some(array) => Ok(sum + memory(IterableMap::map(&array).fd())?),
            None => Ok(sum),
        })
    }

    fn get(&self, number: u32) -> Result<Option<Shelf>, ControlError> {
        match self.0.get(&number, 0) {
            Ok(array) => Ok(Some(array)),
            Err(MapError::KeyNotFound) => Ok(None),
            Err(error) => Err(ControlError::map(MAP, "read")(error)),
        }
    }
}

fn descriptor(array: &Shelf) -> BorrowedFd<'_> {
    IterableMap::map(array).fd().as_fd()
}

/// The first place with so many lines, of which there is at least one, that has no line of those that are taken.
fn room(lines: u32, taken: &[Place]) -> Option<Place> {
    let mut taken = taken.to_vec();
    taken.sort_unstable_by_key(|place| (place.shelf(), place.first()));
    let mut taken = taken.into_iter().peekable();
    for shelf in 0..SHELVES {
        let mut first = 0;
        while let Some(place) = taken.next_if(|place| place.shelf() == shelf) {
            if place.first() - first >= lines {
                return Some(Place::new(shelf, first, lines));
            }
            first = place.end();
        }
        if LINES - first >= lines {
            return Some(Place::new(shelf, first, lines));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn gaps_are_filled_first() {
        let taken = [Place::new(0, 0, 10), Place::new(0, 20, 10)];
        assert_eq!(room(10, &taken), Some(Place::new(0, 10, 10)));
        assert_eq!(room(11, &taken), Some(Place::new(0, 30, 11)));
        assert_eq!(room(LINES, &taken), Some(Place::new(1, 0, LINES)));
        assert_eq!(room(LINES, &[]), Some(Place::new(0, 0, LINES)));
    }

    #[test]
    fn shelves_are_not_left_out() {
        let full = Place::new(0, 0, LINES);
        assert_eq!(room(1, &[full]), Some(Place::new(1, 0, 1)));
        assert_eq!(room(1, &[full, Place::new(2, 0, LINES)]), Some(Place::new(1, 0, 1)));
        assert_eq!(room(1, &[Place::new(2, 0, LINES)]), Some(Place::new(0, 0, 1)));
        let most = LINES - 5;
        assert_eq!(room(6, &[Place::new(0, 0, most), Place::new(1, 3, 1)]), Some(Place::new(1, 4, 6)));
        let all: Vec<Place> = (0..SHELVES).map(|shelf| Place::new(shelf, 0, LINES)).collect();
        assert_eq!(room(1, &all), None);
    }

    proptest! {
        #[test]
        fn no_line_is_given_out_twice(steps in proptest::collection::vec((1..=LINES, any::<prop::sample::Index>()), 1..60)) {
            let mut taken: Vec<Place> = Vec::new();
            for (lines, victim) in steps {
                let place = room(lines, &taken).unwrap();
                prop_assert!(place.lines() == lines && place.end() <= LINES);
                let meets = |other: &Place| {
                    other.shelf() == place.shelf() && other.first() < place.end() && place.first() < other.end()
                };
                prop_assert!(!taken.iter().any(meets));
                taken.push(place);
                if taken.len() > 12 {
                    taken.swap_remove(victim.index(taken.len()));
                }
            }
        }
    }
}
