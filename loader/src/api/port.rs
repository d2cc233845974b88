//! Port reservations in output.

use std::{fmt, net::IpAddr};

use serde::{Deserialize, Serialize};

/// A port that somebody holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// Who.
    pub owner: String,
    /// The protocol.
    pub protocol: String,
    /// The address; the wildcard of its family for all of the node's.
    pub address: IpAddr,
    /// The port, echo id or GRE key.
    pub port: u16,
    /// What made the reservation.
    pub by: Maker,
    /// Whether it stays when nothing is bound to it.
    pub permanent: bool,
}

/// What made a reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Maker {
    /// bind(), or the first packet.
    Bind,
    /// `berth ports reserve`.
    Operator,
    /// `berth publish add`.
    Publish,
}

impl fmt::Display for Maker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bind => "bind",
            Self::Operator => "operator",
            Self::Publish => "publish",
        })
    }
}
