//! What leads from node to node and at last to a vector: one 32-bit word.
//!
//! | bits | ranges | window | page | vector |
//! |---|---|---|---|---|
//! | 31 | 0 | 0 | 0 | 1 |
//! | 30 | 0 | 0 | 1 | place |
//! | 29–25 | part | part | part | place |
//! | 24 | 0 | 1 | 0: sixteen slots, 1: 256 | place |
//! | 23–21 | 0 | quarter of the line | shift / 4 | place |
//! | 20–0 | line | line | line | place |
//!
//! The part is the number of the part of the packet's value that the node looks at. A page's shift brings the bits
//! that it looks at to the right end of the part.

/// A reference.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference(pub u32);

/// What a reference leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A line of ranges.
    Ranges,
    /// A quarter of a line: a window.
    Window,
    /// One line or sixteen: a page.
    Page,
    /// A vector.
    Vector,
}

impl Reference {
    /// Leads nowhere: to the header, which is no node.
    pub const NONE: Self = Self(0);

    const VECTOR: u32 = 1 << 31;
    const PAGE: u32 = 1 << 30;
    const WIDE: u32 = 1 << 24;
    const WINDOW: u32 = 1 << 24;
    const LINE: u32 = super::MAX_LINES - 1;

    /// To a vector: in a small root the number of the word from the ruleset's start, else the number of the line.
    #[inline(always)]
    pub const fn vector(place: u32) -> Self {
        Self(Self::VECTOR | place)
    }

    /// To a line of ranges of values of `part`.
    pub const fn ranges(part: u32, line: u32) -> Self {
        Self((part & 0x1f) << 25 | line & Self::LINE)
    }

    /// To a window on values of `part`, in a quarter (0 to 3) of a line.
    pub const fn window(part: u32, line: u32, quarter: u32) -> Self {
        Self(Self::WINDOW | (part & 0x1f) << 25 | (quarter & 3) << 21 | line & Self::LINE)
    }

    /// To a page by the bits of `part` from `shift` (a multiple of four) on: eight if `wide`, else four.
    pub const fn page(part: u32, shift: u32, wide: bool, line: u32) -> Self {
        let width = if wide { Self::WIDE } else { 0 };
        Self(Self::PAGE | (part & 0x1f) << 25 | width | (shift >> 2 & 7) << 21 | line & Self::LINE)
    }

    /// What it leads to.
    #[inline(always)]
    pub const fn kind(self) -> Kind {
        if self.0 & Self::VECTOR != 0 {
            Kind::Vector
        } else if self.0 & Self::PAGE != 0 {
            Kind::Page
        } else if self.0 & Self::WINDOW != 0 {
            Kind::Window
        } else {
            Kind::Ranges
        }
    }

    /// The place of the vector that it leads to.
    #[inline(always)]
    pub const fn place(self) -> u32 {
        self.0 & !Self::VECTOR
    }

    /// The part that the node looks at.
    #[inline(always)]
    pub const fn part(self) -> u32 {
        self.0 >> 25 & 0x1f
    }

    /// The quarter of the line in which the window is.
    #[inline(always)]
    pub const fn quarter(self) -> u32 {
        self.0 >> 21 & 3
    }

    /// The slot of a page that `value` has.
    #[inline(always)]
    pub const fn slot(self, value: u32) -> u32 {
        let mask = if self.0 & Self::WIDE == 0 { 0xf } else { 0xff };
        value.wrapping_shr(self.0 >> 19 & 0x1c) & mask
    }

    /// The node's first line.
    #[inline(always)]
    pub const fn line(self) -> u32 {
        self.0 & Self::LINE
    }
}

#[cfg(test)]
mod tests {
    use super::{super::MAX_LINES, *};

    #[test]
    fn everything_is_found_again() {
        let line = MAX_LINES - 1;
        for part in [0, 31] {
            let ranges = Reference::ranges(part, line);
            assert_eq!((ranges.kind(), ranges.part(), ranges.line()), (Kind::Ranges, part, line));
            for quarter in 0..4 {
                let window = Reference::window(part, line, quarter);
                assert_eq!((window.kind(), window.part(), window.line()), (Kind::Window, part, line));
                assert_eq!(window.quarter(), quarter);
            }
            for shift in [0, 4, 8, 12, 16, 20, 24, 28] {
                for (wide, mask) in [(false, 0xf), (true, 0xff)] {
                    let page = Reference::page(part, shift, wide, line);
                    assert_eq!((page.kind(), page.part(), page.line()), (Kind::Page, part, line));
                    assert_eq!(page.slot(0x89ab_cdef), 0x89ab_cdef >> shift & mask);
                }
            }
        }
        for place in [0, u32::MAX >> 1] {
            let vector = Reference::vector(place);
            assert_eq!((vector.kind(), vector.place()), (Kind::Vector, place));
        }
    }
}
