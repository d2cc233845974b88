//! Refusals.

use serde::{Deserialize, Serialize};

/// Why a request came to nothing, in one line: what, why, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// What kind of failure.
    pub code: Code,
    /// The line.
    pub message: String,
    /// What helps those who look into it: lines that may follow.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
}

impl ApiError {
    /// A failure of kind `code`.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        // An error of the system may bring line breaks; whoever reads the line shall get one.
        let message = message.into().lines().collect::<Vec<_>>().join(" ");
        Self { code, message, details: Vec::new() }
    }

    /// The same, with lines that may follow.
    pub fn with_details(self, details: Vec<String>) -> Self {
        Self { details, ..self }
    }
}

/// Kinds of failure. The number is the exit code of the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum Code {
    /// Refused or failed.
    Failed = 1,
    /// The command makes no sense.
    Usage = 2,
    /// Nobody is there to carry it out.
    Unreachable = 3,
    /// No permission, or the kernel cannot do it.
    Unsupported = 4,
    /// The kernel's verifier refuses a program.
    Unverified = 5,
}

impl From<Code> for u8 {
    fn from(code: Code) -> Self {
        match code {
            Code::Failed => 1,
            Code::Usage => 2,
            Code::Unreachable => 3,
            Code::Unsupported => 4,
            Code::Unverified => 5,
        }
    }
}

impl TryFrom<u8> for Code {
    type Error = String;

    fn try_from(number: u8) -> Result<Self, String> {
        match number {
            1 => Ok(Self::Failed),
            2 => Ok(Self::Usage),
            3 => Ok(Self::Unreachable),
            4 => Ok(Self::Unsupported),
            5 => Ok(Self::Unverified),
            _ => Err(format!("{number} is no kind of failure")),
        }
    }
}
