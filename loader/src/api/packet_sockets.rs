//! Whether a container may have packet sockets.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Whether a container may open `AF_PACKET` sockets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum PacketSockets {
    /// It may; what it sends through them is checked
    #[default]
    Allow,
    /// It may not
    Deny,
}

impl fmt::Display for PacketSockets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        })
    }
}
