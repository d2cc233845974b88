//! Hardware addresses.

use std::{fmt, str::FromStr};

use berth_common::wire::ether;
use serde::{Deserialize, Serialize};

/// A hardware address of one interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mac([u8; 6]);

impl FromStr for Mac {
    type Err = MacError;

    fn from_str(text: &str) -> Result<Self, MacError> {
        let mut octets = [0; 6];
        let mut parts = text.split(':');
        for octet in &mut octets {
            let digits = parts.next().filter(|part| part.len() == 2 && !part.starts_with('+'));
            let value = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
            *octet = value.ok_or_else(|| MacError::Form(text.to_owned()))?;
        }
        if parts.next().is_some() {
            return Err(MacError::Form(text.to_owned()));
        }
        if octets[0] & 1 != 0 || octets == [0; 6] {
            return Err(MacError::Group(text.to_owned()));
        }
        Ok(Self(octets))
    }
}

impl TryFrom<String> for Mac {
    type Error = MacError;

    fn try_from(text: String) -> Result<Self, MacError> {
        text.parse()
    }
}

impl From<Mac> for String {
    fn from(mac: Mac) -> Self {
        mac.to_string()
    }
}

impl From<Mac> for ether::Mac {
    fn from(mac: Mac) -> Self {
        Self::from_octets(mac.0)
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, rest @ ..] = self.0;
        write!(f, "{first:02x}")?;
        rest.iter().try_for_each(|octet| write!(f, ":{octet:02x}"))
    }
}

/// Why something is no hardware address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MacError {
    /// It does not look like one.
    #[error("{0:?} is no hardware address; give six bytes as in 02:00:00:00:00:01")]
    Form(String),
    /// It is nobody's, or several's.
    #[error("{0} is not the hardware address of one interface")]
    Group(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_bytes_and_no_group() {
        for (text, expected) in [
            ("02:00:00:aB:cd:ef", Ok("02:00:00:ab:cd:ef")),
            ("02:00:00:ab:cd", Err("is no hardware address")),
            ("02:00:00:ab:cd:ef:01", Err("is no hardware address")),
            ("02:00:00:ab:cd:+f", Err("is no hardware address")),
            ("2:0:0:a:b:c", Err("is no hardware address")),
            ("02-00-00-ab-cd-ef", Err("is no hardware address")),
            ("", Err("is no hardware address")),
            ("01:00:5e:00:00:01", Err("of one interface")),
            ("ff:ff:ff:ff:ff:ff", Err("of one interface")),
            ("00:00:00:00:00:00", Err("of one interface")),
        ] {
            match (text.parse::<Mac>(), expected) {
                (Ok(mac), Ok(expected)) => assert_eq!(mac.to_string(), expected),
                (Err(error), Err(expected)) => assert!(error.to_string().contains(expected), "{error}"),
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
    }
}
