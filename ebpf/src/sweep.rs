//! Deleting what has ended, or belongs to somebody who goes: whole tables, where the kernel calls back for each entry, and
//! else the entries that the loader names.

use core::ffi::c_void;

use aya_ebpf::{
    helpers::generated::{bpf_for_each_map_elem, bpf_map_delete_elem},
    programs::TcContext,
};
use berth_common::{
    abi::{
        control::{Control, NamedFlow},
        guard::{Bucket, BucketKey, CountKey, Counted, CountedKey, ObjectKey, RecentList},
        port::{PortEntry, PortKey},
        units::ContainerId,
    },
    engine::{
        Tables as _,
        external::{connlimit, hashlimit, recent},
        flow_table::{FlowTable as _, growth::Carried, reclaim},
        ports,
        tables::FlowEntry as _,
    },
};

use crate::{
    atomic::MapWord,
    flow::MapFlow,
    flow_table, guards,
    maps::{BUCKETS, COUNTED, COUNTS, PORTS, RECENTS},
    seams::NoContext,
    tables::Maps,
};

/// What the callbacks share.
struct Sweep {
    maps: Maps<NoContext>,
    /// Whose entries go; of reservations for [`ContainerId::UNOWNED`] those that nobody holds.
    owner: ContainerId,
    changed: u32,
}

/// Ends the flows of `owner` in a few slots, from this one on; returns how many.
#[inline(always)]
pub fn flush(maps: Maps<NoContext>, owner: ContainerId, first: u32) -> u32 {
    few(first, |number| flow_table::retire(number, owner, maps.now()))
}

/// Carries the entries of a few slots over, from this one on; returns how many stay.
#[inline(always)]
pub fn carry(maps: Maps<NoContext>, first: u32) -> u32 {
    few(first, |number| flow_table::carry(number, maps.now()) == Carried::Stays)
}

/// Carries free slots over; returns how many.
#[inline(always)]
pub fn drain(maps: Maps<NoContext>) -> u32 {
    few(0, |_| flow_table::drain(maps.now()))
}

/// For how many of a few slots `does` says that it is so.
#[inline(always)]
fn few(first: u32, does: impl Fn(u32) -> bool) -> u32 {
    let mut count = 0_u32;
    for place in 0..Control::LOOKS {
        count = count.wrapping_add(does(first.wrapping_add(place)) as u32);
    }
    count
}

/// Deletes the reservations of `owner`, or for [`ContainerId::UNOWNED`] those that nobody holds; returns how many.
#[inline(always)]
pub fn reservations(maps: Maps<NoContext>, owner: ContainerId) -> u32 {
    let mut state = Sweep { maps, owner, changed: 0 };
    for_each_port(&mut state);
    state.changed
}

/// Deletes what rules keep no longer; returns how much.
#[inline(always)]
pub fn guards(maps: Maps<NoContext>) -> u32 {
    let mut state = Sweep { maps, owner: ContainerId::UNOWNED, changed: 0 };
    for_each_bucket(&mut state);
    for_each_list(&mut state);
    for_each_counted(&mut state);
    for_each_count(&mut state);
    state.changed
}

// A function for each, so that each call stays one for a single map: of a call for either, 6.1 says "tail_call abusing map_ptr".

#[inline(never)]
fn for_each_port(state: &mut Sweep) {
    let map = (&raw const PORTS).cast_mut().cast();
    // SAFETY: The callback has the signature that the helper calls, and the state outlives the call.
    unsafe { bpf_for_each_map_elem(map, sweep_port as *mut c_void, (&raw mut *state).cast(), 0) };
}

#[inline(never)]
fn for_each_bucket(state: &mut Sweep) {
    let map = (&raw const BUCKETS).cast_mut().cast();
    // SAFETY: As above.
    unsafe { bpf_for_each_map_elem(map, sweep_bucket as *mut c_void, (&raw mut *state).cast(), 0) };
}

#[inline(never)]
fn for_each_list(state: &mut Sweep) {
    let map = (&raw const RECENTS).cast_mut().cast();
    // SAFETY: As above.
    unsafe { bpf_for_each_map_elem(map, sweep_list as *mut c_void, (&raw mut *state).cast(), 0) };
}

#[inline(never)]
fn for_each_counted(state: &mut Sweep) {
    let map = (&raw const COUNTED).cast_mut().cast();
    // SAFETY: As above.
    unsafe { bpf_for_each_map_elem(map, sweep_counted as *mut c_void, (&raw mut *state).cast(), 0) };
}

#[inline(never)]
fn for_each_count(state: &mut Sweep) {
    let map = (&raw const COUNTS).cast_mut().cast();
    // SAFETY: As above.
    unsafe { bpf_for_each_map_elem(map, sweep_count as *mut c_void, (&raw mut *state).cast(), 0) };
}

unsafe extern "C" fn sweep_port(
    map: *mut c_void,
    key: *const PortKey,
    value: *mut PortEntry,
    state: *mut Sweep,
) -> i64 {
    // SAFETY: As above.
    unsafe {
        let owner = (*state).owner;
        if owner != ContainerId::UNOWNED {
            let key = *key;
            if ports::evict(&(*state).maps, &key, owner) {
                (*state).changed = (*state).changed.wrapping_add(1);
            }
            return 0;
        }
        if ports::retire(MapWord::new(&raw mut (*value).claim)) && bpf_map_delete_elem(map, key.cast()) == 0 {
            (*state).changed = (*state).changed.wrapping_add(1);
        }
    }
    0
}

unsafe extern "C" fn sweep_bucket(
    map: *mut c_void,
    key: *const BucketKey,
    value: *mut Bucket,
    state: *mut Sweep,
) -> i64 {
    // SAFETY: As above.
    unsafe {
        let object = (*key).object;
        if hashlimit::retire(&(*state).maps, &object, &guards::words(value))
            && bpf_map_delete_elem(map, key.cast()) == 0
        {
            (*state).changed = (*state).changed.wrapping_add(1);
        }
    }
    0
}

unsafe extern "C" fn sweep_list(
    map: *mut c_void,
    key: *const ObjectKey,
    value: *mut RecentList,
    state: *mut Sweep,
) -> i64 {
    // SAFETY: As above; nobody asks a list for which there are no rules.
    unsafe {
        let object = *key;
        if recent::retire(&(*state).maps, &object, &*value) && bpf_map_delete_elem(map, key.cast()) == 0 {
            (*state).changed = (*state).changed.wrapping_add(1);
        }
    }
    0
}

unsafe extern "C" fn sweep_counted(
    _: *mut c_void,
    key: *const CountedKey,
    _: *mut Counted,
    state: *mut Sweep,
) -> i64 {
    // SAFETY: As above.
    unsafe {
        let key = *key;
        if connlimit::retire(&(*state).maps, &key) {
            (*state).changed = (*state).changed.wrapping_add(1);
        }
    }
    0
}

unsafe extern "C" fn sweep_count(
    map: *mut c_void,
    key: *const CountKey,
    value: *mut u64,
    state: *mut Sweep,
) -> i64 {
    // SAFETY: As above; the value is one aligned word.
    unsafe {
        let counted = *key;
        if connlimit::retire_count(&(*state).maps, &counted, &MapWord::new(value))
            && bpf_map_delete_elem(map, key.cast()) == 0
        {
            (*state).changed = (*state).changed.wrapping_add(1);
        }
    }
    0
}

/// Ends the flow that the packet names; tells whether it was still there. A function of its own, since the key takes stack.
#[inline(never)]
pub fn end_flow(ctx: &TcContext) -> bool {
    ctx.load::<NamedFlow>(0).is_ok_and(|named| seam_end_flow(&raw const named) != 0)
}

#[unsafe(no_mangle)]
extern "C" fn seam_end_flow(named: *const NamedFlow) -> u32 {
    if named.is_null() {
        return 0;
    }
    // SAFETY: The verifier holds callers to valid memory of the type's size.
    let named = unsafe { &*named };
    let is_named = |flow: &MapFlow| flow.has_key(|place| named.key.word(place));
    reclaim::retire(&Maps::new(NoContext), named.slot, is_named) as u32
}

/// Frees slots of `id` whose flows have expired; returns how many. It looks at [`Control::LOOKS`] of them, the ones that nobody has
/// looked at for longest.
#[inline(always)]
pub fn flows(maps: Maps<NoContext>, id: ContainerId) -> u32 {
    let mut count = 0_u32;
    for _ in 0..Control::LOOKS {
        match maps.sweep(id) {
            None => break,
            Some(freed) => count = count.wrapping_add(freed),
        }
    }
    count
}

/// As [`named_port`].
#[inline(always)]
pub fn named_bucket(ctx: &TcContext) -> bool {
    let Ok(key) = ctx.load::<BucketKey>(0) else { return false };
    let Some(value) = BUCKETS.get_ptr_mut(key) else { return false };
    // SAFETY: A value of the map.
    let words = unsafe { guards::words(value) };
    hashlimit::retire(&Maps::new(NoContext), &key.object, &words) && BUCKETS.remove(key).is_ok()
}

/// As [`named_port`].
#[inline(always)]
pub fn named_list(ctx: &TcContext) -> bool {
    let Ok(key) = ctx.load::<ObjectKey>(0) else { return false };
    let Some(list) = RECENTS.get_ptr(key) else { return false };
    // SAFETY: A value of the map; nobody asks a list for which there are no rules.
    unsafe { recent::retire(&Maps::new(NoContext), &key, &*list) && RECENTS.remove(key).is_ok() }
}

/// As [`named_port`].
#[inline(always)]
pub fn named_counted(ctx: &TcContext) -> bool {
    ctx.load::<CountedKey>(0).is_ok_and(|key| connlimit::retire(&Maps::new(NoContext), &key))
}

/// As [`named_port`].
#[inline(always)]
pub fn named_count(ctx: &TcContext) -> bool {
    let Ok(key) = ctx.load::<CountKey>(0) else { return false };
    let Some(count) = COUNTS.get_ptr_mut(key) else { return false };
    // SAFETY: The value is one aligned word.
    let count = unsafe { MapWord::new(count) };
    connlimit::retire_count(&Maps::new(NoContext), &key, &count) && COUNTS.remove(key).is_ok()
}

/// As [`named_port`].
#[inline(always)]
pub fn named_port(ctx: &TcContext, owner: ContainerId) -> bool {
    let Ok(key) = ctx.load::<PortKey>(0) else { return false };
    let maps = Maps::new(NoContext);
    if owner != ContainerId::UNOWNED {
        return ports::evict(&maps, &key, owner);
    }
    maps.port(&key).is_some_and(ports::retire) && PORTS.remove(key).is_ok()
}
