//! `-m helper`.

use std::fmt;

use crate::rules::{
    condition::Condition,
    error::RuleError,
    extension::Extension,
    family::Family,
    feature::Feature,
    option::{Opt, Written},
    piece::Piece,
    problem::Problem,
    values::Literal,
};

/// What has announced the packet's connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Helper {
    /// `--helper`.
    pub name: Condition<HelperName>,
}

/// Who listens for announcements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HelperName {
    /// Anybody, written as no name.
    Any,
    /// `helper-ftp`.
    Ftp,
}

impl Extension for Helper {
    type Draft = Option<Condition<HelperName>>;
    const NAME: &'static str = "helper";
    const FEATURE: Feature = Feature::HelperFtp;
    const OPTIONS: &'static [Opt<Self>] = &[Opt::<Self>::one(
        "--helper",
        |draft, given| given.put_condition(draft),
        |helper| Written::conditional(Some(&helper.name)),
    )
    .negatable()];

    fn finish(draft: Self::Draft, _: Family) -> Result<Self, Problem> {
        draft.map(|name| Self { name }).ok_or(Problem::Required { option: "--helper" })
    }
}

impl Literal for HelperName {
    fn read(piece: Piece<'_>, _: Family) -> Result<Self, RuleError> {
        match piece.text {
            "" => Ok(Self::Any),
            "ftp" => Ok(Self::Ftp),
            _ => Err(piece
                .wrong(Problem::Unsupported { instead: "ftp is listened to, on port 21, and nothing else" })),
        }
    }
}

impl fmt::Display for HelperName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "\"\"",
            Self::Ftp => "ftp",
        })
    }
}
