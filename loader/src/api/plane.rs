//! What was counted for one owner.

use std::collections::BTreeMap;

use berth_common::abi::{counters::Counters, reason::Reason};
use serde::{Deserialize, Serialize};

use super::traffic::{Both, Traffic};

/// Traffic and drops of one owner.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plane {
    /// To the owner, on uplinks and on its own interface.
    #[serde(rename = "in")]
    pub inward: Traffic,
    /// From the owner, on uplinks and on its own interface.
    #[serde(rename = "out")]
    pub outward: Traffic,
    /// Within the node: on `lo` and other interfaces that are no uplinks.
    pub local: Both,
    /// The part of the traffic that was dropped at an uplink.
    pub dropped: Both,
    /// On uplinks, but counted on the owner's own interface already, hence not in `in` and `out`.
    pub forwarded: Both,
    /// Packets dropped, and calls refused, by reason; only reasons that occurred.
    pub drops: BTreeMap<String, u64>,
}

impl From<&Counters> for Plane {
    fn from(counters: &Counters) -> Self {
        let total = Both::from(counters.uplink) + Both::from(counters.interface);
        Self {
            inward: total.inward,
            outward: total.outward,
            local: counters.local.into(),
            dropped: counters.dropped.into(),
            forwarded: counters.forwarded.into(),
            drops: Reason::ALL
                .iter()
                .map(|&reason| (reason.name().to_owned(), counters.drops_for(reason)))
                .filter(|&(_, count)| count > 0)
                .collect(),
        }
    }
}
