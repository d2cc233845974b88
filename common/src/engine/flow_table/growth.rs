//! A table gets more slots while packets go on, and none of its flows is lost.
//!
//! Slots stay where they are. The index and the queue of free slots are made anew on another side, and the loader changes
//! [`Shape`](crate::abi::flow_table::Shape) three times. After each it waits until no program is at work that has seen the shape
//! before:
//!
//! 1. The new side is there, and is *looked at*; entries are still made on the old one. (So whoever makes entries on the one side
//!    and whoever makes them on the other see each other's: nobody opens a flow that is there.)
//! 2. The new side is the one where entries are *made*, and the old one is looked at. Now [`carry`] takes each slot's entry over,
//!    and [`drain`] each free slot; who finds a flow neither on the new side nor on the old looks on the new one once more, where it was
//!    before it left the old.
//! 3. When nothing is left on the old side, it is no more.
//!
//! Whoever is at work while the shape changes looks on the same two sides as before, in another order: which they are is one word
//! ([`InUse`](crate::abi::flow_table::InUse)), read once for each thing that is done.
//!
//! Who has died in between leaves a table that works: another loader goes on from where it stands.

use super::{FlowTable, index, reclaim};
use crate::{abi::units::Nanos, engine::tables::FlowEntry as _};

/// What has become of a slot's entry on the old side.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carried {
    /// There is none any more.
    Over = 0,
    /// It stays for now: somebody else has the slot in hand, or the new side has no room in the buckets where it could be.
    Stays = 1,
}

/// Takes the entry of a slot from the old side over to the new. The flow cannot be claimed meanwhile, and goes on.
#[inline(always)]
pub fn carry<M: FlowTable + ?Sized>(table: &M, number: u32) -> Carried {
    let (Some(other), Some(flow)) = (table.in_use().other(), table.slot(number)) else {
        return Carried::Over;
    };
    // Of a slot that is free the key is still the last flow's, which has no entry.
    if !table.has_entry(other, number, table.hash(number)) {
        return Carried::Over;
    }
    if flow.expires() <= table.now() {
        let has_expired = reclaim::retire(table, number, |flow| flow.expires() <= table.now());
        return if has_expired { Carried::Over } else { Carried::Stays };
    }
    if !flow.hold() {
        return Carried::Stays;
    }
    // Once more, now that it cannot become another.
    let hash = table.hash(number);
    let is_there = table.has_entry(other, number, hash);
    let is_made = is_there && index::make(table, number, hash);
    if is_made {
        table.delete_entry(other, number, hash);
    }
    flow.release();
    if is_there && !is_made { Carried::Stays } else { Carried::Over }
}

/// Takes a free slot from the old side over to the new; tells whether there was one. It goes on resting.
#[inline(always)]
pub fn drain<M: FlowTable + ?Sized>(table: &M) -> bool {
    let Some(number) = table.in_use().other().and_then(|other| table.take_from(other, Nanos(0))) else {
        return false;
    };
    table.give(number);
    true
}
