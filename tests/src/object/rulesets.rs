//! Rulesets, as an object's programs find them.

use anyhow::{Result, ensure};
use berth_common::abi::{
    rules::{
        Line,
        shelf::{LINES, Place},
    },
    units::ContainerId,
};

use super::{Array, Arrays, Object};

/// The rulesets of all containers, each behind the one before: what has been replaced keeps its place.
pub struct Rulesets {
    places: Array<u64>,
    shelves: Arrays<Line>,
    /// How many shelves there are.
    count: u32,
    /// How much of the last one is used.
    used: u32,
}

/// A ruleset.
pub struct Shelved {
    array: Array<Line>,
    first: u32,
}

impl Object {
    /// Takes them out of the object, before any are there; see [`Object::array`].
    pub fn rulesets(&mut self) -> Result<Rulesets> {
        let (places, shelves) = (self.array("RULESETS")?, self.arrays("SHELVES")?);
        Ok(Rulesets { places, shelves, count: 0, used: LINES })
    }
}

impl Rulesets {
    /// Puts these lines in force for a container.
    pub fn set(&mut self, id: ContainerId, lines: &[Line]) -> Result<Shelved> {
        let count = u32::try_from(lines.len())?;
        ensure!(count <= LINES, "no shelf is as large as that");
        if LINES - self.used < count {
            self.shelves.make(self.count, LINES, 0)?;
            (self.count, self.used) = (self.count + 1, 0);
        }
        let place = Place::new(self.count - 1, self.used, count);
        let mut array = self.shelves.inner(place.shelf())?;
        for (number, line) in (place.first()..).zip(lines) {
            array.set(number, *line)?;
        }
        self.used = place.end();
        self.places.set(id.0, place.0)?;
        Ok(Shelved { array, first: place.first() })
    }
}

impl Shelved {
    /// One of its lines.
    pub fn get(&self, number: u32) -> Result<Line> {
        self.array.get(self.first + number)
    }
}
