//! A container's rules, as they are remembered.

use serde::{Deserialize, Serialize};

use super::Objects;

/// A container's rules, as they are remembered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rules {
    /// iptables-save text, without counters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipv4: Option<String>,
    /// ip6tables-save text, without counters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipv6: Option<String>,
    /// How often they were changed: tells what is in the kernel from what was there before.
    pub changes: u32,
    /// Most rules that were ever held.
    pub maxheld: u64,
    /// How many times more were asked for than the quota allows.
    pub failcnt: u64,
    /// What they keep something for.
    #[serde(skip_serializing_if = "Objects::is_empty")]
    pub objects: Objects,
    /// What comes back unless the last change is confirmed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unconfirmed: Option<Unconfirmed>,
}

/// The rules before a change that is to be confirmed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unconfirmed {
    /// iptables-save text.
    pub ipv4: Option<String>,
    /// ip6tables-save text.
    pub ipv6: Option<String>,
    /// When they come back, in seconds since 1970.
    pub deadline: u64,
}

impl Rules {
    /// Whether there is nothing to remember.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
