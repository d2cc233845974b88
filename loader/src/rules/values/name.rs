//! Names of sets and of the tables that recent and hashlimit keep.

use std::fmt;

use crate::rules::{error::RuleError, piece::Piece, problem::Problem};

/// A name that is written without quotes: it has no whitespace, quotes, backslashes or control characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

impl Name {
    /// The name of a `what` in at most `max` bytes.
    pub(in crate::rules) fn read(
        piece: Piece<'_>,
        what: &'static str,
        max: usize,
    ) -> Result<Self, RuleError> {
        if piece.text.is_empty() || piece.text.len() > max {
            return Err(piece.wrong(Problem::NameLength { what, max }));
        }
        if piece
            .text
            .contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '"' | '\\' | '\''))
        {
            return Err(piece.wrong(Problem::NameCharacter { what }));
        }
        Ok(Self(piece.text.to_owned()))
    }

    /// The same for a name that netfilter makes a file of under /proc.
    pub(in crate::rules) fn read_file(
        piece: Piece<'_>,
        what: &'static str,
        max: usize,
    ) -> Result<Self, RuleError> {
        if piece.text.contains('/') || matches!(piece.text, "." | "..") {
            return Err(piece.wrong(Problem::NameSlash { what }));
        }
        Self::read(piece, what, max)
    }

    /// A name that is known to be one.
    pub(in crate::rules) fn fixed(name: &'static str) -> Self {
        Self(name.to_owned())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
