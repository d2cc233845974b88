//! What a compiled ruleset may cost.

use berth_common::abi::rules::{LINE_BYTES, MAX_ENTRIES, MAX_LINES};

/// Bounds on a compiled ruleset. Each is refused with what was needed and what is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Entries that a packet may meet without the walk ending there.
    pub steps: u32,
    /// Entries that every source rule may become, on average over all.
    pub entries_a_rule: usize,
    /// Entries beyond that, so that few rules with many jumps are possible.
    pub entries_at_least: usize,
    /// Bytes of all lines.
    pub bytes: usize,
}

impl Bounds {
    /// Most steps that can be allowed: with the words and groups that a walk may pass, it stays below
    /// [`MAX_STEPS`](berth_common::engine::classify::MAX_STEPS).
    pub const MAX_STEPS: u32 = 256;

    /// What is allowed unless the operator says otherwise.
    pub const DEFAULT: Self =
        Self { steps: 64, entries_a_rule: 4, entries_at_least: 4_096, bytes: 16 * 1_024 * 1_024 };

    /// Entries that so many rules may become.
    pub(super) fn entries(&self, rules: usize) -> usize {
        let wanted = rules.saturating_mul(self.entries_a_rule).saturating_add(self.entries_at_least);
        wanted.min(MAX_ENTRIES as usize)
    }

    /// Steps that are allowed.
    pub(super) fn steps(&self) -> u32 {
        self.steps.min(Self::MAX_STEPS)
    }

    /// Bytes that are allowed.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.min(MAX_LINES as usize * LINE_BYTES)
    }
}

impl Default for Bounds {
    fn default() -> Self {
        Self::DEFAULT
    }
}
