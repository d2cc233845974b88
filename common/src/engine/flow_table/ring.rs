//! The slots of each container, in a queue.
//!
//! Vyukov's queue for many producers and one consumer ("Intrusive MPSC node-based queue"): to put a slot at the back takes
//! one exchange, and never waits; to take one from the front takes the ring's lock.

use super::{FlowTable, Half, RingWords};
use crate::{
    abi::units::ContainerId,
    engine::tables::{FlowEntry as _, Word},
};

/// The node that is the ring's own: it stands in for the last slot, which could else not be taken out.
const OWN: u32 = 0;

/// Puts a slot at the back. The caller is alone with its place: no ring has it.
#[inline(always)]
pub fn push<M: FlowTable + ?Sized>(table: &M, id: ContainerId, number: u32) {
    if let Some(ring) = table.ring(id) {
        push_node(table, &ring, number.wrapping_add(1));
    }
}

/// Takes the front from others; tells whether it could.
#[inline(always)]
pub fn lock<M: FlowTable + ?Sized>(ring: &RingWords<M::Word, M::Half>) -> bool {
    for _ in 0..M::WAITS {
        if ring.lock.swap(0, 1) {
            return true;
        }
    }
    // Whoever has it may have been interrupted by this packet.
    false
}

/// Leaves the front to others.
#[inline(always)]
pub fn unlock<W: Word, H: Half>(ring: &RingWords<W, H>) {
    ring.lock.swap(1, 0);
}

/// The slot at the front, which is in the ring no more; nothing if there is none, or one is just being put there. The caller has
/// locked the ring.
#[inline(always)]
pub fn pop<M: FlowTable + ?Sized>(table: &M, ring: &RingWords<M::Word, M::Half>) -> Option<u32> {
    let mut head = ring.head.load();
    let mut next = after(table, ring, head)?.load();
    if head == OWN {
        head = next.checked_sub(1)?;
        ring.head.exchange(head);
        next = after(table, ring, head)?.load();
    }
    if next == 0 {
        if ring.tail.load() != head {
            return None;
        }
        // The last one: the ring's own node takes its place.
        push_node(table, ring, OWN);
        next = after(table, ring, head)?.load();
    }
    ring.head.exchange(next.checked_sub(1)?);
    head.checked_sub(1)
}

#[inline(always)]
fn push_node<M: FlowTable + ?Sized>(table: &M, ring: &RingWords<M::Word, M::Half>, node: u32) {
    if let Some(own) = after(table, ring, node) {
        own.exchange(0);
        let before = ring.tail.exchange(node);
        if let Some(last) = after(table, ring, before) {
            last.exchange(node.wrapping_add(1));
        }
    }
}

/// Where a node says which one follows.
#[inline(always)]
fn after<M: FlowTable + ?Sized>(table: &M, ring: &RingWords<M::Word, M::Half>, node: u32) -> Option<M::Half> {
    match node {
        OWN => Some(ring.next),
        node => table.slot(node.wrapping_sub(1)).map(|flow| flow.next()),
    }
}
