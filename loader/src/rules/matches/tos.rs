//! `-m tos`.

use std::fmt;

use crate::rules::{
    condition::Condition,
    error::RuleError,
    extension::Extension,
    family::Family,
    feature::Feature,
    option::{Opt, Written},
    piece::{Case, Piece},
    problem::Problem,
    values::{Literal, number::between},
};

/// The type of service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tos {
    /// `--tos`.
    pub value: Condition<MaskedTos>,
}

/// Bits of the octet that is the type of service (or, of IPv6, the traffic class).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaskedTos {
    /// The bits.
    pub value: u8,
    /// Which bits count; the value may have others, and then no packet agrees.
    pub mask: u8,
}

/// Names of types of service (RFC 1349, 4).
const NAMES: &[(&str, u8)] = &[
    ("Minimize-Delay", 0x10),
    ("Maximize-Throughput", 0x08),
    ("Maximize-Reliability", 0x04),
    ("Minimize-Cost", 0x02),
    ("Normal-Service", 0x00),
];

/// The bits that a name decides, without those of congestion notification (as iptables' tos_values.c has it).
const NAMED: u8 = 0x3f;

impl Extension for Tos {
    type Draft = Option<Condition<MaskedTos>>;
    const NAME: &'static str = "tos";
    const FEATURE: Feature = Feature::Tos;
    const OPTIONS: &'static [Opt<Self>] = &[Opt::<Self>::one(
        "--tos",
        |draft, given| given.put_condition(draft),
        |tos| Written::conditional(Some(&tos.value)),
    )
    .negatable()];

    fn finish(draft: Self::Draft, _: Family) -> Result<Self, Problem> {
        draft.map(|value| Self { value }).ok_or(Problem::Required { option: "--tos" })
    }
}

impl Literal for MaskedTos {
    fn read(piece: Piece<'_>, _: Family) -> Result<Self, RuleError> {
        let octet = |piece: Piece<'_>| between(piece, "type of service", 0, u8::MAX.into());
        if let Some((value, mask)) = piece.split_once('/') {
            return Ok(Self { value: octet(value)?, mask: octet(mask)? });
        }
        if piece.text.starts_with(|c: char| c.is_ascii_digit()) {
            return Ok(Self { value: octet(piece)?, mask: u8::MAX });
        }
        let value = piece.choose("type of service", Case::Any, NAMES)?;
        Ok(Self { value, mask: NAMED })
    }
}

impl fmt::Display for MaskedTos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#04x}/{:#04x}", self.value, self.mask)
    }
}
