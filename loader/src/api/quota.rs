//! Quotas in output.

use berth_common::abi::container;
use serde::{Deserialize, Serialize};

/// How much of a countable thing is in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    /// In use now.
    pub held: u64,
    /// Most ever in use at once.
    pub maxheld: u64,
    /// Most that may be in use.
    pub limit: u64,
    /// How many times more was asked for.
    pub failcnt: u64,
}

impl Quota {
    /// What is in use, held against the limit.
    pub fn new(usage: container::Quota, limit: u32) -> Self {
        Self { held: usage.held.count(), maxheld: usage.maxheld, limit: limit.into(), failcnt: usage.failcnt }
    }
}
