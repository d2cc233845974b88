//! LOG.

use crate::rules::{
    error::RuleError,
    extension::Extension,
    family::Family,
    feature::Feature,
    option::{Given, Opt, Written},
    piece::{Case, number},
    problem::Problem,
    values::{
        flags::{Flag, Flags},
        text::text,
    },
    words::quoted,
};

/// The longest prefix in bytes: what `struct xt_log_info` has room for, less the final zero
/// (include/uapi/linux/netfilter/xt_LOG.h).
pub const MAX_PREFIX: usize = 29;

/// A packet is reported, and goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// `--log-prefix`: at most 29 bytes, without control characters; none is empty.
    pub prefix: String,
    /// `--log-level`.
    pub level: Level,
    /// What is reported beside the usual.
    pub details: Flags<Detail>,
}

/// Something that is reported on demand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// `--log-tcp-sequence`: the numbers of sequence and acknowledgement.
    TcpSequence,
    /// `--log-tcp-options`: the options of the TCP header.
    TcpOptions,
    /// `--log-ip-options`: the options of the IP header.
    IpOptions,
    /// `--log-uid`: the user whose socket sends.
    Uid,
    /// `--log-macdecode`: the hardware addresses and the type of the frame.
    Mac,
}

impl Flag for Detail {
    const WHAT: &'static str = "detail";
    const NAMES: &'static [(&'static str, Self)] = &[
        ("--log-tcp-sequence", Self::TcpSequence),
        ("--log-tcp-options", Self::TcpOptions),
        ("--log-ip-options", Self::IpOptions),
        ("--log-uid", Self::Uid),
        ("--log-macdecode", Self::Mac),
    ];
}

/// A level of syslog, from 0 (emergency) to 7 (debugging): RFC 5424, 6.2.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level(pub u8);

impl Default for Level {
    /// Warning.
    fn default() -> Self {
        Self(4)
    }
}

const LEVELS: &[(&str, u8)] = &[
    ("emerg", 0),
    ("panic", 0),
    ("alert", 1),
    ("crit", 2),
    ("error", 3),
    ("warning", 4),
    ("notice", 5),
    ("info", 6),
    ("debug", 7),
];

/// What the options said.
#[derive(Default)]
pub(in crate::rules) struct Draft {
    details: Flags<Detail>,
    prefix: Option<String>,
    level: Option<Level>,
}

/// The option for something that is reported too.
macro_rules! detail {
    ($name:literal, $detail:ident) => {
        Opt::<Self>::flag(
            $name,
            |draft, _| {
                draft.details.insert(Detail::$detail);
                Ok(())
            },
            |log| Written::flag(log.details.contains(Detail::$detail)),
        )
    };
}

impl Extension for Log {
    type Draft = Draft;
    const NAME: &'static str = "LOG";
    const FEATURE: Feature = Feature::Log;
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::<Self>::one(
            "--log-prefix",
            |draft, given| given.fill(&mut draft.prefix, prefix(given, MAX_PREFIX)?),
            |log| Written::option((!log.prefix.is_empty()).then(|| quoted(&log.prefix))),
        ),
        Opt::<Self>::one(
            "--log-level",
            |draft, given| given.fill(&mut draft.level, level(given)?),
            |log| Written::option((log.level != Level::default()).then_some(log.level.0)),
        ),
        detail!("--log-tcp-sequence", TcpSequence),
        detail!("--log-tcp-options", TcpOptions),
        detail!("--log-ip-options", IpOptions),
        detail!("--log-uid", Uid),
        detail!("--log-macdecode", Mac),
    ];

    fn finish(draft: Draft, _: Family) -> Result<Self, Problem> {
        Ok(Self {
            prefix: draft.prefix.unwrap_or_default(),
            level: draft.level.unwrap_or_default(),
            details: draft.details,
        })
    }
}

/// A prefix that is not empty.
pub(super) fn prefix(given: &Given<'_>, max: usize) -> Result<String, RuleError> {
    if given.first.text.is_empty() {
        return Err(given.first.wrong(Problem::Empty));
    }
    text(given.first, "a prefix", max)
}

fn level(given: &Given<'_>) -> Result<Level, RuleError> {
    let by_number =
        number(given.first.text).and_then(|number| u8::try_from(number).ok()).filter(|&level| level < 8);
    match by_number {
        Some(level) => Ok(Level(level)),
        None => given.first.choose("level of syslog", Case::Exact, LEVELS).map(Level),
    }
}
