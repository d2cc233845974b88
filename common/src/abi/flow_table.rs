//! What the flow table is made of: see [`crate::engine::flow_table`].

/// Entries of a bucket.
pub const PLACES: usize = 8;

/// Most slots: their numbers have 24 bits, of which one is no slot's.
pub const MAX_SLOTS: u32 = (1 << 24) - 2;

/// How large the table is, and what keys are hashed with. In `CONFIG`; written when the table is made, never again.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// Entries of `FLOWS`.
    pub slots: u32,
    /// Entries of `FLOW_INDEX`.
    pub buckets: u32,
    /// Random, so that nobody can aim at a bucket.
    pub seed: Seed,
}

/// A number for each word of a key.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seed(pub [u32; super::flow::FlowKey::WORDS]);

impl Shape {
    /// That of a table of so many slots: it has three times as many places in buckets. Two buckets to choose from fill evenly
    /// enough then that none is ever full (Azar, Broder, Karlin, Upfal, "Balanced Allocations", 1994).
    pub const fn new(slots: u32, seed: [u32; super::flow::FlowKey::WORDS]) -> Self {
        let slots = if slots > MAX_SLOTS { MAX_SLOTS } else { slots };
        Self { slots, buckets: Self::buckets(slots), seed: Seed(seed) }
    }

    /// Buckets of a table of so many slots.
    pub const fn buckets(slots: u32) -> u32 {
        // Of 2²⁴ slots at most.
        slots.saturating_mul(3).div_ceil(PLACES as u32)
    }
}

/// Value of `FLOW_INDEX`: where the flows are whose keys fall into this bucket. An entry is a slot's number plus one in
/// the lower 24 bits, and 8 bits of the key's hash above; zero if there is none.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IndexBucket(pub [u32; PLACES]);

/// Only entry of `FLOW_POOL`: the slots that no flow has.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pool {
    /// The first slot that was never used; all above were not, either.
    pub fresh: u64,
    /// Where in `FLOW_FREE` (modulo its length) the slot is that was given back first of those that are there.
    pub head: u64,
    /// Where the next one goes.
    pub tail: u64,
    /// Where in the table an expired flow is looked for next, if no slot is free.
    pub hand: u64,
}

/// Value of `FLOW_RINGS` (index: container id): the slots whose flows count in the container's quota, in a queue through
/// [`super::flow::Flow::next`] whose front is the hand of a clock.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ring {
    /// One while somebody takes from the front.
    pub lock: u64,
    /// Until then it is not worth looking for flows that have expired.
    pub dry_until: u64,
    /// The node at the front: a slot's number plus one, or zero for the ring's own node.
    pub head: u32,
    /// The node at the back.
    pub tail: u32,
    /// What follows after the ring's own node, plus one; zero if nothing does.
    pub next: u32,
    /// Unused.
    pub padding: u32,
}
