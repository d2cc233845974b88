//! How long flows last.

use std::{collections::BTreeMap, fmt, str::FromStr};

use berth_common::abi::timeout::{self, Timeout};
use serde::{Deserialize, Serialize};

/// Longest time that can be set, in seconds: a year.
const LONGEST: u32 = 365 * 24 * 3_600;

/// Times in seconds, by nf_conntrack's names. What is not named lasts as long as elsewhere: of a container as on its node, of a node
/// as in nf_conntrack; and so does what is named with zero.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, u32>", into = "BTreeMap<String, u32>")]
pub struct Timeouts(BTreeMap<&'static str, u32>);

/// Why there are no such times.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimeoutError {
    /// There is no such kind.
    #[error("no timeout is called {0:?}; there are {names}", names = names())]
    Name(String),
    /// It is too long.
    #[error("{0} = {1} s is too long; at most {LONGEST} s (a year) can be set")]
    Long(&'static str, u32),
    /// It does not read NAME=SECONDS.
    #[error("{0:?} is not NAME=SECONDS, as in udp=30 (0 for the default)")]
    Shape(String),
}

fn names() -> String {
    let names: Vec<&str> = Timeout::NAMED.iter().map(|(name, _)| *name).collect();
    names.join(", ")
}

impl Timeouts {
    /// These, with what `other` gives instead.
    #[must_use]
    pub fn overlaid(&self, other: &Self) -> Self {
        let mut all = self.0.clone();
        all.extend(&other.0);
        Self(all)
    }

    /// As the programs take them, where `node` holds for what is not given here.
    pub fn resolved(&self, node: &Self) -> timeout::Timeouts {
        let mut seconds = [0; timeout::TIMEOUTS];
        for (place, value) in (0..).zip(&mut seconds) {
            *value = Timeout(place).seconds();
        }
        for (name, kind) in Timeout::NAMED {
            let given = [self, node].into_iter().filter_map(|times| times.0.get(name).copied());
            let given = given.into_iter().find(|seconds| *seconds != 0);
            if let (Some(given), Some(value)) = (given, seconds.get_mut(kind.0 as usize)) {
                *value = given;
            }
        }
        timeout::Timeouts(seconds)
    }

    fn insert(&mut self, name: &str, seconds: u32) -> Result<(), TimeoutError> {
        let known = Timeout::NAMED.iter().find(|(known, _)| *known == name);
        let (name, _) = known.ok_or_else(|| TimeoutError::Name(name.to_owned()))?;
        if seconds > LONGEST {
            return Err(TimeoutError::Long(name, seconds));
        }
        self.0.insert(name, seconds);
        Ok(())
    }
}

impl TryFrom<BTreeMap<String, u32>> for Timeouts {
    type Error = TimeoutError;

    fn try_from(times: BTreeMap<String, u32>) -> Result<Self, TimeoutError> {
        let mut all = Self::default();
        for (name, seconds) in times {
            all.insert(&name, seconds)?;
        }
        Ok(all)
    }
}

impl From<Timeouts> for BTreeMap<String, u32> {
    fn from(times: Timeouts) -> Self {
        times.0.into_iter().map(|(name, seconds)| (name.to_owned(), seconds)).collect()
    }
}

impl FromStr for Timeouts {
    type Err = TimeoutError;

    fn from_str(text: &str) -> Result<Self, TimeoutError> {
        let mut all = Self::default();
        for part in text.split(',') {
            let shape = || TimeoutError::Shape(part.to_owned());
            let (name, seconds) = part.split_once('=').ok_or_else(shape)?;
            all.insert(name.trim(), seconds.trim().parse().map_err(|_| shape())?)?;
        }
        Ok(all)
    }
}

impl fmt::Display for Timeouts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self.0.iter().map(|(name, seconds)| format!("{name}={seconds}")).collect();
        f.write_str(&parts.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Timeouts {
        text.parse().unwrap()
    }

    #[test]
    fn a_container_s_come_before_its_node_s() {
        let timeout::Timeouts(seconds) = of("udp=10,icmp=0").resolved(&of("udp=20,icmp=5,tcp_close=1"));
        let at = |kind: Timeout| seconds[kind.0 as usize];
        assert_eq!([Timeout::UDP, Timeout::ICMP, Timeout::TCP_CLOSE, Timeout::GRE].map(at), [10, 5, 1, 30]);
        assert_eq!(at(Timeout::TCP_ESTABLISHED), 432_000);
    }

    #[test]
    fn one_by_one() {
        let both = of("udp=10,gre=4").overlaid(&of("udp = 0"));
        assert_eq!(both.to_string(), "gre=4,udp=0");
        assert_eq!(of(&both.to_string()), both);
    }

    #[test]
    fn mistakes_are_told() {
        for (text, told) in [
            ("udpx=3", "no timeout is called \"udpx\"; there are tcp_syn_sent, tcp_syn_recv"),
            ("udp", "\"udp\" is not NAME=SECONDS"),
            ("udp=-1", "\"udp=-1\" is not NAME=SECONDS"),
            ("udp=31536001", "udp = 31536001 s is too long"),
        ] {
            let error = text.parse::<Timeouts>().unwrap_err().to_string();
            assert!(error.starts_with(told), "{error}");
        }
    }
}
