//! `-m hl`.

use crate::rules::{
    condition::Condition,
    extension::Extension,
    family::Family,
    feature::Feature,
    option::{Opt, Written},
    problem::Problem,
    values::Literal,
};

/// The hop limit of IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hl {
    /// `--hl-eq`.
    Is(Condition<u8>),
    /// `--hl-lt`.
    Below(u8),
    /// `--hl-gt`.
    Above(u8),
}

impl Extension for Hl {
    type Draft = Option<Self>;
    const NAME: &'static str = "hl";
    const ONLY: Option<(Family, &'static str)> = Some((Family::Ipv6, "use -m ttl"));
    const FEATURE: Feature = Feature::Hl;
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::<Self>::one(
            "--hl-eq",
            |draft, given| {
                let value = given.condition(u8::read(given.first, given.family)?);
                given.fill(draft, Self::Is(value))
            },
            |hl| match hl {
                Self::Is(value) => Written::conditional(Some(value)),
                Self::Below(_) | Self::Above(_) => None,
            },
        )
        .alias(&["--hl"])
        .negatable(),
        Opt::<Self>::one(
            "--hl-lt",
            |draft, given| given.fill(draft, Self::Below(u8::read(given.first, given.family)?)),
            |hl| match hl {
                Self::Below(value) => Written::option(Some(value)),
                Self::Is(_) | Self::Above(_) => None,
            },
        ),
        Opt::<Self>::one(
            "--hl-gt",
            |draft, given| given.fill(draft, Self::Above(u8::read(given.first, given.family)?)),
            |hl| match hl {
                Self::Above(value) => Written::option(Some(value)),
                Self::Is(_) | Self::Below(_) => None,
            },
        ),
    ];

    fn finish(draft: Option<Self>, _: Family) -> Result<Self, Problem> {
        draft.ok_or(Problem::Required { option: "--hl-eq, --hl-lt or --hl-gt" })
    }
}
