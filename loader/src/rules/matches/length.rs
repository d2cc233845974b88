//! `-m length`.

use std::fmt;

use crate::rules::{
    condition::Condition,
    error::RuleError,
    extension::Extension,
    family::Family,
    feature::Feature,
    option::{Opt, Written},
    piece::Piece,
    problem::Problem,
    values::{Literal, number::between},
};

/// The length of the packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Length {
    /// `--length`.
    pub length: Condition<LengthRange>,
}

/// Lengths from one to another, both included, in bytes from the IP header on; the first is not above the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LengthRange {
    /// The least.
    pub first: u16,
    /// The greatest.
    pub last: u16,
}

impl Extension for Length {
    type Draft = Option<Condition<LengthRange>>;
    const NAME: &'static str = "length";
    const FEATURE: Feature = Feature::Length;
    const OPTIONS: &'static [Opt<Self>] = &[Opt::<Self>::one(
        "--length",
        |draft, given| given.put_condition(draft),
        |length| Written::conditional(Some(&length.length)),
    )
    .negatable()];

    fn finish(draft: Self::Draft, _: Family) -> Result<Self, Problem> {
        draft.map(|length| Self { length }).ok_or(Problem::Required { option: "--length" })
    }
}

impl Literal for LengthRange {
    fn read(piece: Piece<'_>, _: Family) -> Result<Self, RuleError> {
        let number = |piece: Piece<'_>| between(piece, "length", 0, u16::MAX.into());
        let Some((first, last)) = piece.split_once(':') else {
            return number(piece).map(|length| Self { first: length, last: length });
        };
        let first = if first.text.is_empty() { 0 } else { number(first)? };
        let last = if last.text.is_empty() { u16::MAX } else { number(last)? };
        if first > last { Err(piece.wrong(Problem::Backwards)) } else { Ok(Self { first, last }) }
    }
}

impl fmt::Display for LengthRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, last } = self;
        if first == last { write!(f, "{first}") } else { write!(f, "{first}:{last}") }
    }
}
