//! `-m hashlimit`.

use crate::rules::{
    error::RuleError,
    extension::Extension,
    family::Family,
    feature::Feature,
    option::{Arity, Given, Opt, Written},
    piece::Case,
    problem::Problem,
    values::{
        flags::{Flag, Flags},
        name::Name,
        number::between,
        rate::Rate,
    },
};

/// How finely rates are kept: `XT_HASHLIMIT_SCALE_v2` (net/netfilter/xt_hashlimit.c).
pub const SCALE: u64 = 1_000_000;

/// The longest name in bytes: `NAME_MAX` less the final zero, as the name is a file's under /proc.
const MAX_NAME: usize = 254;

/// The burst where none is given, and the greatest (iptables' libxt_hashlimit.c).
const DEFAULT_BURST: u32 = 5;
const MAX_BURST: u64 = 1_000_000;

/// The interval of sweeps where none is given, in milliseconds.
const DEFAULT_SWEEP: u32 = 1_000;

/// How often packets of one kind come: a bucket of tokens for each kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hashlimit {
    /// Whether the match agrees while there are tokens, or once there are none.
    pub sense: Sense,
    /// How often a token is added.
    pub rate: Rate<SCALE>,
    /// `--hashlimit-burst`: how many tokens a bucket holds, and has at first; 1 to 1,000,000.
    pub burst: u32,
    /// `--hashlimit-mode`: what makes packets be of one kind; none is one bucket for all.
    pub mode: Flags<Key>,
    /// `--hashlimit-name`: rules of one name share their buckets.
    pub name: Name,
    /// `--hashlimit-htable-size`: places in the kernel's table; none leaves it to the kernel.
    pub size: Option<u32>,
    /// `--hashlimit-htable-max`: most buckets; none leaves it to the kernel.
    pub max: Option<u32>,
    /// `--hashlimit-htable-gcinterval`: the time between sweeps, in milliseconds.
    pub sweep: u32,
    /// `--hashlimit-htable-expire`: how long an unused bucket is kept, in milliseconds.
    pub expire: u32,
    /// `--hashlimit-srcmask`: the length of the prefix that sources of one kind share; none is whole addresses.
    pub source_prefix: Option<u8>,
    /// `--hashlimit-dstmask`: the same of destinations.
    pub destination_prefix: Option<u8>,
}

/// Whether the match agrees while there are tokens, or once there are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sense {
    /// `--hashlimit-upto`.
    Upto,
    /// `--hashlimit-above`.
    Above,
}

/// Something that packets of one kind have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// The sender's address.
    SourceAddress,
    /// The sender's port.
    SourcePort,
    /// The receiver's address.
    DestinationAddress,
    /// The receiver's port.
    DestinationPort,
}

impl Flag for Key {
    const WHAT: &'static str = "mode of hashlimit";
    const NAMES: &'static [(&'static str, Self)] = &[
        ("srcip", Self::SourceAddress),
        ("srcport", Self::SourcePort),
        ("dstip", Self::DestinationAddress),
        ("dstport", Self::DestinationPort),
    ];
}

/// What the options said.
#[derive(Default)]
pub(in crate::rules) struct Draft {
    rate: Option<(Sense, Rate<SCALE>, u64)>,
    burst: Option<u32>,
    mode: Option<Flags<Key>>,
    name: Option<Name>,
    size: Option<u32>,
    max: Option<u32>,
    sweep: Option<u32>,
    expire: Option<u32>,
    source_prefix: Option<u8>,
    destination_prefix: Option<u8>,
}

const BY_PACKETS: &str = "rates count packets here; write packets per second";

impl Extension for Hashlimit {
    type Draft = Draft;
    const NAME: &'static str = "hashlimit";
    const FEATURE: Feature = Feature::Hashlimit;
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::<Self>::one(
            "--hashlimit-upto",
            |draft, given| rate(draft, given, if given.negated { Sense::Above } else { Sense::Upto }),
            |hashlimit| Written::option((hashlimit.sense == Sense::Upto).then_some(hashlimit.rate)),
        )
        .alias(&["--hashlimit"])
        .negatable(),
        Opt::<Self>::one(
            "--hashlimit-above",
            |draft, given| rate(draft, given, if given.negated { Sense::Upto } else { Sense::Above }),
            |hashlimit| Written::option((hashlimit.sense == Sense::Above).then_some(hashlimit.rate)),
        )
        .negatable(),
        Opt::<Self>::one(
            "--hashlimit-burst",
            |draft, given| given.fill(&mut draft.burst, between(given.first, "burst", 1, MAX_BURST)?),
            |hashlimit| Written::option(Some(hashlimit.burst)),
        ),
        Opt::<Self>::one(
            "--hashlimit-mode",
            |draft, given| given.fill(&mut draft.mode, Flags::list(given.first, Case::Exact)?),
            |hashlimit| Written::option((!hashlimit.mode.is_empty()).then_some(hashlimit.mode)),
        ),
        Opt::<Self>::one(
            "--hashlimit-name",
            |draft, given| given.fill(&mut draft.name, Name::read_file(given.first, "hashlimit", MAX_NAME)?),
            |hashlimit| Written::option(Some(&hashlimit.name)),
        ),
        Opt::<Self>::one(
            "--hashlimit-htable-size",
            |draft, given| given.put(&mut draft.size),
            |hashlimit| Written::option(hashlimit.size),
        ),
        Opt::<Self>::one(
            "--hashlimit-htable-max",
            |draft, given| given.put(&mut draft.max),
            |hashlimit| Written::option(hashlimit.max),
        ),
        Opt::<Self>::one(
            "--hashlimit-htable-gcinterval",
            |draft, given| given.fill(&mut draft.sweep, milliseconds(given)?),
            |hashlimit| Written::option((hashlimit.sweep != DEFAULT_SWEEP).then_some(hashlimit.sweep)),
        ),
        Opt::<Self>::one(
            "--hashlimit-htable-expire",
            |draft, given| given.fill(&mut draft.expire, milliseconds(given)?),
            |hashlimit| {
                let usual = default_expire(hashlimit.rate.unit());
                Written::option((hashlimit.expire != usual).then_some(hashlimit.expire))
            },
        ),
        Opt::<Self>::one(
            "--hashlimit-srcmask",
            |draft, given| given.fill(&mut draft.source_prefix, prefix(given)?),
            |hashlimit| Written::option(hashlimit.source_prefix),
        ),
        Opt::<Self>::one(
            "--hashlimit-dstmask",
            |draft, given| given.fill(&mut draft.destination_prefix, prefix(given)?),
            |hashlimit| Written::option(hashlimit.destination_prefix),
        ),
        Opt::<Self>::refused("--hashlimit-rate-match", Arity::None, BY_PACKETS),
        Opt::<Self>::refused("--hashlimit-rate-interval", Arity::One, BY_PACKETS),
    ];

    fn finish(draft: Draft, family: Family) -> Result<Self, Problem> {
        let (sense, rate, unit) =
            draft.rate.ok_or(Problem::Required { option: "--hashlimit-upto or --hashlimit-above" })?;
        let whole = |prefix: Option<u8>| prefix.filter(|&prefix| prefix != family.bits());
        Ok(Self {
            sense,
            rate,
            burst: draft.burst.unwrap_or(DEFAULT_BURST),
            mode: draft.mode.unwrap_or_default(),
            name: draft.name.ok_or(Problem::Required { option: "--hashlimit-name" })?,
            size: draft.size.filter(|&size| size != 0),
            max: draft.max.filter(|&max| max != 0),
            sweep: draft.sweep.unwrap_or(DEFAULT_SWEEP),
            expire: draft.expire.unwrap_or_else(|| default_expire(unit)),
            source_prefix: whole(draft.source_prefix),
            destination_prefix: whole(draft.destination_prefix),
        })
    }
}

fn rate(draft: &mut Draft, given: &Given<'_>, sense: Sense) -> Result<(), RuleError> {
    let bytes = given.first.text.split_once('/').is_some_and(|(number, _)| number.ends_with('b'));
    if bytes || given.first.text.ends_with('b') {
        return Err(given.first.wrong(Problem::Unsupported { instead: BY_PACKETS }));
    }
    let (rate, unit) = Rate::read(given.first)?;
    given.fill(&mut draft.rate, (sense, rate, unit))
}

fn milliseconds(given: &Given<'_>) -> Result<u32, RuleError> {
    between(given.first, "number of milliseconds", 1, u32::MAX.into())
}

fn prefix(given: &Given<'_>) -> Result<u8, RuleError> {
    between(given.first, "prefix length", 0, given.family.bits().into())
}

/// How long an unused bucket is kept unless the rule says: one of the rate's units (iptables' libxt_hashlimit.c).
fn default_expire(unit: u64) -> u32 {
    u32::try_from(unit * 1_000).unwrap_or(u32::MAX)
}
