//! Named sets in requests and output.

use serde::{Deserialize, Serialize};

/// How sets are to be changed, in ipset's language.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Commands {
    /// A text as `ipset save` writes it: all of it, or nothing.
    Text(String),
    /// The words of one command, as `add blocked 192.0.2.1`.
    Words(Vec<String>),
}

/// A named set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Set {
    /// Its name.
    pub name: String,
    /// Its type, as ipset calls it.
    #[serde(rename = "type")]
    pub kind: String,
    /// `inet` or `inet6`; none for a set of ports.
    pub family: Option<String>,
    /// Entries in it.
    pub held: u64,
    /// Most that it may have.
    pub max: u32,
    /// Whether a rule names it.
    pub used: bool,
    /// Bytes that it takes in the kernel.
    pub bytes: u64,
    /// What is in it, if it was asked for by name.
    pub entries: Option<Vec<String>>,
}
