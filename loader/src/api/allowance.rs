//! Ports that a container may bind.

use std::{fmt, num::ParseIntError, str::FromStr};

use berth_common::abi::{
    container::{MAX_PORT_RANGES, PortRange},
    units::Port,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// The word for an allowance without bounds.
const ALL: &str = "all";

/// Ports that a container may bind: disjoint ranges in ascending order; none means every port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowance(Vec<(u16, u16)>);

impl Allowance {
    /// From ranges in any order, which may touch and overlap.
    pub fn new(mut ranges: Vec<(u16, u16)>) -> Result<Self, AllowanceError> {
        ranges.sort_unstable();
        let mut merged: Vec<(u16, u16)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges {
            match merged.last_mut() {
                Some(previous) if u32::from(first) <= u32::from(previous.1) + 1 => {
                    previous.1 = previous.1.max(last);
                }
                _ => merged.push((first, last)),
            }
        }
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
        self.is_everything() || self.0.iter().any(|&(first, last)| (first..=last).contains(&port))
    }

    /// The ranges as the programs take them.
    pub fn ranges(&self) -> Vec<PortRange> {
        self.0.iter().map(|&(first, last)| PortRange { first: Port(first), last: Port(last) }).collect()
    }

    fn texts(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(
            |&(first, last)| {
                if first == last { first.to_string() } else { format!("{first}-{last}") }
            },
        )
    }
}

impl FromStr for Allowance {
    type Err = AllowanceError;

    fn from_str(text: &str) -> Result<Self, AllowanceError> {
        if text.trim() == ALL {
            return Ok(Self::default());
        }
        Self::new(text.split(',').map(|part| range(part.trim())).collect::<Result<_, _>>()?)
    }
}

fn range(text: &str) -> Result<(u16, u16), AllowanceError> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (port(first, text)?, port(last, text)?);
    if first > last {
        return Err(AllowanceError::Backwards(text.to_owned()));
    }
    Ok((first, last))
}

fn port(text: &str, whole: &str) -> Result<u16, AllowanceError> {
    match text.trim().parse::<u16>() {
        Ok(0) => Err(AllowanceError::Zero),
        Ok(port) => Ok(port),
        Err(source) => Err(AllowanceError::Number { text: whole.to_owned(), source }),
    }
}

impl fmt::Display for Allowance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_everything() {
            return f.write_str(ALL);
        }
        for (index, text) in self.texts().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            f.write_str(&text)?;
        }
        Ok(())
    }
}

impl Serialize for Allowance {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.texts())
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
                Item::Number(number) => range(&number.to_string()),
                Item::Text(text) => range(&text),
            })
            .collect::<Result<_, _>>()
            .map_err(D::Error::custom)?;
        Self::new(ranges).map_err(D::Error::custom)
    }
}

/// Why a text is no allowance.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AllowanceError {
    /// Not a number of 16 bits.
    #[error("{text:?} is no port or range of ports; {source}; write 80 or 8000-8100")]
    Number {
        /// What was given.
        text: String,
        /// What is wrong with it.
        source: ParseIntError,
    },
    /// The range ends before it begins.
    #[error("{0:?} ends before it begins")]
    Backwards(String),
    /// Port 0 asks the kernel for any port.
    #[error("0 is no port; ports are 1 to 65535")]
    Zero,
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
