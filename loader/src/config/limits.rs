//! How much the node's tables hold.

use std::ops::RangeInclusive;

use berth_common::abi::flow_table::MAX_SLOTS;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use crate::control;

/// Flows that a table may be made for.
const FLOWS: RangeInclusive<u32> = 1_024..=MAX_SLOTS;
/// Port reservations that a table may be made for.
const PORTS: RangeInclusive<u32> = 64..=1_048_576;
/// Addresses and flows that a table of what rules remember may be made for.
const GUARDS: RangeInclusive<u32> = 64..=4_194_304;
/// Containers that a table may be made for.
const CONTAINERS: RangeInclusive<u32> = 1..=100_000;

/// How much the node's tables hold. They are made once, and a change takes effect after `berth down`; but that of flows can grow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Flows of all containers together.
    #[serde(deserialize_with = "flows")]
    pub flows: u32,
    /// Port reservations of all containers together.
    #[serde(deserialize_with = "ports")]
    pub ports: u32,
    /// Addresses and flows that rules remember, of all containers together.
    #[serde(deserialize_with = "guards")]
    pub guards: u32,
    /// Containers.
    #[serde(deserialize_with = "containers")]
    pub containers: u32,
}

impl Default for Limits {
    fn default() -> Self {
        let sizes = control::Sizes::default();
        Self { flows: sizes.flows, ports: sizes.ports, guards: sizes.guards, containers: sizes.containers }
    }
}

impl From<&Limits> for control::Sizes {
    fn from(limits: &Limits) -> Self {
        Self {
            flows: limits.flows,
            ports: limits.ports,
            guards: limits.guards,
            containers: limits.containers,
            ..Self::default()
        }
    }
}

/// Flows that a table may be made for.
pub fn of_flows() -> RangeInclusive<i64> {
    i64::from(*FLOWS.start())..=i64::from(*FLOWS.end())
}

fn flows<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    within(&FLOWS, deserializer)
}

fn ports<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    within(&PORTS, deserializer)
}

fn guards<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    within(&GUARDS, deserializer)
}

fn containers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    within(&CONTAINERS, deserializer)
}

fn within<'de, D: Deserializer<'de>>(range: &RangeInclusive<u32>, deserializer: D) -> Result<u32, D::Error> {
    let number = u32::deserialize(deserializer)?;
    if range.contains(&number) {
        Ok(number)
    } else {
        let (least, most) = (range.start(), range.end());
        Err(D::Error::custom(format!("{number} is not from {least} to {most}")))
    }
}
