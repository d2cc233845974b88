//! Flows begin.

use super::{
    FlowTable, Grant,
    account::{self, Charge},
    index::Entered,
    ring,
};
use crate::{
    abi::{
        flow_event::Change,
        units::{ContainerId, Nanos},
    },
    engine::{flow::charged_for, tables::FlowEntry as _},
};

/// What came of opening a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// It is there.
    Yes,
    /// It is not, since another processor has just opened it, or is about to delete or to revive it: the next packet finds that
    /// one, or opens it.
    Exists,
    /// It is not, since its container may have no more.
    Quota,
    /// It is not, since the table has no room.
    Full,
}

/// Opens a flow that was looked for and not found, in a slot that `fill` writes all into but when it expires. It counts for `id`,
/// which may have so many as `limit`.
#[inline(always)]
pub fn open<M: FlowTable + ?Sized>(
    table: &M,
    (id, limit): (ContainerId, u32),
    expires: impl FnOnce() -> Nanos,
    fill: impl FnOnce(u32),
) -> Opened {
    let grant = table.grant(id, limit);
    let Some(number) = grant.slot() else {
        return if grant == Grant::FULL { Opened::Full } else { Opened::Quota };
    };
    let Some(flow) = table.slot(number) else { return Opened::Full };
    fill(number);
    let entered = table.enter(number);
    if entered == Entered::Found {
        // Before others can end it.
        table.tell(&flow, Change::Begun, table.now());
        flow.claim(Nanos(0), expires());
    } else {
        account::give(table, id);
        flow.set_gone();
    }
    ring::push(table, id, number);
    match entered {
        Entered::Found => Opened::Yes,
        Entered::Exists => Opened::Exists,
        Entered::Full => Opened::Full,
    }
}

/// As [`open`], in the place of the flow with the same key, if that has expired, or `even_if_live`. The slot is claimed as if to be
/// deleted, so that it is nobody else's until it is whole again; `is_still` tells then whether the key leads there.
#[inline(always)]
pub fn renew<M: FlowTable + ?Sized>(
    table: &M,
    flow: &M::Flow,
    (id, limit): (ContainerId, u32),
    (even_if_live, expires): (bool, impl FnOnce() -> Nanos),
    is_still: impl FnOnce() -> bool,
    fill: impl FnOnce(),
) -> Opened {
    let old = flow.expires();
    if old.0 == 0 || (!even_if_live && old > table.now()) || !flow.claim(old, Nanos(0)) {
        return Opened::Exists;
    }
    if !is_still() {
        // Its slot has been given to another flow meanwhile.
        flow.claim(Nanos(0), old);
        return Opened::Exists;
    }
    let former = charged_for(flow);
    if former != id {
        let charge = table.take_over(id, limit);
        if !charge.is_made() {
            flow.claim(Nanos(0), old);
            return if charge == Charge::Full { Opened::Full } else { Opened::Quota };
        }
        account::give(table, former);
    }
    let now = table.now();
    if old > now {
        table.tell(flow, Change::Replaced, now);
    } else {
        table.tell(flow, Change::Expired, old);
    }
    fill();
    table.tell(flow, Change::Begun, now);
    flow.claim(Nanos(0), expires());
    Opened::Yes
}
