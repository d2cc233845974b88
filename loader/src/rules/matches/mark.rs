//! `-m mark`.

use crate::rules::{
    condition::Condition,
    extension::Extension,
    family::Family,
    feature::Feature,
    option::{Opt, Written},
    problem::Problem,
    values::mark::MaskedMark,
};

/// The mark of the packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// `--mark`.
    pub mark: Condition<MaskedMark>,
}

impl Extension for Mark {
    type Draft = Option<Condition<MaskedMark>>;
    const NAME: &'static str = "mark";
    const FEATURE: Feature = Feature::Mark;
    const OPTIONS: &'static [Opt<Self>] = &[Opt::<Self>::one(
        "--mark",
        |draft, given| given.put_condition(draft),
        |mark| Written::conditional(Some(&mark.mark)),
    )
    .negatable()];

    fn finish(draft: Self::Draft, _: Family) -> Result<Self, Problem> {
        draft.map(|mark| Self { mark }).ok_or(Problem::Required { option: "--mark" })
    }
}
