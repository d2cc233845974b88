//! Whether a container is held to its own addresses.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Whether a container may use addresses that are not its own on an interface of its own, once those are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Spoofing {
    /// It may not
    #[default]
    Deny,
    /// It may, and is shown what is for others
    Allow,
}

impl fmt::Display for Spoofing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Deny => "deny",
            Self::Allow => "allow",
        })
    }
}
