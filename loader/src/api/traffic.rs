//! Amounts of traffic.

use std::ops::Add;

use berth_common::abi::counters;
use serde::{Deserialize, Serialize};

/// Packets and bytes: segments and wire bytes, as they leave or reach the node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}

impl From<counters::Traffic> for Traffic {
    fn from(traffic: counters::Traffic) -> Self {
        Self { packets: traffic.packets, bytes: traffic.bytes }
    }
}

impl Add for Traffic {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            packets: self.packets.wrapping_add(other.packets),
            bytes: self.bytes.wrapping_add(other.bytes),
        }
    }
}

/// Traffic in both directions, as seen from its owner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Both {
    /// To the owner.
    #[serde(rename = "in")]
    pub inward: Traffic,
    /// From the owner.
    #[serde(rename = "out")]
    pub outward: Traffic,
}

impl From<counters::Both> for Both {
    fn from(both: counters::Both) -> Self {
        Self { inward: both.inward.into(), outward: both.outward.into() }
    }
}

impl Add for Both {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { inward: self.inward + other.inward, outward: self.outward + other.outward }
    }
}
