//! Names of containers.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Longest name, in bytes.
pub const MAX_LENGTH: usize = 63;

/// Words that output uses where a name could stand.
const RESERVED: [&str; 2] = ["host", "unowned"];

/// A container's name: 1 to 63 of `A-Z a-z 0-9 _ . -`, and not a word that output uses for something else.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

impl Name {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.is_empty() || text.len() > MAX_LENGTH {
            return Err(NameError::Length(text.to_owned()));
        }
        // `.` and `..` would not survive as names of files, which names of declared containers are.
        if !text.bytes().all(is_allowed) || text.bytes().all(|byte| byte == b'.') {
            return Err(NameError::Character(text.to_owned()));
        }
        if RESERVED.contains(&text) {
            return Err(NameError::Reserved(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

const fn is_allowed(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-')
}

impl TryFrom<String> for Name {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text is no name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Empty or too long.
    #[error("{0:?} is no container name; names have 1 to {MAX_LENGTH} characters")]
    Length(String),
    /// Something else than what may stand in names.
    #[error("{0:?} is no container name; use letters, digits, '_', '.' and '-'")]
    Character(String),
    /// A word that output uses for something else.
    #[error("{0:?} may not name a container; output uses the word for something else")]
    Reserved(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_letters_digits_and_three_signs() {
        for text in ["a", "Web-1", "a.b_c", &"x".repeat(63)] {
            assert_eq!(text.parse::<Name>().unwrap().as_str(), text);
        }
    }

    #[test]
    fn refuses_everything_else() {
        for text in ["", ".", "..", "a b", "a/b", "é", "host", "unowned", &"x".repeat(64)] {
            assert!(text.parse::<Name>().is_err(), "{text:?}");
        }
    }
}
