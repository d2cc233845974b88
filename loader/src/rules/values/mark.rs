//! Marks and masks of 32 bits.

use std::fmt;

use super::{Literal, number::between};
use crate::rules::{error::RuleError, family::Family, piece::Piece};

/// Bits of a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MaskedMark {
    /// The bits.
    pub value: u32,
    /// Which of the mark's bits count; the value may have others, and then no mark agrees.
    pub mask: u32,
}

impl Literal for MaskedMark {
    fn read(piece: Piece<'_>, _: Family) -> Result<Self, RuleError> {
        match piece.split_once('/') {
            Some((value, mask)) => Ok(Self { value: word(value)?, mask: word(mask)? }),
            None => Ok(Self { value: word(piece)?, mask: u32::MAX }),
        }
    }
}

impl fmt::Display for MaskedMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.mask == u32::MAX {
            write!(f, "{:#x}", self.value)
        } else {
            write!(f, "{:#x}/{:#x}", self.value, self.mask)
        }
    }
}

/// One word of a mark.
pub(in crate::rules) fn word(piece: Piece<'_>) -> Result<u32, RuleError> {
    between(piece, "mark of 32 bits", 0, u32::MAX.into())
}
