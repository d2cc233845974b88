//! `-m iprange`.

use crate::rules::{
    condition::Condition,
    extension::Extension,
    family::Family,
    feature::Feature,
    option::{Opt, Written},
    problem::Problem,
    values::range::AddressRange,
};

/// Ranges of addresses; at least one is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Iprange {
    /// `--src-range`.
    pub source: Option<Condition<AddressRange>>,
    /// `--dst-range`.
    pub destination: Option<Condition<AddressRange>>,
}

impl Extension for Iprange {
    type Draft = Self;
    const NAME: &'static str = "iprange";
    const FEATURE: Feature = Feature::Iprange;
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::<Self>::one(
            "--src-range",
            |draft, given| given.put_condition(&mut draft.source),
            |iprange| Written::conditional(iprange.source.as_ref()),
        )
        .negatable(),
        Opt::<Self>::one(
            "--dst-range",
            |draft, given| given.put_condition(&mut draft.destination),
            |iprange| Written::conditional(iprange.destination.as_ref()),
        )
        .negatable(),
    ];

    fn finish(draft: Self, _: Family) -> Result<Self, Problem> {
        match draft {
            Self { source: None, destination: None } => {
                Err(Problem::Required { option: "--src-range or --dst-range" })
            }
            Self { .. } => Ok(draft),
        }
    }
}
