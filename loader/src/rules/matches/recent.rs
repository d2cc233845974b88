//! `-m recent`.

use std::net::IpAddr;

use crate::rules::{
    error::RuleError,
    extension::Extension,
    family::Family,
    feature::Feature,
    option::{Given, Opt, Written},
    problem::Problem,
    values::{name::Name, number::between, range::address, text6::Text6},
};

/// The longest name in bytes: `XT_RECENT_NAME_LEN` less the final zero (include/uapi/linux/netfilter/xt_recent.h).
const MAX_NAME: usize = 199;

/// Most hits: times that the kernel remembers for one address (`XT_RECENT_MAX_NSTAMPS` in net/netfilter/xt_recent.c, less
/// one).
const MAX_HITS: u64 = 65_535;

/// The list where none is named.
const DEFAULT_NAME: &str = "DEFAULT";

/// Lists of addresses that were seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recent {
    /// Whether `!` stands before the action: the match then agrees where it else would not.
    pub negated: bool,
    /// What is done.
    pub action: Action,
    /// `--name`: rules of one name share their list.
    pub name: Name,
    /// `--mask`: the bits of the address that count.
    pub mask: IpAddr,
    /// Whose address is meant.
    pub side: Side,
}

/// What is done with the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// `--set`: the address is added, or its time renewed.
    Set,
    /// `--rcheck`: is it in the list?
    Check(Seen),
    /// `--update`: is it in the list? If so its time is renewed.
    Update(Seen),
    /// `--remove`: is it in the list? If so it is removed.
    Remove,
}

/// How often and when the address must have been seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// `--seconds`: within so many; at least one.
    pub seconds: Option<u32>,
    /// `--reap`: older entries are removed on the way; only with `seconds`.
    pub reap: bool,
    /// `--hitcount`: so often; at least once.
    pub hits: Option<u16>,
    /// `--rttl`: with this packet's time to live.
    pub same_ttl: bool,
}

/// Whose address is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Side {
    /// `--rsource`: the sender's.
    #[default]
    Source,
    /// `--rdest`: the receiver's.
    Destination,
}

/// What the options said.
#[derive(Default)]
pub(in crate::rules) struct Draft {
    action: Option<(Verb, bool)>,
    seen: Seen,
    name: Option<Name>,
    mask: Option<IpAddr>,
    side: Side,
}

/// The options of which there is one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::rules) enum Verb {
    Set,
    Check,
    Update,
    Remove,
}

impl Extension for Recent {
    type Draft = Draft;
    const NAME: &'static str = "recent";
    const FEATURE: Feature = Feature::Recent;
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::<Self>::flag(
            "--set",
            |draft, given| act(draft, given, Verb::Set),
            |recent| recent.written(Verb::Set),
        )
        .negatable(),
        Opt::<Self>::flag(
            "--rcheck",
            |draft, given| act(draft, given, Verb::Check),
            |recent| recent.written(Verb::Check),
        )
        .negatable(),
        Opt::<Self>::flag(
            "--update",
            |draft, given| act(draft, given, Verb::Update),
            |recent| recent.written(Verb::Update),
        )
        .negatable(),
        Opt::<Self>::flag(
            "--remove",
            |draft, given| act(draft, given, Verb::Remove),
            |recent| recent.written(Verb::Remove),
        )
        .negatable(),
        Opt::<Self>::one(
            "--seconds",
            |draft, given| {
                let seconds = between(given.first, "number of seconds", 1, u32::MAX.into())?;
                given.fill(&mut draft.seen.seconds, seconds)
            },
            |recent| Written::option(recent.action.seen().seconds),
        ),
        Opt::<Self>::flag(
            "--reap",
            |draft, _| {
                draft.seen.reap = true;
                Ok(())
            },
            |recent| Written::flag(recent.action.seen().reap),
        ),
        Opt::<Self>::one(
            "--hitcount",
            |draft, given| {
                given.fill(&mut draft.seen.hits, between(given.first, "number of hits", 0, MAX_HITS)?)
            },
            |recent| Written::option(recent.action.seen().hits),
        ),
        Opt::<Self>::flag(
            "--rttl",
            |draft, _| {
                draft.seen.same_ttl = true;
                Ok(())
            },
            |recent| Written::flag(recent.action.seen().same_ttl),
        ),
        Opt::<Self>::one(
            "--name",
            |draft, given| given.fill(&mut draft.name, Name::read_file(given.first, "list", MAX_NAME)?),
            |recent| Written::option(Some(&recent.name)),
        ),
        Opt::<Self>::one(
            "--mask",
            |draft, given| given.fill(&mut draft.mask, address(given.first, given.family)?),
            |recent| match recent.mask {
                IpAddr::V4(mask) => Written::option(Some(mask)),
                IpAddr::V6(mask) => Written::option(Some(Text6(mask))),
            },
        ),
        Opt::<Self>::flag(
            "--rsource",
            |draft, _| {
                draft.side = Side::Source;
                Ok(())
            },
            |recent| Written::flag(recent.side == Side::Source),
        ),
        Opt::<Self>::flag(
            "--rdest",
            |draft, _| {
                draft.side = Side::Destination;
                Ok(())
            },
            |recent| Written::flag(recent.side == Side::Destination),
        ),
    ];

    fn finish(draft: Draft, family: Family) -> Result<Self, Problem> {
        let (verb, negated) =
            draft.action.ok_or(Problem::Required { option: "--set, --rcheck, --update or --remove" })?;
        let seen = Seen { hits: draft.seen.hits.filter(|&hits| hits != 0), ..draft.seen };
        if seen.reap && seen.seconds.is_none() {
            return Err(Problem::Required { option: "--seconds where --reap is" });
        }
        let action = match verb {
            Verb::Check => Action::Check(seen),
            Verb::Update => Action::Update(seen),
            Verb::Set | Verb::Remove if seen != Seen::default() => {
                return Err(Problem::Required {
                    option: "--rcheck or --update for --seconds, --hitcount and --rttl",
                });
            }
            Verb::Set => Action::Set,
            Verb::Remove => Action::Remove,
        };
        let name = match draft.name {
            Some(name) => name,
            None => Name::fixed(DEFAULT_NAME),
        };
        Ok(Self { negated, action, name, mask: draft.mask.unwrap_or(whole(family)), side: draft.side })
    }
}

impl Recent {
    fn written(&self, verb: Verb) -> Option<Written> {
        let own = match self.action {
            Action::Set => Verb::Set,
            Action::Check(_) => Verb::Check,
            Action::Update(_) => Verb::Update,
            Action::Remove => Verb::Remove,
        };
        (own == verb).then(|| Written { negated: self.negated, words: String::new() })
    }
}

impl Action {
    const fn seen(&self) -> Seen {
        match self {
            Self::Check(seen) | Self::Update(seen) => *seen,
            Self::Set | Self::Remove => Seen { seconds: None, reap: false, hits: None, same_ttl: false },
        }
    }
}

fn act(draft: &mut Draft, given: &Given<'_>, verb: Verb) -> Result<(), RuleError> {
    given.fill(&mut draft.action, (verb, given.negated))
}

/// The mask of whole addresses.
const fn whole(family: Family) -> IpAddr {
    match family {
        Family::Ipv4 => IpAddr::V4(std::net::Ipv4Addr::BROADCAST),
        Family::Ipv6 => IpAddr::V6(std::net::Ipv6Addr::from_bits(u128::MAX)),
    }
}
