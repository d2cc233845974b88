//! `-m dscp`.

use std::fmt;

use crate::rules::{
    condition::Condition,
    extension::Extension,
    family::Family,
    feature::Feature,
    option::{Opt, Written},
    piece::Case,
    problem::Problem,
    values::number::between,
};

/// The code point of differentiated services.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dscp {
    /// `--dscp`, or what `--dscp-class` stands for.
    pub value: Condition<CodePoint>,
}

/// A code point of 6 bits: the upper ones of the octet (RFC 2474, 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodePoint(pub u8);

/// Classes: the default and the selectors (RFC 2474, 4.2.2), assured forwarding (RFC 2597, 6), expedited forwarding
/// (RFC 3246, 2.7).
const CLASSES: &[(&str, u8)] = &[
    ("BE", 0x00),
    ("CS0", 0x00),
    ("CS1", 0x08),
    ("CS2", 0x10),
    ("CS3", 0x18),
    ("CS4", 0x20),
    ("CS5", 0x28),
    ("CS6", 0x30),
    ("CS7", 0x38),
    ("AF11", 0x0a),
    ("AF12", 0x0c),
    ("AF13", 0x0e),
    ("AF21", 0x12),
    ("AF22", 0x14),
    ("AF23", 0x16),
    ("AF31", 0x1a),
    ("AF32", 0x1c),
    ("AF33", 0x1e),
    ("AF41", 0x22),
    ("AF42", 0x24),
    ("AF43", 0x26),
    ("EF", 0x2e),
];

impl Extension for Dscp {
    type Draft = Option<Condition<CodePoint>>;
    const NAME: &'static str = "dscp";
    const FEATURE: Feature = Feature::Dscp;
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::<Self>::one(
            "--dscp",
            |draft, given| {
                let value = between(given.first, "code point", 0, 0x3f)?;
                given.fill(draft, given.condition(CodePoint(value)))
            },
            |dscp| Written::conditional(Some(&dscp.value)),
        )
        .negatable(),
        Opt::<Self>::one(
            "--dscp-class",
            |draft, given| {
                let value = given.first.choose("class of differentiated services", Case::Any, CLASSES)?;
                given.fill(draft, given.condition(CodePoint(value)))
            },
            |_| None,
        )
        .negatable(),
    ];

    fn finish(draft: Self::Draft, _: Family) -> Result<Self, Problem> {
        draft.map(|value| Self { value }).ok_or(Problem::Required { option: "--dscp or --dscp-class" })
    }
}

impl fmt::Display for CodePoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#04x}", self.0)
    }
}
