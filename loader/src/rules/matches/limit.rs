//! `-m limit`.

use crate::rules::{
    extension::Extension,
    family::Family,
    feature::Feature,
    option::{Opt, Written},
    problem::Problem,
    values::{number::between, rate::Rate},
};

/// How finely rates are kept: `XT_LIMIT_SCALE` (include/uapi/linux/netfilter/xt_limit.h).
pub const SCALE: u64 = 10_000;

/// The burst where none is given, and the rate (iptables' libxt_limit.c).
const DEFAULT_BURST: u32 = 5;
const DEFAULT_RATE: Rate<SCALE> = Rate::new(3, 3_600);

/// The greatest burst that iptables takes.
const MAX_BURST: u64 = 10_000;

/// How often packets come: a bucket of tokens, of which each packet that is asked about takes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// `--limit`: how often a token is added.
    pub rate: Rate<SCALE>,
    /// `--limit-burst`: how many tokens the bucket holds, and has at first; 1 to 10,000.
    pub burst: u32,
}

/// What the options said.
#[derive(Default)]
pub(in crate::rules) struct Draft {
    rate: Option<Rate<SCALE>>,
    burst: Option<u32>,
}

impl Extension for Limit {
    type Draft = Draft;
    const NAME: &'static str = "limit";
    const FEATURE: Feature = Feature::Limit;
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::<Self>::one(
            "--limit",
            |draft, given| given.fill(&mut draft.rate, Rate::read(given.first)?.0),
            |limit| Written::option(Some(limit.rate)),
        ),
        Opt::<Self>::one(
            "--limit-burst",
            |draft, given| given.fill(&mut draft.burst, between(given.first, "burst", 1, MAX_BURST)?),
            |limit| Written::option((limit.burst != DEFAULT_BURST).then_some(limit.burst)),
        ),
    ];

    fn finish(draft: Draft, _: Family) -> Result<Self, Problem> {
        Ok(Self { rate: draft.rate.unwrap_or(DEFAULT_RATE), burst: draft.burst.unwrap_or(DEFAULT_BURST) })
    }
}
