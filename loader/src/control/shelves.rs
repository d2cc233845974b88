//! Shelves with rulesets and named sets in the kernel: where each is, where there is room, and when what has been taken off may be used
//! again.

use std::{
    collections::{BTreeMap, BTreeSet},
    os::fd::{AsFd as _, BorrowedFd},
};

use aya::maps::{Array, ArrayOfMaps, IterableMap, Map, MapData, MapError};
use berth_common::abi::{
    control::Control,
    rules::{
        Line,
        shelf::{LINES, Place, SHELVES},
    },
    units::ContainerId,
};

use super::{
    ControlError, Kernel, counters::memory, error::Context as _, maps, maps::Table, pins::Pins, plain::Plain,
    plain::zero, sys,
};

const MAP: &str = "SHELVES";

/// All shelves, and what is on them.
pub struct Shelves {
    arrays: ArrayOfMaps<MapData, Shelf>,
    rules: Table<u64>,
    sets: Table<u64>,
    /// Where sets are, once that has been read: of the many places in their map few are taken. Nobody else writes them while this berth
    /// runs.
    places_of_sets: Option<BTreeMap<u32, Place>>,
    /// Whether nobody can be at work in lines that are free. A berth before this one may have replaced rules a moment ago.
    is_quiet: bool,
}

type Shelf = Array<MapData, Plain<Line>>;

impl Shelves {
    /// What is pinned.
    pub(super) fn open(pins: &Pins) -> Result<Self, ControlError> {
        let map = Map::from_map_data(maps::open(pins, MAP)?).map_err(ControlError::map(MAP, "open"))?;
        let arrays = map.try_into().map_err(ControlError::map(MAP, "open"))?;
        let (rules, sets) = (Table::open(pins, "RULESETS")?, Table::open(pins, "SETS")?);
        Ok(Self { arrays, rules, sets, places_of_sets: None, is_quiet: false })
    }

    /// Where the rules of a container are.
    pub(super) fn of_rules(&self, id: ContainerId) -> Result<Place, ControlError> {
        self.rules.get(id.0).map(Place)
    }

    /// Where the set with this number is.
    pub(super) fn of_set(&self, number: u32) -> Result<Place, ControlError> {
        self.sets.get(number).map(Place)
    }

    /// The sets that there are, and where.
    pub(super) fn of_sets(&mut self) -> Result<&BTreeMap<u32, Place>, ControlError> {
        let sets = match self.places_of_sets.take() {
            Some(sets) => sets,
            None => (0..).zip(self.sets.values()?.into_iter().map(Place)).collect(),
        };
        let sets = self.places_of_sets.insert(sets);
        sets.retain(|_, place| *place != Place::NONE);
        Ok(sets)
    }

    /// Where there is something.
    fn taken(&mut self) -> Result<Vec<Place>, ControlError> {
        let rules = self.rules.values()?.into_iter().map(Place).filter(|place| *place != Place::NONE);
        Ok(rules.chain(self.of_sets()?.values().copied()).collect())
    }

    /// A set may be somewhere else now.
    fn read_place_of_set(&mut self, number: u32) -> Result<(), ControlError> {
        if let Some(mut sets) = self.places_of_sets.take() {
            sets.insert(number, self.of_set(number)?);
            self.places_of_sets = Some(sets);
        }
        Ok(())
    }

    /// Writes lines where there is room for them, on a new shelf if need be. They are nobody's yet, and overwritten next time if they have
    /// not been published by then.
    pub(super) fn put(&mut self, lines: &[Line]) -> Result<Place, ControlError> {
        let count = u32::try_from(lines.len()).unwrap_or(u32::MAX);
        if count > LINES {
            return Err(ControlError::RulesetTooLarge { lines: count, limit: LINES });
        }
        self.wait()?;
        let place = room(count, &self.taken()?).ok_or(ControlError::NoShelf)?;
        if self.get(place.shelf())?.is_none() {
            let array = Shelf::create(LINES, 0).map_err(ControlError::map(MAP, "make another of"))?;
            self.arrays.set(place.shelf(), &array, 0).map_err(ControlError::map(MAP, "write to"))?;
        }
        self.write(place, 0, lines)?;
        Ok(place)
    }

    /// Returns when nobody is at work in lines that are free.
    pub(super) fn wait(&mut self) -> Result<(), ControlError> {
        if !self.is_quiet {
            sys::wait_for_programs().context(|| "wait for programs to end".to_owned())?;
            self.is_quiet = true;
        }
        Ok(())
    }

    /// Writes lines at a place, beginning with the one that has this number there.
    pub(super) fn write(&self, place: Place, number: u32, lines: &[Line]) -> Result<(), ControlError> {
        let array = self.get(place.shelf())?.ok_or(ControlError::LostShelf)?;
        sys::write_array(descriptor(&array), place.first() + number, lines)
            .context(|| "write to a shelf in the kernel".to_owned())
    }

    /// Writes lines at a place, one after the other, each of which has its number there.
    pub(super) fn write_each(&self, place: Place, lines: &[(u32, Line)]) -> Result<(), ControlError> {
        let mut array = self.get(place.shelf())?.ok_or(ControlError::LostShelf)?;
        for (number, line) in lines {
            array.set(place.first() + number, Plain(*line), 0).map_err(ControlError::map(MAP, "write to"))?;
        }
        Ok(())
    }

    /// So many lines at a place, beginning with the one that has this number there; none if there is no such shelf.
    pub(super) fn read(&self, place: Place, number: u32, count: usize) -> Result<Vec<Line>, ControlError> {
        let Some(array) = self.get(place.shelf())? else { return Ok(Vec::new()) };
        sys::read_array(descriptor(&array), place.first() + number, count)
            .context(|| "read from a shelf in the kernel".to_owned())
    }

    /// Throws the shelves away on which there is nothing. Nobody may be at work there.
    pub(super) fn tidy(&mut self, pins: &Pins) -> Result<(), ControlError> {
        let map = maps::open(pins, MAP)?;
        let used: BTreeSet<u32> = self.taken()?.iter().map(|place| place.shelf()).collect();
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
        match self.arrays.get(&number, 0) {
            Ok(array) => Ok(Some(array)),
            Err(MapError::KeyNotFound) => Ok(None),
            Err(error) => Err(ControlError::map(MAP, "read")(error)),
        }
    }
}

impl Kernel {
    /// Puts in force what is at a place, instead of what was there `before`.
    pub(super) fn publish_rules(
        &mut self,
        container: ContainerId,
        before: Place,
        place: Place,
    ) -> Result<(), ControlError> {
        self.maps.shelves.rules.check(container)?;
        self.publish(before, Control { operation: Control::PUBLISH_RULES, container, place, ..zero() })
    }

    /// The same for a set.
    pub(super) fn publish_set(&mut self, set: u32, before: Place, place: Place) -> Result<(), ControlError> {
        let request = Control { operation: Control::PUBLISH_SET, set, place, ..zero() };
        let published = self.publish(before, request);
        self.maps.shelves.read_place_of_set(set)?;
        published
    }

    fn publish(&mut self, before: Place, request: Control) -> Result<(), ControlError> {
        if before != Place::NONE {
            self.maps.shelves.is_quiet = false;
        }
        self.carry_out(request).map(drop)
    }

    /// Throws a shelf away if there is nothing on it any more.
    pub(super) fn clear_shelf(&mut self, number: u32) -> Result<(), ControlError> {
        let shelves = &mut self.maps.shelves;
        if shelves.taken()?.iter().any(|place| place.shelf() == number) {
            return Ok(());
        }
        shelves.wait()?;
        shelves.tidy(&self.pins)
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
