//! What the flow table is made of: see [`crate::engine::flow_table`].

/// Entries of a bucket.
pub const PLACES: usize = 8;

/// Most slots: their numbers have 24 bits, of which one is no slot's.
pub const MAX_SLOTS: u32 = (1 << 24) - 2;

/// Most segments that a table may grow by: enough for as many slots as have numbers.
pub const SEGMENTS: u32 = 1_024;

/// Slots of a segment: two to the power of this many.
pub const SEGMENT_SHIFT: u32 = 14;

/// Slots of a segment.
pub const SEGMENT: u32 = 1 << SEGMENT_SHIFT;

/// Sides: that of the table as it was made, and two by turns for one that has grown. The last is never used: with a power of two
/// the verifier of Linux 6.1 can see that there is no other.
pub const SIDES: usize = 4;

/// How large the table is, and what keys are hashed with. In `CONFIG`, and written by the loader alone.
///
/// A slot stays where it is as long as there is a table: one that grows has more of them, in segments. The index and the queue of
/// free slots are made anew for it, on another side; until all has been carried over, what is not found on one side is looked for on
/// the other. [`crate::engine::flow_table::growth`] has it all.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// Slots that flows may have; zero where there is no table yet.
    pub slots: u32,
    /// Of these, how many `FLOWS` has; the others are in the segments of `FLOW_MORE`.
    pub base: u32,
    /// Which of the sides are in use.
    pub in_use: InUse,
    /// The sides.
    pub sides: [Side; SIDES],
    /// Random, so that nobody can aim at a bucket.
    pub seed: Seed,
}

/// Which sides are in use. It is one word: who reads it once has seen both sides as they were at one moment.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InUse(pub u32);

/// An index and a queue of free slots: of the first side `FLOW_INDEX` and `FLOW_FREE`, of the others maps in `FLOW_INDEXES` and
/// `FLOW_QUEUES`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Side {
    /// Buckets of the index.
    pub buckets: u32,
    /// Places of the queue.
    pub places: u32,
}

/// A number for each word of a key.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seed(pub [u32; super::flow::FlowKey::WORDS]);

impl InUse {
    /// Two sides, or one twice.
    pub const fn new(side: u32, other: u32) -> Self {
        Self(side & 3 | (other & 3) << 2)
    }

    /// The side on which entries are made and slots are given back.
    #[inline(always)]
    pub const fn side(self) -> u32 {
        self.0 & 3
    }

    /// The side that is looked at, too, while the table grows.
    #[inline(always)]
    pub const fn other(self) -> Option<u32> {
        let other = self.0 >> 2 & 3;
        if other == self.side() { None } else { Some(other) }
    }

    /// Both, that on which entries are made first.
    pub fn sides(self) -> impl Iterator<Item = u32> + Clone {
        [Some(self.side()), self.other()].into_iter().flatten()
    }
}

impl Side {
    /// Nothing.
    pub const NONE: Self = Self { buckets: 0, places: 0 };

    /// That of a table of so many slots: it has three times as many places in buckets. Two buckets to choose from fill evenly
    /// enough then that none is ever full (Azar, Broder, Karlin, Upfal, "Balanced Allocations", 1994).
    pub const fn of(slots: u32) -> Self {
        // Of 2²⁴ slots at most.
        Self { buckets: slots.saturating_mul(3).div_ceil(PLACES as u32), places: slots }
    }
}

impl Shape {
    /// That of a new table of so many slots.
    pub const fn new(slots: u32, seed: [u32; super::flow::FlowKey::WORDS]) -> Self {
        let slots = if slots > MAX_SLOTS { MAX_SLOTS } else { slots };
        let sides = [Side::of(slots), Side::NONE, Side::NONE, Side::NONE];
        Self { slots, base: slots, in_use: InUse::new(0, 0), sides, seed: Seed(seed) }
    }

    /// How many segments a table of so many slots has that was made like this one.
    pub const fn segments(&self, slots: u32) -> u32 {
        slots.saturating_sub(self.base).div_ceil(SEGMENT)
    }

    /// The segment of a slot that is in one, and where it is there.
    #[inline(always)]
    pub const fn place(&self, number: u32) -> (u32, u32) {
        let rest = number.wrapping_sub(self.base);
        (rest >> SEGMENT_SHIFT, rest & SEGMENT.wrapping_sub(1))
    }

    /// One of its sides.
    #[inline(always)]
    pub fn on(&self, side: u32) -> Side {
        let Some(side) = self.sides.get((side & 3) as usize) else { return Side::NONE };
        *side
    }

    /// The first step of growing to so many slots: there is a new side, which is looked at.
    #[must_use]
    pub const fn looking(mut self, slots: u32) -> Self {
        let new = if self.in_use.side() == 1 { 2 } else { 1 };
        self.sides[new as usize] = Side::of(slots);
        self.in_use = InUse::new(self.in_use.side(), new);
        self
    }

    /// The second step: entries are made on the new side, and its slots may be used.
    #[must_use]
    pub fn making(mut self) -> Self {
        if let Some(new) = self.in_use.other() {
            self.in_use = InUse::new(new, self.in_use.side());
            self.slots = self.on(new).places;
        }
        self
    }

    /// The last step: the old side is no more.
    #[must_use]
    pub const fn settled(mut self) -> Self {
        self.in_use = InUse::new(self.in_use.side(), self.in_use.side());
        self
    }

    /// Which step it stands at: the new side is the larger one.
    pub fn growing(&self) -> Growing {
        match self.in_use.other() {
            None => Growing::Not,
            Some(other) if self.on(other).places > self.slots => Growing::Looking,
            Some(_) => Growing::Making,
        }
    }
}

/// How far a table has come that grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Growing {
    /// It does not.
    Not,
    /// After [`Shape::looking`].
    Looking,
    /// After [`Shape::making`].
    Making,
}

/// Value of an index: where the flows are whose keys fall into this bucket. An entry is a slot's number plus one in
/// the lower 24 bits, and 8 bits of the key's hash above; zero if there is none.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IndexBucket(pub [u32; PLACES]);

/// Only entry of `FLOW_POOL`: the slots that no flow has, and who may have them.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pool {
    /// The first slot that was never used; all above were not, either.
    pub fresh: u64,
    /// Where in the table an expired flow is looked for next, if no slot is free.
    pub hand: u64,
    /// How many slots are guaranteed to containers, or theirs beyond that: the sum of [`super::container::Held::promised`].
    pub promised: u64,
    /// The queues of all sides.
    pub queues: [Queue; SIDES],
}

/// The ends of a queue of free slots.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queue {
    /// Where (modulo its length) the slot is that was given back first of those that are there.
    pub head: u64,
    /// Where the next one goes.
    pub tail: u64,
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
