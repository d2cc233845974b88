//! Rulesets and named sets, as an object's programs find them.

use anyhow::{Result, ensure};
use berth_common::abi::{
    rules::{
        Line,
        shelf::{LINES, Place},
    },
    units::ContainerId,
};

use super::{Array, Arrays, Object};

/// The rulesets of all containers, and the sets, each behind the one before: what has been replaced keeps its place.
pub struct Shelves {
    rules: Array<u64>,
    sets: Array<u64>,
    arrays: Arrays<Line>,
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
    /// Takes them out of the object, before anything is on them; see [`Object::array`].
    pub fn shelves(&mut self) -> Result<Shelves> {
        let (rules, sets) = (self.array("RULESETS")?, self.array("SETS")?);
        Ok(Shelves { rules, sets, arrays: self.arrays("SHELVES")?, count: 0, used: LINES })
    }
}

impl Shelves {
    /// Puts these rules in force for a container.
    pub fn set_rules(&mut self, id: ContainerId, lines: &[Line]) -> Result<Shelved> {
        let place = self.put(lines)?;
        self.rules.set(id.0, place.0)?;
        Ok(Shelved { array: self.arrays.inner(place.shelf())?, first: place.first() })
    }

    /// Makes this the set with that number.
    pub fn set_set(&mut self, number: u32, lines: &[Line]) -> Result<()> {
        let place = self.put(lines)?;
        self.sets.set(number, place.0)
    }

    fn put(&mut self, lines: &[Line]) -> Result<Place> {
        let count = u32::try_from(lines.len())?;
        ensure!(count <= LINES, "no shelf is as large as that");
        if LINES - self.used < count {
            self.arrays.make(self.count, LINES, 0)?;
            (self.count, self.used) = (self.count + 1, 0);
        }
        let place = Place::new(self.count - 1, self.used, count);
        self.arrays.inner(place.shelf())?.write(place.first(), lines)?;
        self.used = place.end();
        Ok(place)
    }
}

impl Shelved {
    /// One of its lines.
    pub fn get(&self, number: u32) -> Result<Line> {
        self.array.get(self.first + number)
    }
}
