//! Who gets a slot, and who has to give one up.

use super::{
    FlowTable, PoolWord,
    account::{self, Charge},
    pool, ring,
};
use crate::{
    abi::{
        flow::State,
        flow_event::Change,
        units::{ContainerId, Nanos, Ticks},
    },
    engine::{
        flow::charged_for,
        tables::{FlowEntry as _, UsageWord, Word as _},
    },
};

/// For how long nobody looks for expired flows where none was found: a container that is flooded would look again for each
/// packet, and flows do not expire that fast.
const DRY: Nanos = Nanos(10_000_000);

/// Whether a new flow may be, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant(pub u64);

impl Grant {
    /// Not, since the container has as many as it may have, and none that could go.
    pub const QUOTA: Self = Self(1 << 32);
    /// Not, since there is no slot, or none that it may have.
    pub const FULL: Self = Self(2 << 32);

    /// In this slot.
    #[inline(always)]
    const fn of(number: u32) -> Self {
        Self(number as u64)
    }

    /// The slot. The new flow has been counted, and the caller is alone with the slot, which nobody finds and no ring has.
    #[inline(always)]
    pub const fn slot(self) -> Option<u32> {
        let Self(grant) = self;
        if grant >> 32 == 0 { Some(grant as u32) } else { None }
    }
}

/// What a look at the slot at a ring's front has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look(pub u64);

impl Look {
    /// There was none.
    const NOTHING: Self = Self(0);
    /// It stays, or has been dealt with.
    const PASSED: Self = Self(1 << 32);
    const ENDED: u64 = 2;
    const UNASSURED: u64 = 3;

    /// Its flow had expired. The slot is the caller's, and still counted.
    #[inline(always)]
    const fn ended(number: u32) -> Self {
        Self(Self::ENDED << 32 | number as u64)
    }

    /// Its flow may have to go. It is as it was, but the caller has to put it back into the ring.
    #[inline(always)]
    const fn unassured(number: u32) -> Self {
        Self(Self::UNASSURED << 32 | number as u64)
    }

    #[inline(always)]
    const fn kind(self) -> u64 {
        self.0 >> 32
    }

    #[inline(always)]
    const fn slot(self) -> u32 {
        self.0 as u32
    }
}

/// A slot for a new flow of `id`, which may have so many.
#[inline(always)]
pub fn grant<M: FlowTable + ?Sized>(table: &M, id: ContainerId, limit: u32) -> Grant {
    let mut charge = table.charge(id, limit);
    if charge == Charge::Limit {
        return instead(table, id, limit);
    }
    if let Some(number) = free_slot(table, charge) {
        return Grant::of(number);
    }
    if table.free_others() {
        if charge == Charge::Full {
            charge = table.charge(id, limit);
        }
        if let Some(number) = free_slot(table, charge) {
            return Grant::of(number);
        }
    }
    let own = table.victim(id);
    if charge.is_made() {
        // What the other was counted for is no more, or nothing comes of the new one.
        account::give(table, id);
    }
    own.map_or(Grant::FULL, Grant::of)
}

#[inline(always)]
fn free_slot<M: FlowTable + ?Sized>(table: &M, charge: Charge) -> Option<u32> {
    match charge {
        Charge::Guaranteed => pool::take(table, pool::REST),
        // Else who comes and goes fast would have each slot as soon as it has rested, and leave none to who is guaranteed one.
        Charge::Beyond => pool::take(table, pool::LONG_REST),
        Charge::Limit | Charge::Full => None,
    }
}

/// A slot for a new flow of a container that has as many as it may have.
#[inline(always)]
fn instead<M: FlowTable + ?Sized>(table: &M, id: ContainerId, limit: u32) -> Grant {
    let Some(number) = displace(table, id, limit) else { return Grant::QUOTA };
    match pool::take(table, pool::LONG_REST) {
        Some(rested) => {
            table.give(number);
            Grant::of(rested)
        }
        // Whoever still has the old flow in hand is one of the same container's packets.
        None => Grant::of(number),
    }
}

/// A slot of the container whose count is another flow's from now on; nothing if it may have none.
#[inline(always)]
fn displace<M: FlowTable + ?Sized>(table: &M, id: ContainerId, limit: u32) -> Option<u32> {
    let Some(number) = table.victim(id) else {
        account::fail(table, id);
        return None;
    };
    if account::is_over(table, id, limit) {
        // The limit has been lowered.
        account::give(table, id);
        account::fail(table, id);
        table.give(number);
        return None;
    }
    Some(number)
}

/// Counts a flow of another container for `id` from now on, one of whose flows may have to go for it; tells whether it may have
/// it.
#[inline(always)]
pub fn take_over<M: FlowTable + ?Sized>(table: &M, id: ContainerId, limit: u32) -> Charge {
    let charge = table.charge(id, limit);
    let own = match charge {
        Charge::Limit => displace(table, id, limit),
        Charge::Full => table.victim(id),
        made => return made,
    };
    let Some(number) = own else { return charge };
    table.give(number);
    Charge::Guaranteed
}

/// A slot of `id` whose flow has expired, or else one whose flow is not assured. Its flow is no more, but still counted.
#[inline(always)]
pub fn victim<M: FlowTable + ?Sized>(table: &M, id: ContainerId) -> Option<u32> {
    let ring = table.ring(id)?;
    if !ring::lock::<M>(&ring) {
        return None;
    }
    let (now, dry_until) = (table.now(), ring.dry_until.load());
    let is_dry = dry_until > now.0;
    let (mut ended, mut unassured) = (None, None);
    for _ in 0..M::LOOKS {
        let look = table.look(id);
        match look.kind() {
            Look::ENDED => {
                ended = Some(look.slot());
                break;
            }
            Look::UNASSURED if unassured.is_none() => {
                unassured = Some(look.slot());
                if is_dry {
                    break;
                }
            }
            Look::UNASSURED => ring::push(table, id, look.slot()),
            _ if look == Look::NOTHING => break,
            _ => {}
        }
    }
    if ended.is_none() && !is_dry {
        ring.dry_until.swap(dry_until, now.after(DRY).0);
    }
    let victim = match (ended, unassured) {
        (None, Some(number)) if evict(table, id, number) => Some(number),
        (ended, Some(number)) => {
            ring::push(table, id, number);
            ended
        }
        (ended, None) => ended,
    };
    ring::unlock(&ring);
    victim
}

/// Looks at the slot at the front of the ring of `id`, which the caller has locked.
#[inline(always)]
pub fn look<M: FlowTable + ?Sized>(table: &M, id: ContainerId) -> Look {
    let Some(ring) = table.ring(id) else { return Look::NOTHING };
    let Some(number) = ring::pop(table, &ring) else { return Look::NOTHING };
    let Some(flow) = table.slot(number) else { return Look::PASSED };
    let (expires, state) = (flow.expires(), flow.state());
    if expires.0 == 0 && state.has(State::GONE) {
        table.give(number);
        return Look::PASSED;
    }
    if expires.0 != 0 && expires <= table.now() && flow.claim(expires, Nanos(0)) {
        table.delete(number);
        table.tell(&flow, Change::Expired, expires);
        flow.set_ended(Ticks::of(expires));
        let charged = charged_for(&flow);
        if charged == id {
            return Look::ended(number);
        }
        account::give(table, charged);
        table.give(number);
        return Look::PASSED;
    }
    let charged = charged_for(&flow);
    if expires > table.now() && charged == id && may_go(state) {
        return Look::unassured(number);
    }
    // Taken over by another container since it came here, perhaps.
    let owner = if table.ring(charged).is_some() { charged } else { id };
    ring::push(table, owner, number);
    Look::PASSED
}

/// Looks at one slot of `id`, and frees it if its flow has expired; tells how many flows were deleted, or nothing if there is no
/// slot, or others are busy.
#[inline(always)]
pub fn sweep<M: FlowTable + ?Sized>(table: &M, id: ContainerId) -> Option<u32> {
    let ring = table.ring(id)?;
    if !ring::lock::<M>(&ring) {
        return None;
    }
    let look = table.look(id);
    match look.kind() {
        Look::ENDED => {
            account::give(table, id);
            table.give(look.slot());
        }
        Look::UNASSURED => ring::push(table, id, look.slot()),
        _ => {}
    }
    ring::unlock(&ring);
    if look == Look::NOTHING { None } else { Some((look.kind() == Look::ENDED) as u32) }
}

/// Ends the flow in a slot, if it is the one that is meant, and counts it no more; tells whether it was so. Its slot is free when
/// the hand comes to it.
#[inline(always)]
pub fn retire<M: FlowTable + ?Sized>(table: &M, number: u32, is_meant: impl Fn(&M::Flow) -> bool) -> bool {
    let Some(flow) = table.slot(number) else { return false };
    let (old, now) = (flow.expires(), table.now());
    if old.0 == 0 || !is_meant(&flow) || !flow.claim(old, Nanos(0)) {
        return false;
    }
    // Once more, now that it cannot become another.
    if !is_meant(&flow) {
        flow.claim(Nanos(0), old);
        return false;
    }
    table.delete(number);
    let (change, at) = if old < now { (Change::Expired, old) } else { (Change::Flushed, now) };
    table.tell(&flow, change, at);
    // Before anything that others wait for.
    flow.set_ended(Ticks::of(at));
    account::give(table, charged_for(&flow));
    flow.set_gone();
    true
}

/// Ends a flow of `id` that is not assured; tells whether it was so.
#[inline(always)]
fn evict<M: FlowTable + ?Sized>(table: &M, id: ContainerId, number: u32) -> bool {
    let Some(flow) = table.slot(number) else { return false };
    let old = flow.expires();
    if old.0 == 0 || !flow.claim(old, Nanos(0)) {
        return false;
    }
    // Seen only now that nobody else can have it go on, or be another's.
    if !may_go(flow.state()) || charged_for(&flow) != id {
        flow.claim(Nanos(0), old);
        return false;
    }
    table.delete(number);
    table.tell(&flow, Change::Evicted, table.now());
    flow.set_ended(Ticks::of(table.now()));
    if let Some(evicted) = table.usage(id, UsageWord::FlowsEvicted) {
        evicted.add(1);
    }
    true
}

/// Frees a slot of whoever has a flow that has expired; tells whether it did.
#[inline(always)]
pub fn free_others<M: FlowTable + ?Sized>(table: &M) -> bool {
    let (Some(shape), Some(hand)) = (table.shape(), table.pool(PoolWord::Hand)) else { return false };
    let mut owner = ContainerId::UNOWNED;
    for _ in 0..M::LOOKS {
        if let Some(number) = hand.add(1).checked_rem(shape.slots as u64)
            && let Some(flow) = table.slot(number as u32)
            && flow.expires().0 != 0
            && flow.expires() <= table.now()
        {
            owner = charged_for(&flow);
            break;
        }
    }
    for _ in 0..M::LOOKS {
        match table.sweep(owner) {
            Some(0) => {}
            Some(_) => return true,
            None => return false,
        }
    }
    false
}

/// Whether a flow may have to go for a newer one.
#[inline(always)]
const fn may_go(state: State) -> bool {
    !state.has(State::ASSURED) && !state.has(State::LOCKED)
}
