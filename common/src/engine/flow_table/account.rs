//! How many flows a container has, and how many it may have whatever the others do.
//!
//! Each container is guaranteed some of the table's slots. The others are for who comes first. So what is promised to a container is what it
//! is guaranteed or, if that is more, what it has; and together no more is promised than there are slots. Count and guarantee are one
//! word ([`Held`]): each change of either tells by itself whether it changes what is promised, and [`PoolWord::Promised`] is the sum
//! over all containers at any quiet moment, whatever went on at once. It is never less than that: what is promised is added before, and
//! taken back after.

use super::{FlowTable, PoolWord};
use crate::{
    abi::{container::Held, units::ContainerId},
    engine::{
        quota,
        tables::{UsageWord, Word},
    },
};

/// How often one tries to charge, or to guarantee, whom others are faster than.
const TRIES: u32 = 16;

/// Whether a flow was counted.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charge {
    /// It was, among those that its container is guaranteed.
    Guaranteed = 0,
    /// It was, beyond those.
    Beyond = 1,
    /// It was not: its container has as many as it may have.
    Limit = 2,
    /// It was not: its container has what it is guaranteed, and the table no more slots that are for all.
    Full = 3,
}

impl Charge {
    /// From its number.
    #[inline(always)]
    pub const fn from_number(number: u8) -> Self {
        match number {
            0 => Self::Guaranteed,
            1 => Self::Beyond,
            2 => Self::Limit,
            _ => Self::Full,
        }
    }

    /// Whether it was counted.
    #[inline(always)]
    pub const fn is_made(self) -> bool {
        matches!(self, Self::Guaranteed | Self::Beyond)
    }
}

/// Counts one more flow of `id`, which may have so many.
///
/// To add first and take back what is too much would show others more than is held for a moment: who looks then whether the limit
/// has been lowered would be misled.
#[inline(always)]
pub fn charge<M: FlowTable + ?Sized>(table: &M, id: ContainerId, limit: u32) -> Charge {
    let Some(word) = table.usage(id, UsageWord::FlowsHeld) else { return Charge::Limit };
    let (mut charge, mut has_promise) = (Charge::Limit, false);
    for _ in 0..TRIES {
        let held = Held(word.load());
        if held.balance() as i64 >= limit as i64 {
            break;
        }
        let one_more = Held(held.0.wrapping_add(1));
        let needs_promise = one_more.promised() != held.promised();
        if needs_promise && !has_promise {
            has_promise = promise_one(table);
            if !has_promise {
                charge = Charge::Full;
                break;
            }
        }
        if word.swap(held.0, one_more.0) {
            if let Some(max) = table.usage(id, UsageWord::FlowsMax) {
                quota::note(&max, one_more);
            }
            has_promise &= !needs_promise;
            charge = if needs_promise { Charge::Beyond } else { Charge::Guaranteed };
            break;
        }
    }
    // That it is the limit if all tries were in vain: so many others charge to the container at once that it may well be.
    if has_promise {
        promise(table, u64::MAX);
    }
    charge
}

/// Promises one slot more; tells whether there was one.
#[inline(always)]
fn promise_one<M: FlowTable + ?Sized>(table: &M) -> bool {
    let (Some(shape), Some(promised)) = (table.shape(), table.pool(PoolWord::Promised)) else { return false };
    let is_there = promised.add(1) < shape.slots as u64;
    if !is_there {
        promised.add(u64::MAX);
    }
    is_there
}

/// Promises so many more, or (as a negative number) less.
#[inline(always)]
fn promise<M: FlowTable + ?Sized>(table: &M, slots: u64) {
    if let Some(promised) = table.pool(PoolWord::Promised) {
        promised.add(slots);
    }
}

/// Counts one flow of `id` less.
#[inline(always)]
pub fn give<M: FlowTable + ?Sized>(table: &M, id: ContainerId) {
    if let Some(word) = table.usage(id, UsageWord::FlowsHeld) {
        let held = Held(word.add(u64::MAX));
        if Held(held.0.wrapping_sub(1)).promised() != held.promised() {
            promise(table, u64::MAX);
        }
    }
}

/// One more was asked for than `id` may have.
#[inline(always)]
pub fn fail<M: FlowTable + ?Sized>(table: &M, id: ContainerId) {
    if let Some(failed) = table.usage(id, UsageWord::FlowsFailed) {
        failed.add(1);
    }
}

/// Whether `id` has more than it may have: the limit has been lowered.
#[inline(always)]
pub fn is_over<M: FlowTable + ?Sized>(table: &M, id: ContainerId, limit: u32) -> bool {
    table
        .usage(id, UsageWord::FlowsHeld)
        .is_some_and(|held| Held(held.load()).balance() as i64 > limit as i64)
}

/// Guarantees `id` so many flows from now on; false if others were quicker each time. Where all is promised already, what is guaranteed
/// is there as flows end.
#[inline(always)]
pub fn guarantee<M: FlowTable + ?Sized>(table: &M, id: ContainerId, flows: u32) -> bool {
    let Some(word) = table.usage(id, UsageWord::FlowsHeld) else { return false };
    for _ in 0..TRIES {
        let old = Held(word.load());
        let new = old.with_guaranteed(flows);
        let (before, after) = (old.promised(), new.promised());
        let more = after.saturating_sub(before);
        promise(table, more);
        if word.swap(old.0, new.0) {
            promise(table, 0_u64.wrapping_sub(before.saturating_sub(after)));
            return true;
        }
        promise(table, 0_u64.wrapping_sub(more));
    }
    false
}
