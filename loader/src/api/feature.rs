//! Features in requests and output.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::rules::feature::{Feature, FeatureError, Features};

/// A feature, and which of the four sets have it.
#[allow(clippy::struct_excessive_bools, reason = "they are the columns of a table")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeatureRow {
    /// Its name.
    pub feature: String,
    /// Whether berth enforces it on this node.
    pub supported: bool,
    /// Whether the node's configuration allows it.
    pub node: bool,
    /// Whether the container's mask has it.
    pub container: bool,
    /// Whether the container's mode has it.
    pub mode: bool,
    /// Whether rules may use it: all four have it, and all that it needs.
    pub effective: bool,
}

/// Features that are allowed: `all`, `none`, or a list, in which `default` stands for what a container may use unless told. Whatever
/// they need is allowed with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mask(Features);

impl Mask {
    /// The features.
    pub fn set(&self) -> Features {
        self.0
    }
}

/// In a list: what a container may use unless told.
const DEFAULT: &str = "default";

impl Default for Mask {
    fn default() -> Self {
        Self(Features::all())
    }
}

impl FromStr for Mask {
    type Err = FeatureError;

    fn from_str(text: &str) -> Result<Self, FeatureError> {
        match text {
            "all" => Ok(Self::default()),
            "none" => Ok(Self(Features::NONE)),
            list => list
                .split(',')
                .map(|word| match word {
                    DEFAULT => Ok(Features::unless_told()),
                    name => name.parse::<Feature>().map(|feature| Features::from_iter([feature])),
                })
                .try_fold(Features::NONE, |set, more| Ok(set.or(more?)))
                .map(|set| Self(set.closure())),
        }
    }
}

impl fmt::Display for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == Features::all() {
            f.write_str("all")
        } else if self.0 == Features::NONE {
            f.write_str("none")
        } else if self.0 == Features::unless_told() {
            f.write_str(DEFAULT)
        } else {
            write!(f, "{}", self.0)
        }
    }
}

impl Serialize for Mask {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Mask {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}
