//! `-m icmp6`.

use std::fmt;

use super::icmp_names::{ICMP6, read};
use crate::rules::{
    condition::Condition,
    error::RuleError,
    extension::{Extension, Needs},
    family::Family,
    feature::Feature,
    option::{Opt, Written},
    piece::Piece,
    problem::Problem,
    values::{Literal, protocol::Protocol},
};

/// Type and code of ICMPv6.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Icmp6 {
    /// `--icmpv6-type`.
    pub kind: Condition<Icmp6Type>,
}

/// What kind of message is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Icmp6Type {
    /// Every one of a type.
    Type(u8),
    /// One of a type and code.
    Code(u8, u8),
}

impl Extension for Icmp6 {
    type Draft = Option<Condition<Icmp6Type>>;
    const NAME: &'static str = "icmp6";
    const ALIASES: &'static [&'static str] = &["icmpv6", "ipv6-icmp"];
    const ONLY: Option<(Family, &'static str)> = Some((Family::Ipv6, "use -m icmp"));
    const FEATURE: Feature = Feature::Filter;
    const OPTIONS: &'static [Opt<Self>] = &[Opt::<Self>::one(
        "--icmpv6-type",
        |draft, given| given.put_condition(draft),
        |icmp6| Written::conditional(Some(&icmp6.kind)),
    )
    .alias(&["--icmp6-type"])
    .negatable()];

    fn finish(draft: Self::Draft, _: Family) -> Result<Self, Problem> {
        draft.map(|kind| Self { kind }).ok_or(Problem::Required { option: "--icmpv6-type" })
    }

    fn protocols(&self, _: Family) -> Needs {
        Needs { protocols: &[Protocol::ICMPV6], options: "-p ipv6-icmp" }
    }
}

impl Literal for Icmp6Type {
    fn read(piece: Piece<'_>, _: Family) -> Result<Self, RuleError> {
        read(piece, ICMP6).map(|kind| match kind {
            (kind, None) => Self::Type(kind),
            (kind, Some(code)) => Self::Code(kind, code),
        })
    }
}

impl fmt::Display for Icmp6Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Type(kind) => write!(f, "{kind}"),
            Self::Code(kind, code) => write!(f, "{kind}/{code}"),
        }
    }
}
