//! Ports that a container may bind.

use std::{fmt, str::FromStr};

use berth_common::abi::{
    container::{MAX_PORT_RANGES, PortRange},
    units::Port,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::port_span::{PortSpan, PortSpanError};

/// The word for an allowance without bounds.
const ALL: &str = "all";

/// Ports that a container may bind: disjoint ranges in ascending order; none means every port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowance(Vec<PortSpan>);

impl Allowance {
    /// From ranges in any order, which may touch and overlap.
    pub fn new(ranges: Vec<PortSpan>) -> Result<Self, AllowanceError> {
        let merged = PortSpan::merged(ranges);
        if merged.len() > MAX_PORT_RANGES {
            return Err(AllowanceError::TooMany(merged.len()));
        }
        Ok(Self(merged))
    }

    /// Whether every port may be bound.
    pub fn is_everything(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `port` is among them.
    pub fn contains(&self, port: u16) -> bool {
        self.is_everything() || self.0.iter().any(|range| range.contains(port))
    }

    /// The ranges as the programs take them.
    pub fn ranges(&self) -> Vec<PortRange> {
        let range = |&PortSpan { first, last }| PortRange { first: Port(first), last: Port(last) };
        self.0.iter().map(range).collect()
    }
}

impl FromStr for Allowance {
    type Err = AllowanceError;

    fn from_str(text: &str) -> Result<Self, AllowanceError> {
        if text.trim() == ALL {
            return Ok(Self::default());
        }
        Self::new(text.split(',').map(|part| part.trim().parse::<PortSpan>()).collect::<Result<_, _>>()?)
    }
}

impl fmt::Display for Allowance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_everything() {
            return f.write_str(ALL);
        }
        for (index, range) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            range.fmt(f)?;
        }
        Ok(())
    }
}

impl Serialize for Allowance {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(&self.0)
    }
}

/// Files may say `80` as well as `"80"`.
#[derive(Deserialize)]
#[serde(untagged)]
enum Item {
    Number(u16),
    Text(String),
}

impl<'de> Deserialize<'de> for Allowance {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let ranges = Vec::<Item>::deserialize(deserializer)?
            .into_iter()
            .map(|item| match item {
                Item::Number(number) => number.to_string().parse::<PortSpan>(),
                Item::Text(text) => text.parse::<PortSpan>(),
            })
            .collect::<Result<_, _>>()
            .map_err(D::Error::custom)?;
        Self::new(ranges).map_err(D::Error::custom)
    }
}

/// Why a text is no allowance.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AllowanceError {
    /// One of them is no range.
    #[error(transparent)]
    Span(#[from] PortSpanError),
    /// More ranges than the programs look at.
    #[error("{0} separate ranges are too many; a container may have {MAX_PORT_RANGES}")]
    TooMany(usize),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_and_merges() {
        let allowance: Allowance = "443, 80,8000-8100,8101,8050-8200".parse().unwrap();
        assert_eq!(allowance.to_string(), "80,443,8000-8200");
        assert!(allowance.contains(8200) && allowance.contains(80) && !allowance.contains(81));
    }

    #[test]
    fn reaches_the_last_port() {
        let allowance: Allowance = "1-65535,65535".parse().unwrap();
        assert_eq!(allowance.to_string(), "1-65535");
    }

    #[test]
    fn all_is_no_bounds() {
        let allowance: Allowance = "all".parse().unwrap();
        assert!(allowance.is_everything() && allowance.contains(1));
        assert_eq!(allowance.to_string(), "all");
    }

    #[test]
    fn refuses_what_is_no_range() {
        for text in ["", "80,", "x", "0", "70000", "90-80", "-", "80-", "1,3,5,7,9,11,13,15,17"] {
            assert!(text.parse::<Allowance>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn json_round_trip_and_numbers() {
        let allowance: Allowance = "80,8000-8100".parse().unwrap();
        let json = serde_json::to_string(&allowance).unwrap();
        assert_eq!(json, r#"["80","8000-8100"]"#);
        assert_eq!(serde_json::from_str::<Allowance>(&json).unwrap(), allowance);
        assert_eq!(serde_json::from_str::<Allowance>(r#"[80,"8000-8100"]"#).unwrap(), allowance);
        assert!(serde_json::from_str::<Allowance>("[0]").is_err());
    }
}
