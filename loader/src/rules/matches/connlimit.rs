//! `-m connlimit`.

use crate::rules::{
    error::RuleError,
    extension::Extension,
    family::Family,
    feature::Feature,
    option::{Given, Opt, Written},
    piece::{Piece, number},
    problem::Problem,
    values::{Literal, network::Network},
};

/// How many flows there are between this host and addresses of one prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connlimit {
    /// Whether it agrees up to that many, or above.
    pub bound: Bound,
    /// `--connlimit-mask`: the length of the prefix.
    pub prefix: u8,
    /// Whose addresses are meant.
    pub side: Side,
}

/// How many flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// `--connlimit-upto`: this many or fewer.
    Upto(u32),
    /// `--connlimit-above`: more than this many.
    Above(u32),
}

/// Whose addresses are meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Side {
    /// `--connlimit-saddr`.
    #[default]
    Source,
    /// `--connlimit-daddr`.
    Destination,
}

/// What the options said.
#[derive(Default)]
pub(in crate::rules) struct Draft {
    bound: Option<Bound>,
    prefix: Option<u8>,
    side: Option<Side>,
}

impl Extension for Connlimit {
    type Draft = Draft;
    const NAME: &'static str = "connlimit";
    const FEATURE: Feature = Feature::Connlimit;
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::<Self>::one(
            "--connlimit-upto",
            |draft, given| {
                let count = u32::read(given.first, given.family)?;
                let bound = if given.negated { Bound::Above(count) } else { Bound::Upto(count) };
                given.fill(&mut draft.bound, bound)
            },
            |connlimit| match connlimit.bound {
                Bound::Upto(count) => Written::option(Some(count)),
                Bound::Above(_) => None,
            },
        )
        .negatable(),
        Opt::<Self>::one(
            "--connlimit-above",
            |draft, given| {
                let count = u32::read(given.first, given.family)?;
                let bound = if given.negated { Bound::Upto(count) } else { Bound::Above(count) };
                given.fill(&mut draft.bound, bound)
            },
            |connlimit| match connlimit.bound {
                Bound::Upto(_) => None,
                Bound::Above(count) => Written::option(Some(count)),
            },
        )
        .negatable(),
        Opt::<Self>::one(
            "--connlimit-mask",
            |draft, given| {
                let prefix = prefix(given.first, given)?;
                given.fill(&mut draft.prefix, prefix)
            },
            |connlimit| Written::option(Some(connlimit.prefix)),
        ),
        Opt::<Self>::flag(
            "--connlimit-saddr",
            |draft, given| given.fill(&mut draft.side, Side::Source),
            |connlimit| Written::flag(connlimit.side == Side::Source),
        ),
        Opt::<Self>::flag(
            "--connlimit-daddr",
            |draft, given| given.fill(&mut draft.side, Side::Destination),
            |connlimit| Written::flag(connlimit.side == Side::Destination),
        ),
    ];

    fn finish(draft: Draft, family: Family) -> Result<Self, Problem> {
        Ok(Self {
            bound: draft
                .bound
                .ok_or(Problem::Required { option: "--connlimit-upto or --connlimit-above" })?,
            prefix: draft.prefix.unwrap_or(family.bits()),
            side: draft.side.unwrap_or_default(),
        })
    }
}

/// A prefix length, or a mask without holes.
fn prefix(piece: Piece<'_>, given: &Given<'_>) -> Result<u8, RuleError> {
    let max = given.family.bits();
    let wrong = || piece.wrong(Problem::NotAMask { max });
    if let Some(length) = number(piece.text) {
        return u8::try_from(length).ok().filter(|&length| length <= max).ok_or_else(wrong);
    }
    // A network of that mask, whatever its address, has the length.
    let any = match given.family {
        Family::Ipv4 => "0.0.0.0/",
        Family::Ipv6 => "::/",
    };
    let text = format!("{any}{}", piece.text);
    let network =
        Network::read(Piece { text: &text, column: piece.column }, given.family).map_err(|_| wrong())?;
    let length = network.prefix().ok_or_else(|| piece.wrong(Problem::MaskWithHoles))?;
    u8::try_from(length).map_err(|_| wrong())
}
