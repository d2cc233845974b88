//! What holds for containers that say nothing else.

use serde::{Deserialize, Serialize};

use crate::api::mode::Mode;

/// What holds for containers that say nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Defaults {
    /// Mode.
    pub mode: Mode,
    /// Most rules.
    pub max_rules: u32,
    /// Most flows.
    pub max_flows: u32,
    /// Most flows begun in a second; zero for any number.
    pub max_flow_rate: u32,
    /// Most port reservations.
    pub max_ports: u32,
    /// Most entries of named sets.
    pub max_set_entries: u32,
    /// Most addresses and flows that rules may remember.
    pub max_guards: u32,
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            max_rules: 2_000,
            max_flows: 8_192,
            max_flow_rate: 0,
            max_ports: 4_096,
            max_set_entries: 100_000,
            max_guards: 8_192,
        }
    }
}
