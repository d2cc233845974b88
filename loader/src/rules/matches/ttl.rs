//! `-m ttl`.

use crate::rules::{
    condition::Condition,
    extension::Extension,
    family::Family,
    feature::Feature,
    option::{Opt, Written},
    problem::Problem,
    values::Literal,
};

/// The time to live of IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ttl {
    /// `--ttl-eq`.
    Is(Condition<u8>),
    /// `--ttl-lt`.
    Below(u8),
    /// `--ttl-gt`.
    Above(u8),
}

impl Extension for Ttl {
    type Draft = Option<Self>;
    const NAME: &'static str = "ttl";
    const ONLY: Option<(Family, &'static str)> = Some((Family::Ipv4, "use -m hl"));
    const FEATURE: Feature = Feature::Ttl;
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::<Self>::one(
            "--ttl-eq",
            |draft, given| {
                let value = given.condition(u8::read(given.first, given.family)?);
                given.fill(draft, Self::Is(value))
            },
            |ttl| match ttl {
                Self::Is(value) => Written::conditional(Some(value)),
                Self::Below(_) | Self::Above(_) => None,
            },
        )
        .alias(&["--ttl"])
        .negatable(),
        Opt::<Self>::one(
            "--ttl-lt",
            |draft, given| given.fill(draft, Self::Below(u8::read(given.first, given.family)?)),
            |ttl| match ttl {
                Self::Below(value) => Written::option(Some(value)),
                Self::Is(_) | Self::Above(_) => None,
            },
        ),
        Opt::<Self>::one(
            "--ttl-gt",
            |draft, given| given.fill(draft, Self::Above(u8::read(given.first, given.family)?)),
            |ttl| match ttl {
                Self::Above(value) => Written::option(Some(value)),
                Self::Is(_) | Self::Below(_) => None,
            },
        ),
    ];

    fn finish(draft: Option<Self>, _: Family) -> Result<Self, Problem> {
        draft.ok_or(Problem::Required { option: "--ttl-eq, --ttl-lt or --ttl-gt" })
    }
}
