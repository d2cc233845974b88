//! Modes in requests and output.

use std::fmt;

use berth_common::abi;
use serde::{Deserialize, Serialize};

/// What a container's rules may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// No rules
    Disabled,
    /// Rules without state matches
    #[default]
    Stateless,
    /// All rules but NAT
    Stateful,
    /// All rules
    Full,
}

impl From<Mode> for abi::container::Mode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Disabled => Self::Disabled,
            Mode::Stateless => Self::Stateless,
            Mode::Stateful => Self::Stateful,
            Mode::Full => Self::Full,
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Disabled => "disabled",
            Self::Stateless => "stateless",
            Self::Stateful => "stateful",
            Self::Full => "full",
        })
    }
}
