//! Named sets in the kernel, on the shelves.

use berth_common::abi::{
    rules::{Line, shelf::Place},
    set::Header,
};

use super::{ControlError, Kernel};

impl Kernel {
    /// Puts a set in the place of the one that has its number: every packet meets the one or the other, as a whole.
    pub fn set_set(&mut self, number: u32, lines: &[Line]) -> Result<(), ControlError> {
        let before = self.maps.shelves.of_set(number)?;
        let place = self.maps.shelves.put(lines)?;
        self.publish_set(number, before, place)?;
        self.leave(number, before);
        Ok(())
    }

    /// Writes lines of a set that is there, one after the other.
    pub fn change_set(&mut self, number: u32, lines: &[(u32, Line)]) -> Result<(), ControlError> {
        match self.maps.shelves.of_set(number)? {
            Place::NONE => Err(ControlError::Incomplete("set to change")),
            place => self.maps.shelves.write_each(place, lines),
        }
    }

    /// Removes a set: no packet is in it any more.
    pub fn remove_set(&mut self, number: u32) -> Result<(), ControlError> {
        let before = self.maps.shelves.of_set(number)?;
        if before != Place::NONE {
            self.publish_set(number, before, Place::NONE)?;
            self.leave(number, before);
        }
        Ok(())
    }

    /// What was at a place is in force no longer, whatever comes of this. A shelf that should go and does not goes at a later change.
    fn leave(&mut self, number: u32, place: Place) {
        if place == Place::NONE {
            return;
        }
        if let Err(failure) = self.clear_shelf(place.shelf()) {
            log::warn!("the shelf that set {number} was on stays: {failure}");
        }
    }

    /// The numbers of the sets that there are.
    pub fn set_numbers(&mut self) -> Result<Vec<u32>, ControlError> {
        Ok(self.maps.shelves.of_sets()?.keys().copied().collect())
    }

    /// The stamp of a set; nothing where there is none.
    pub fn set_stamp(&self, number: u32) -> Result<Option<u64>, ControlError> {
        let place = self.maps.shelves.of_set(number)?;
        if place == Place::NONE {
            return Ok(None);
        }
        let first = self.maps.shelves.read(place, 0, 1)?;
        Ok(first.first().and_then(Header::from_line).map(|header| header.stamp))
    }
}
