//! Names of interfaces, with `+` for any ending.

use std::fmt;

use super::Literal;
use crate::rules::{error::RuleError, family::Family, piece::Piece, problem::Problem};

/// The longest name of an interface in bytes: `IFNAMSIZ` less the final zero (include/uapi/linux/if.h).
pub const MAX_NAME: usize = 15;

/// An interface, or all whose names begin alike.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Interface {
    /// The one of this name.
    Name(String),
    /// All whose names begin so: `eth+` without the `+`. Empty, it is every interface.
    Prefix(String),
}

impl Interface {
    /// Whether this is the name of every interface.
    pub fn is_any(&self) -> bool {
        matches!(self, Self::Prefix(prefix) if prefix.is_empty())
    }
}

impl Literal for Interface {
    fn read(piece: Piece<'_>, _: Family) -> Result<Self, RuleError> {
        let text = piece.text;
        if text.is_empty() || text.len() > MAX_NAME {
            return Err(piece.wrong(Problem::NameLength { what: "interface", max: MAX_NAME }));
        }
        // The kernel lets no interface be called so (dev_valid_name in net/core/dev.c).
        if text.contains('/') {
            return Err(piece.wrong(Problem::NameSlash { what: "interface" }));
        }
        if text.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '"' | '\\')) {
            return Err(piece.wrong(Problem::NameCharacter { what: "interface" }));
        }
        Ok(match text.strip_suffix('+') {
            Some(prefix) => Self::Prefix(prefix.to_owned()),
            None => Self::Name(text.to_owned()),
        })
    }
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Prefix(prefix) => write!(f, "{prefix}+"),
        }
    }
}
