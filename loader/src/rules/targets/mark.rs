//! MARK.

use std::fmt;

use crate::rules::{
    error::RuleError,
    extension::Extension,
    family::Family,
    feature::Feature,
    option::{Given, Opt, Written},
    problem::Problem,
    values::{
        Literal,
        mark::{MaskedMark, word},
    },
};

/// A packet's mark is changed, and it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// How.
    pub change: Change,
}

/// `--set-xmark`, by which all other options can be said: the bits of `clear` become zero, then those of `flip` change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The bits that become zero first.
    pub clear: u32,
    /// The bits that change then.
    pub flip: u32,
}

impl Extension for Mark {
    type Draft = Option<Change>;
    const NAME: &'static str = "MARK";
    const FEATURE: Feature = Feature::Mark;
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::<Self>::one(
            "--set-xmark",
            |draft, given| given.fill(draft, set_xmark(given)?),
            |mark| Written::option(Some(mark.change)),
        ),
        Opt::<Self>::one("--set-mark", |draft, given| given.fill(draft, set_mark(given)?), |_| None),
        Opt::<Self>::one("--and-mark", |draft, given| given.fill(draft, and_mark(given)?), |_| None),
        Opt::<Self>::one("--or-mark", |draft, given| given.fill(draft, or_mark(given)?), |_| None),
        Opt::<Self>::one("--xor-mark", |draft, given| given.fill(draft, xor_mark(given)?), |_| None),
    ];

    fn finish(draft: Self::Draft, _: Family) -> Result<Self, Problem> {
        draft.map(|change| Self { change }).ok_or(Problem::Required { option: "--set-mark or --set-xmark" })
    }
}

impl Change {
    /// What becomes of a mark.
    pub const fn apply(self, mark: u32) -> u32 {
        mark & !self.clear ^ self.flip
    }
}

pub(super) fn set_xmark(given: &Given<'_>) -> Result<Change, RuleError> {
    let MaskedMark { value, mask } = MaskedMark::read(given.first, given.family)?;
    Ok(Change { clear: mask, flip: value })
}

/// The bits of the value are set, those of the mask beside them are cleared.
pub(super) fn set_mark(given: &Given<'_>) -> Result<Change, RuleError> {
    let MaskedMark { value, mask } = MaskedMark::read(given.first, given.family)?;
    Ok(Change { clear: value | mask, flip: value })
}

pub(super) fn and_mark(given: &Given<'_>) -> Result<Change, RuleError> {
    word(given.first).map(|bits| Change { clear: !bits, flip: 0 })
}

pub(super) fn or_mark(given: &Given<'_>) -> Result<Change, RuleError> {
    word(given.first).map(|bits| Change { clear: bits, flip: bits })
}

pub(super) fn xor_mark(given: &Given<'_>) -> Result<Change, RuleError> {
    word(given.first).map(|bits| Change { clear: 0, flip: bits })
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}/{:#x}", self.flip, self.clear)
    }
}
