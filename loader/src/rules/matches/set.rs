//! `-m set`.

use crate::rules::{
    error::RuleError,
    extension::Extension,
    family::Family,
    feature::Feature,
    option::{Arity, Given, Opt, Written},
    piece::Case,
    problem::Problem,
    values::name::Name,
};

/// The longest name in bytes: `IPSET_MAXNAMELEN` less the final zero (include/uapi/linux/netfilter/ipset/ip_set.h).
pub const MAX_NAME: usize = 31;

/// Most directions: `IPSET_DIM_MAX` (the same file).
pub const MAX_DIRECTIONS: usize = 6;

/// Named sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    /// Whether packets that are not in it are meant.
    pub negated: bool,
    /// Its name.
    pub name: Name,
    /// Which end of the packet each part of an entry is looked up with; 1 to 6.
    pub directions: Vec<Direction>,
}

/// An end of the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The sender.
    Source,
    /// The receiver.
    Destination,
}

const DIRECTIONS: &[(&str, Direction)] = &[("src", Direction::Source), ("dst", Direction::Destination)];

const MEMBERSHIP: &str = "whether a packet is in the set is all that can be asked";

impl Extension for Set {
    type Draft = Option<Self>;
    const NAME: &'static str = "set";
    const FEATURE: Feature = Feature::Set;
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::<Self>::two("--match-set", put, |set| {
            let directions = set.directions.iter().map(|direction| direction.name()).collect::<Vec<_>>();
            Some(Written { negated: set.negated, words: format!("{} {}", set.name, directions.join(",")) })
        })
        .alias(&["--set"])
        .negatable(),
        Opt::<Self>::refused("--return-nomatch", Arity::None, MEMBERSHIP),
        Opt::<Self>::refused("--update-counters", Arity::None, MEMBERSHIP),
        Opt::<Self>::refused("--update-subcounters", Arity::None, MEMBERSHIP),
        Opt::<Self>::refused("--packets-eq", Arity::One, MEMBERSHIP),
        Opt::<Self>::refused("--packets-lt", Arity::One, MEMBERSHIP),
        Opt::<Self>::refused("--packets-gt", Arity::One, MEMBERSHIP),
        Opt::<Self>::refused("--bytes-eq", Arity::One, MEMBERSHIP),
        Opt::<Self>::refused("--bytes-lt", Arity::One, MEMBERSHIP),
        Opt::<Self>::refused("--bytes-gt", Arity::One, MEMBERSHIP),
    ];

    fn finish(draft: Option<Self>, _: Family) -> Result<Self, Problem> {
        draft.ok_or(Problem::Required { option: "--match-set" })
    }
}

fn put(draft: &mut Option<Set>, given: &Given<'_>) -> Result<(), RuleError> {
    let name = Name::read(given.first, "set", MAX_NAME)?;
    let mut directions = Vec::new();
    for part in given.second.split(',') {
        if directions.len() == MAX_DIRECTIONS {
            return Err(part.wrong(Problem::TooManyDirections { max: MAX_DIRECTIONS }));
        }
        directions.push(part.choose("direction; write src or dst", Case::Exact, DIRECTIONS)?);
    }
    given.fill(draft, Set { negated: given.negated, name, directions })
}

impl Direction {
    const fn name(self) -> &'static str {
        match self {
            Self::Source => "src",
            Self::Destination => "dst",
        }
    }
}
