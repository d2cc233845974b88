//! The flow table: which slot a flow is in, who may have a slot, and who has to give one up (design §9).
//!
//! It is made of plain arrays, so that the same code runs on the kernel's maps, on memory, and under a model checker:
//!
//! - **Slots** hold flows, each with its key. A slot is somebody's while its `expires` is not zero; whoever swaps that for zero
//!   has claimed it, and is alone with it until it is given back or set again.
//! - **The index** ([`index`]) tells the slot by the key: two buckets of eight entries to choose from, each with eight bits of
//!   the key's hash. An entry is made and deleted by one swap.
//! - **The pool** ([`pool`]) is a queue of slots that are free. They rest there before they are used again, so that nobody still
//!   writes to them for the flow that was there before.
//! - **Rings** ([`ring`]): the slots of each container, in a queue. Its front is the hand of a clock, and whoever takes a slot
//!   from it is alone with its place. A slot is in at most one ring, and leaves it only by the hand: so one that is taken over by
//!   another container is in the former one's until the hand passes it on.
//! - **Sides** ([`growth`]): of index and pool there is a second one while the table grows.
//! - **The quota** ([`reclaim`]): a new flow is counted before it has a slot. One too many takes the place of one that has
//!   expired, or else of one that is not assured, of the same container; then that one's count is the new one's.
//! - **Guarantees** ([`account`]): some of the slots are each container's own, however many others would have.

pub mod account;
pub mod growth;
pub(super) mod hash;
pub mod index;
pub mod open;
pub mod pool;
pub mod reclaim;
pub mod ring;
mod told;

pub use hash::Hash;
pub use reclaim::Grant;
pub use told::is_told;

use super::tables::{FlowEntry, UsageWord, Word};
use crate::abi::{
    flow_event::Change,
    flow_table::{InUse, Shape},
    units::{ContainerId, Nanos},
};

/// Half a word that several processors change at once.
pub trait Half: Copy {
    /// Its value now.
    fn load(&self) -> u32;
    /// Sets it to `new` if it is still `old`; tells whether it was.
    fn swap(&self, old: u32, new: u32) -> bool;
    /// Sets it to `new`, and returns what it was.
    fn exchange(&self, new: u32) -> u32;
}

/// The entries of a bucket of the index.
pub trait Places: Copy {
    /// One of them.
    type Half: Half;
    /// The entry at this place; nothing beyond the last.
    fn entry(&self, place: usize) -> Option<Self::Half>;
}

/// A word of [`crate::abi::flow_table::Pool`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolWord {
    /// The first slot that was never used.
    Fresh,
    /// The front of the queue of a side.
    Head(u32),
    /// Its back.
    Tail(u32),
    /// Where expired flows are looked for.
    Hand,
    /// How many slots are promised.
    Promised,
}

/// The words of a [`crate::abi::flow_table::Ring`].
#[derive(Clone, Copy)]
pub struct RingWords<W, H> {
    /// Taken while the front is moved.
    pub lock: W,
    /// Until then it is not worth looking for what has expired.
    pub dry_until: W,
    /// The front.
    pub head: H,
    /// The back.
    pub tail: H,
    /// What follows after the ring's own node.
    pub next: H,
}

/// A slot and its number.
#[derive(Clone, Copy)]
pub struct Slot<F> {
    /// Its number.
    pub number: u32,
    /// What is in it.
    pub flow: F,
}

/// What the flow table is made of.
pub trait FlowTable {
    /// A slot.
    type Flow: FlowEntry<Half = Self::Half>;
    /// A word changed by several processors.
    type Word: Word;
    /// Half of one.
    type Half: Half;
    /// The entries of a bucket.
    type Places: Places<Half = Self::Half>;

    /// How many slots are looked at for one that may be had.
    const LOOKS: u32 = 32;
    /// How often one looks again who waits for a ring's front.
    const WAITS: u32 = 64;

    /// The time.
    fn now(&self) -> Nanos;
    /// A word of a container's usage.
    fn usage(&self, id: ContainerId, word: UsageWord) -> Option<Self::Word>;
    /// How large the table is, and how it hashes.
    fn shape(&self) -> Option<&Shape>;
    /// Which of its sides are in use, now.
    fn in_use(&self) -> InUse {
        self.shape().map_or(InUse::default(), |shape| shape.in_use)
    }
    /// The slot of this number.
    fn slot(&self, number: u32) -> Option<Self::Flow>;
    /// The places of a bucket of a side.
    fn places(&self, side: u32, bucket: u32) -> Option<Self::Places>;
    /// A place in the queue of free slots of a side.
    fn free(&self, side: u32, place: u32) -> Option<Self::Half>;
    /// A word of the pool.
    fn pool(&self, word: PoolWord) -> Option<Self::Word>;
    /// The ring of a container.
    fn ring(&self, id: ContainerId) -> Option<RingWords<Self::Word, Self::Half>>;

    /// Tells user space, if it wants to hear of it, what has become of a flow, with which the caller is alone unless it has begun.
    #[inline(always)]
    fn tell(&self, flow: &Self::Flow, change: Change, at: Nanos) {
        let _ = (flow, change, at);
    }

    // Where the kernel's tables cut the engine in two for the verifier's sake; they do nothing else than the body.

    /// As [`index::enter`].
    #[inline(always)]
    fn enter(&self, number: u32) -> index::Entered {
        index::enter(self, number)
    }

    /// As [`index::delete`].
    #[inline(always)]
    fn delete(&self, number: u32) {
        index::delete(self, number);
    }

    /// As [`index::hash`].
    #[inline(always)]
    fn hash(&self, number: u32) -> Hash {
        index::hash(self, number)
    }

    /// As [`index::make_entry`].
    #[inline(always)]
    fn make_entry(&self, number: u32, hash: Hash) -> index::Made {
        index::make_entry(self, number, hash)
    }

    /// As [`index::has_entry`].
    #[inline(always)]
    fn has_entry(&self, side: u32, number: u32, hash: Hash) -> bool {
        index::has_entry(self, side, number, hash)
    }

    /// As [`index::has_another`].
    #[inline(always)]
    fn has_another(&self, side: u32, number: u32, hash: Hash) -> bool {
        index::has_another(self, side, number, hash)
    }

    /// As [`index::delete_entry`].
    #[inline(always)]
    fn delete_entry(&self, side: u32, number: u32, hash: Hash) -> bool {
        index::delete_entry(self, side, number, hash)
    }

    /// As [`pool::give`].
    #[inline(always)]
    fn give(&self, number: u32) {
        pool::give(self, number);
    }

    /// As [`pool::take_from`].
    #[inline(always)]
    fn take_from(&self, side: u32, rest: Nanos) -> Option<u32> {
        pool::take_from(self, side, rest)
    }

    /// As [`reclaim::free_others`].
    #[inline(always)]
    fn free_others(&self) -> bool {
        reclaim::free_others(self)
    }

    /// As [`reclaim::look`].
    #[inline(always)]
    fn look(&self, id: ContainerId) -> reclaim::Look {
        reclaim::look(self, id)
    }

    /// As [`reclaim::sweep`].
    #[inline(always)]
    fn sweep(&self, id: ContainerId) -> Option<u32> {
        reclaim::sweep(self, id)
    }

    /// As [`account::charge`].
    #[inline(always)]
    fn charge(&self, id: ContainerId, limit: u32) -> account::Charge {
        account::charge(self, id, limit)
    }

    /// As [`reclaim::take_over`].
    #[inline(always)]
    fn take_over(&self, id: ContainerId, limit: u32) -> account::Charge {
        reclaim::take_over(self, id, limit)
    }

    /// As [`reclaim::victim`].
    #[inline(always)]
    fn victim(&self, id: ContainerId) -> Option<u32> {
        reclaim::victim(self, id)
    }

    /// As [`reclaim::grant`].
    #[inline(always)]
    fn grant(&self, id: ContainerId, limit: u32) -> Grant {
        reclaim::grant(self, id, limit)
    }
}
