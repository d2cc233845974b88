//! Which flows are meant.

use std::{collections::BTreeSet, net::IpAddr, str::FromStr};

use berth_common::abi::{association, flow::Phase, units};
use clap::{Args, ValueEnum};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::protocol::Protocol;

/// Which flows are meant: those of which all holds that is given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Args)]
#[serde(deny_unknown_fields, default)]
pub struct FlowFilter {
    /// Only those with this address, or one of this network, at an end
    #[arg(long, value_name = "A[/N]")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Network>,
    /// Only those with this port at an end
    #[arg(long, value_name = "PORT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Only those of this protocol
    #[arg(long, value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<ProtocolName>,
    /// Only those in this state, as the list shows it
    #[arg(long, value_name = "STATE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<StateName>,
    /// Only those that began longer ago, as in 90s or 2h
    #[arg(long = "older-than", value_name = "TIME", value_parser = milliseconds)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub older_than_ms: Option<u64>,
}

impl FlowFilter {
    /// Whether nothing is given.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// An address, or all of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network(pub IpNet);

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let net = match text.parse::<IpAddr>() {
            Ok(address) => Ok(address.into()),
            Err(_) => text.parse(),
        };
        net.map(Self).map_err(|_| format!("{text:?} is neither an address nor a network, as in 10.0.0.0/8"))
    }
}

impl TryFrom<String> for Network {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Network> for String {
    fn from(Network(net): Network) -> Self {
        net.to_string()
    }
}

/// A protocol as the list shows it: by its name, or by its number where it has none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProtocolName(pub String);

impl FromStr for ProtocolName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = match text.parse::<u8>() {
            Ok(number) => Some(Protocol(units::Protocol(number))),
            Err(_) => text.parse().ok(),
        };
        let known =
            known.ok_or_else(|| format!("{text:?} is no protocol that is known by name; give its number"))?;
        Ok(Self(known.to_string()))
    }
}

impl TryFrom<String> for ProtocolName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<ProtocolName> for String {
    fn from(ProtocolName(name): ProtocolName) -> Self {
        name
    }
}

/// A state as the list shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StateName(pub String);

impl FromStr for StateName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let upper = text.to_ascii_uppercase();
        let of_tcp = (0..=9).map(|number| Phase::from_number(number).name());
        let of_sctp = association::Phase::ALL.iter().map(|phase| phase.name());
        let all: BTreeSet<&str> = of_tcp.chain(of_sctp).chain(["REPLIED", "UNREPLIED", "EXPECTED"]).collect();
        if all.contains(&upper.as_str()) {
            return Ok(Self(upper));
        }
        let all: Vec<&str> = all.into_iter().collect();
        Err(format!("{text:?} is no state of flows; there are {}", all.join(", ")))
    }
}

impl TryFrom<String> for StateName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<StateName> for String {
    fn from(StateName(name): StateName) -> Self {
        name
    }
}

/// Which come first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum FlowOrder {
    /// By owner, then by their ends
    #[default]
    Owner,
    /// The oldest
    Age,
    /// Those with most packets, both ways
    Packets,
    /// Those with most bytes, both ways
    Bytes,
    /// Those that expire next
    Expiry,
}

/// Which part of the list, and in which order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Args)]
#[serde(deny_unknown_fields, default)]
pub struct Page {
    /// Which come first
    #[arg(long, value_name = "BY", value_enum, default_value_t)]
    pub sort: FlowOrder,
    /// How many to show
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// How many of the first ones to leave out
    #[arg(long, value_name = "N", default_value_t)]
    pub offset: usize,
}

fn milliseconds(text: &str) -> Result<u64, String> {
    let time =
        humantime::parse_duration(text).map_err(|error| format!("{error}; write it as in 90s or 2h"))?;
    u64::try_from(time.as_millis()).map_err(|_| "it is too long".to_owned())
}
