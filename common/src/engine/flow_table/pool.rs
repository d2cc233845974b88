//! Slots that no flow has.

use super::{FlowTable, Half as _, PoolWord};
use crate::{
    abi::units::Nanos,
    engine::tables::{FlowEntry as _, Word as _},
};

/// How long a slot rests, at least, before another flow may have it: whoever found the flow that was there before is done with
/// it by then.
pub const REST: Nanos = Nanos(10_000_000);

/// How long it has to have rested for who could do with one of its own container's, or has all that it is guaranteed: a container that is
/// flooded would else take those that others need sooner than they come back.
pub const LONG_REST: Nanos = Nanos(100_000_000);

/// How often the front is tried, which other processors may take first.
const TRIES: u32 = 16;

/// How often a slot is tried that was never used. Those that were come next.
const FRESH_TRIES: u32 = 4;

/// A free slot that has rested for so long.
#[inline(always)]
pub fn take<M: FlowTable + ?Sized>(table: &M, rest: Nanos) -> Option<u32> {
    let shape = table.shape()?;
    let fresh = table.pool(PoolWord::Fresh)?;
    for _ in 0..FRESH_TRIES {
        let number = fresh.load();
        if number >= shape.slots as u64 {
            break;
        }
        if fresh.swap(number, number.wrapping_add(1)) {
            return Some(number as u32);
        }
    }
    let in_use = table.in_use();
    if let Some(other) = in_use.other()
        && let Some(number) = table.take_from(other, rest)
    {
        return Some(number);
    }
    table.take_from(in_use.side(), rest)
}

/// A slot that has rested for so long, from the queue of this side.
///
/// Places of the queue are not cleared, since who has taken one could be interrupted before, until it is another's turn. So each tells
/// in which round it was filled.
#[inline(always)]
pub fn take_from<M: FlowTable + ?Sized>(table: &M, side: u32, rest: Nanos) -> Option<u32> {
    let places = table.shape()?.on(side).places;
    let head = table.pool(PoolWord::Head(side))?;
    for _ in 0..TRIES {
        let front = head.load();
        let turn = Turn::of(front, places)?;
        // Of an earlier round: there is none, or whoever is giving it back has not come to it yet.
        let number = turn.slot(table.free(side, turn.place)?.load())?;
        let rested = rest.0 == 0 || has_rested(table, number, rest);
        if rested && head.swap(front, front.wrapping_add(1)) {
            return Some(number);
        }
        // One that another processor has just taken is a flow that has begun, and not one that rests.
        if !rested && head.load() == front {
            return None;
        }
    }
    None
}

/// Gives back a slot that the caller has claimed, and that is in no ring. It has been told when its flow ended
/// ([`FlowEntry::set_ended`](crate::engine::tables::FlowEntry::set_ended)).
#[inline(always)]
pub fn give<M: FlowTable + ?Sized>(table: &M, number: u32) {
    let side = table.in_use().side();
    if let Some(shape) = table.shape()
        && let Some(tail) = table.pool(PoolWord::Tail(side))
        && let Some(turn) = Turn::of(tail.add(1), shape.on(side).places)
        && let Some(place) = table.free(side, turn.place)
    {
        place.exchange(turn.entry(number));
    }
}

#[inline(always)]
fn has_rested<M: FlowTable + ?Sized>(table: &M, number: u32, rest: Nanos) -> bool {
    // A step that has just begun says little.
    let rests = rest.0.wrapping_add(1 << 24);
    table.slot(number).is_some_and(|flow| flow.created().age(table.now()).0 >= rests)
}

/// A place in the queue, and the round in which it is somebody's turn there.
#[derive(Clone, Copy)]
pub struct Turn {
    /// The place.
    pub place: u32,
    round: u8,
}

impl Turn {
    /// Of the slot that is given back as this one, counted from zero.
    #[inline(always)]
    pub fn of(count: u64, places: u32) -> Option<Self> {
        let (place, round) = (count.checked_rem(places as u64)?, count.checked_div(places as u64)?);
        Some(Self { place: place as u32, round: round as u8 })
    }

    /// What stands there then.
    #[inline(always)]
    pub const fn entry(self, number: u32) -> u32 {
        (self.round as u32) << 24 | number.wrapping_add(1) & 0xff_ffff
    }

    /// The slot that stands there, if it is of this round.
    #[inline(always)]
    pub const fn slot(self, entry: u32) -> Option<u32> {
        if entry >> 24 != self.round as u32 {
            return None;
        }
        (entry & 0xff_ffff).checked_sub(1)
    }
}
