//! Plain numbers.

use super::Literal;
use crate::rules::{error::RuleError, family::Family, piece::Piece};

impl Literal for u8 {
    fn read(piece: Piece<'_>, _: Family) -> Result<Self, RuleError> {
        bounded(piece, Self::MAX.into())
    }
}

impl Literal for u16 {
    fn read(piece: Piece<'_>, _: Family) -> Result<Self, RuleError> {
        bounded(piece, Self::MAX.into())
    }
}

impl Literal for u32 {
    fn read(piece: Piece<'_>, _: Family) -> Result<Self, RuleError> {
        bounded(piece, Self::MAX.into())
    }
}

fn bounded<T: TryFrom<u64> + Default>(piece: Piece<'_>, max: u64) -> Result<T, RuleError> {
    between(piece, "number", 0, max)
}

/// A number of `piece` that is at least `min` and at most `max`, which fits into `T`.
pub(in crate::rules) fn between<T: TryFrom<u64> + Default>(
    piece: Piece<'_>,
    what: &'static str,
    min: u64,
    max: u64,
) -> Result<T, RuleError> {
    piece.number(what, min, max).map(|number| T::try_from(number).unwrap_or_default())
}
