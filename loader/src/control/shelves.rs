//! Shelves with rulesets in the kernel: where there is room, and when what has been taken off may be used again.

use std::os::fd::{AsFd as _, BorrowedFd};

use aya::maps::{Array, ArrayOfMaps, IterableMap, Map, MapData, MapError};
use berth_common::abi::rules::{
    Line,
    shelf::{LINES, Place, SHELVES},
};

use super::{ControlError, error::Context as _, maps, pins::Pins, plain::Plain, sys};

const MAP: &str = "SHELVES";

/// All shelves.
pub struct Shelves(ArrayOfMaps<MapData, Shelf>);

type Shelf = Array<MapData, Plain<Line>>;

impl Shelves {
    /// What is pinned. Returns when nobody is at work any more in rulesets that a berth before this one has replaced.
    pub(super) fn open(pins: &Pins) -> Result<Self, ControlError> {
        let map = Map::from_map_data(maps::open(pins, MAP)?).map_err(ControlError::map(MAP, "open"))?;
        let mut shelves = Self(map.try_into().map_err(ControlError::map(MAP, "open"))?);
        shelves.wait()?;
        Ok(shelves)
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

    /// Returns when all programs have ended that are at work now: for that the kernel waits when a map of maps is changed.
    pub(super) fn wait(&mut self) -> Result<(), ControlError> {
        for number in 0..SHELVES {
            if let Some(array) = self.get(number)? {
                return self.0.set(number, &array, 0).map_err(ControlError::map(MAP, "write to"));
            }
        }
        Ok(())
    }

    /// Throws a shelf away on which there is nothing but what is at `taken`, if there is nothing.
    pub(super) fn tidy(pins: &Pins, number: u32, taken: &[Place]) -> Result<(), ControlError> {
        if taken.iter().any(|place| place.shelf() == number) {
            return Ok(());
        }
        let map = maps::open(pins, MAP)?;
        sys::delete(map.fd().as_fd(), &number).context(|| "throw an empty shelf away".to_owned())
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
