//! Whether a container goes out under an address of the node's.

use std::{fmt, net::IpAddr, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Whether the flows that a container opens leave by the uplinks under an address of the node's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Masquerade {
    /// They leave under its own.
    #[default]
    No,
    /// Under that of the uplink that they leave by.
    Yes,
    /// Under this one; those of the other family under its own.
    To(IpAddr),
}

impl FromStr for Masquerade {
    type Err = MasqueradeError;

    fn from_str(text: &str) -> Result<Self, MasqueradeError> {
        match text {
            "no" => Ok(Self::No),
            "yes" => Ok(Self::Yes),
            _ => text.parse().map(Self::To).map_err(|_| MasqueradeError(text.to_owned())),
        }
    }
}

impl fmt::Display for Masquerade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::No => f.write_str("no"),
            Self::Yes => f.write_str("yes"),
            Self::To(address) => address.fmt(f),
        }
    }
}

impl Serialize for Masquerade {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::No => serializer.serialize_bool(false),
            Self::Yes => serializer.serialize_bool(true),
            Self::To(address) => serializer.collect_str(address),
        }
    }
}

impl<'de> Deserialize<'de> for Masquerade {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Visitor)
    }
}

struct Visitor;

impl de::Visitor<'_> for Visitor {
    type Value = Masquerade;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("true, false or an address")
    }

    fn visit_bool<E: de::Error>(self, whether: bool) -> Result<Masquerade, E> {
        Ok(if whether { Masquerade::Yes } else { Masquerade::No })
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Masquerade, E> {
        text.parse().map(Masquerade::To).map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

/// Not a word, nor an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither yes nor no, nor an address of the node's")]
pub struct MasqueradeError(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_addresses() {
        for text in ["yes", "no", "192.0.2.1", "2001:db8::1"] {
            assert_eq!(text.parse::<Masquerade>().unwrap().to_string(), text);
        }
        for text in ["", "true", "eth0", "192.0.2.0/24"] {
            assert!(text.parse::<Masquerade>().is_err(), "{text}");
        }
    }

    #[test]
    fn json_has_flags() {
        for (text, json) in [("yes", "true"), ("no", "false"), ("192.0.2.1", "\"192.0.2.1\"")] {
            let masquerade: Masquerade = text.parse().unwrap();
            assert_eq!(serde_json::to_string(&masquerade).unwrap(), json);
            assert_eq!(serde_json::from_str::<Masquerade>(json).unwrap(), masquerade);
        }
        for json in ["1", "\"yes\"", "[]", "null"] {
            let error = serde_json::from_str::<Masquerade>(json).unwrap_err().to_string();
            assert!(error.contains("true, false or an address"), "{error}");
        }
    }
}
