//! `-m icmp`.

use std::fmt;

use super::icmp_names::{ICMP, read};
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

/// Type and code of ICMP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Icmp {
    /// `--icmp-type`.
    pub kind: Condition<IcmpType>,
}

/// What kind of message is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IcmpType {
    /// Every one.
    Any,
    /// Every one of a type, which is never 255: that is how iptables says "any".
    Type(u8),
    /// One of a type and code.
    Code(u8, u8),
}

/// The type that stands for any.
const ANY: u8 = 255;

impl Extension for Icmp {
    type Draft = Option<Condition<IcmpType>>;
    const NAME: &'static str = "icmp";
    const ONLY: Option<(Family, &'static str)> = Some((Family::Ipv4, "use -m icmp6"));
    const FEATURE: Feature = Feature::Filter;
    const OPTIONS: &'static [Opt<Self>] = &[Opt::<Self>::one(
        "--icmp-type",
        |draft, given| given.put_condition(draft),
        |icmp| Written::conditional(Some(&icmp.kind)),
    )
    .negatable()];

    fn finish(draft: Self::Draft, _: Family) -> Result<Self, Problem> {
        draft.map(|kind| Self { kind }).ok_or(Problem::Required { option: "--icmp-type" })
    }

    fn protocols(&self, _: Family) -> Needs {
        Needs { protocols: &[Protocol::ICMP], options: "-p icmp" }
    }
}

impl Literal for IcmpType {
    fn read(piece: Piece<'_>, _: Family) -> Result<Self, RuleError> {
        read(piece, ICMP).map(|kind| match kind {
            (ANY, _) => Self::Any,
            (kind, None) => Self::Type(kind),
            (kind, Some(code)) => Self::Code(kind, code),
        })
    }
}

impl fmt::Display for IcmpType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::Type(kind) => write!(f, "{kind}"),
            Self::Code(kind, code) => write!(f, "{kind}/{code}"),
        }
    }
}
