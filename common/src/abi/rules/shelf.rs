//! Where rulesets and named sets are: on shelves, which are arrays of equally many lines, each on lines of its own that follow each other.
//!
//! The kernel compiles a look into an array into the program, without a call, if all arrays that may be meant there are of one size; a packet
//! takes 14 to 30 such looks.

/// Lines of a shelf: no ruleset and no set has more.
pub const LINES: u32 = 1 << 18;

/// Most shelves.
pub const SHELVES: u32 = 1 << 10;

const LINES_SHIFT: u32 = 24;
const SHELF_SHIFT: u32 = 48;
const MASK: u64 = (1 << LINES_SHIFT) - 1;

const _: () = assert!(LINES as u64 <= MASK && (SHELVES as u64) < 1 << (64 - SHELF_SHIFT));

/// Value of the `RULESETS` map, by container, and of the `SETS` map, by number: where the ruleset or the set is. Read and written at once.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(pub u64);

impl Place {
    /// Nowhere: there are no rules, or there is no such set.
    pub const NONE: Self = Self(0);

    /// So many lines on a shelf, from `first` on. There is at least one.
    pub const fn new(shelf: u32, first: u32, lines: u32) -> Self {
        Self((shelf as u64) << SHELF_SHIFT | (lines as u64 & MASK) << LINES_SHIFT | first as u64 & MASK)
    }

    /// Which shelf.
    #[inline(always)]
    pub const fn shelf(self) -> u32 {
        (self.0 >> SHELF_SHIFT) as u32
    }

    /// The first line there.
    #[inline(always)]
    pub const fn first(self) -> u32 {
        (self.0 & MASK) as u32
    }

    /// How many lines.
    pub const fn lines(self) -> u32 {
        (self.0 >> LINES_SHIFT & MASK) as u32
    }

    /// The line behind the last.
    pub const fn end(self) -> u32 {
        self.first().saturating_add(self.lines())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_written() {
        for (shelf, first, lines) in [(0, 0, 1), (SHELVES - 1, LINES - 1, 1), (7, 0, LINES), (0, 5, 6)] {
            let place = Place::new(shelf, first, lines);
            assert_ne!(place, Place::NONE);
            assert_eq!((place.shelf(), place.first(), place.lines()), (shelf, first, lines));
            assert_eq!(place.end(), first + lines);
        }
    }
}
