//! Requests of the loader, carried out here so that they meet the hooks' own operations on equal terms. Run by
//! `BPF_PROG_TEST_RUN`, attached nowhere.

use core::ffi::c_void;

use aya_ebpf::{
    Global,
    helpers::generated::{bpf_for_each_map_elem, bpf_map_delete_elem},
    macros::classifier,
    programs::TcContext,
};
use berth_common::{
    abi::{
        control::Control,
        flow::{Flow, FlowKey},
        port::{Claim, PortEntry, PortKey},
        units::ContainerId,
    },
    engine::{Tables as _, flow, ports, tables::FlowEntry as _},
};

use crate::{
    atomic::MapWord,
    flow::MapFlow,
    maps::{CONTROL, FLOWS, PORTS},
    seams::{self, NoContext},
    tables::Maps,
};

/// Whether the kernel may call back, which it does to compiled programs only. The loader makes it zero where the JIT is
/// off; being constant, it then keeps the verifier from ever seeing the calls. What is to be swept is named by the loader
/// instead, entry by entry: see [`without_callbacks`]; and walks through rules take their steps in a loop, each by a
/// function that finds everything anew.
#[unsafe(no_mangle)]
pub static CALLBACKS: Global<u32> = Global::new(1);

/// What the callbacks share.
struct Sweep {
    maps: Maps<NoContext>,
    /// Whose entries go; none but the expired ones for [`ContainerId::UNOWNED`].
    owner: ContainerId,
    changed: u32,
}

#[classifier]
pub fn berth_control(ctx: TcContext) -> i32 {
    let Some(request) = CONTROL.get_ptr_mut(0) else { return 0 };
    if CALLBACKS.load() == 0 {
        without_callbacks(&ctx, request);
        return 0;
    }
    // SAFETY: The loader runs one request at a time and waits for its end.
    let Control { operation, container, key, flags, .. } = unsafe { *request };
    let maps = Maps::new(NoContext);
    let (refusal, result) = match operation {
        Control::RESERVE => reserve(&maps, container, &key, flags & Control::RAW != 0),
        Control::RELEASE => release(container, &key),
        Control::SWEEP => (0, sweep(maps, ContainerId::UNOWNED, true, true)),
        Control::FLUSH_FLOWS => (0, sweep(maps, container, true, false)),
        Control::FLUSH_PORTS => (0, sweep(maps, container, false, true)),
        _ => (u32::MAX, 0),
    };
    // SAFETY: As above.
    unsafe { answer(request, refusal, result) };
    0
}

#[inline(always)]
fn reserve(maps: &Maps<NoContext>, owner: ContainerId, key: &PortKey, raw: bool) -> (u32, u32) {
    let limit = match maps.container(owner) {
        Some(container) => container.port_limit,
        // The operator may reserve before the container exists, and for the host.
        None => u32::MAX,
    };
    match seams::reserve(key, Claim::permanent(owner, raw), limit) {
        Ok(()) => (0, 0),
        Err(refusal) => (refusal.reason as u32, refusal.holder.0),
    }
}

#[inline(always)]
fn release(owner: ContainerId, key: &PortKey) -> (u32, u32) {
    seams::release(key, Claim::permanent(owner, false));
    (0, 0)
}

/// # Safety
///
/// `request` must point to the value of the `CONTROL` map.
#[inline(always)]
unsafe fn answer(request: *mut Control, refusal: u32, result: u32) {
    // SAFETY: The caller's.
    unsafe {
        (*request).flags = refusal;
        (*request).result = result;
    }
}

#[inline(always)]
fn sweep(maps: Maps<NoContext>, owner: ContainerId, flows: bool, reservations: bool) -> u32 {
    let mut state = Sweep { maps, owner, changed: 0 };
    if flows {
        for_each_flow(&mut state);
    }
    if reservations {
        for_each_port(&mut state);
    }
    state.changed
}

// Two functions, so that each call stays one for a single map: of a call for either, 6.1 says "tail_call abusing map_ptr".

#[inline(never)]
fn for_each_flow(state: &mut Sweep) {
    let map = (&raw const FLOWS).cast_mut().cast();
    // SAFETY: The callback has the signature that the helper calls, and the state outlives the call.
    unsafe { bpf_for_each_map_elem(map, sweep_flow as *mut c_void, (&raw mut *state).cast(), 0) };
}

#[inline(never)]
fn for_each_port(state: &mut Sweep) {
    let map = (&raw const PORTS).cast_mut().cast();
    // SAFETY: As above.
    unsafe { bpf_for_each_map_elem(map, sweep_port as *mut c_void, (&raw mut *state).cast(), 0) };
}

unsafe extern "C" fn sweep_flow(
    map: *mut c_void,
    key: *const FlowKey,
    value: *mut Flow,
    state: *mut Sweep,
) -> i64 {
    // SAFETY: The helper gives an element of the map, and the state above.
    unsafe {
        if retire_flow(&(*state).maps, value, (*state).owner) && bpf_map_delete_elem(map, key.cast()) == 0 {
            (*state).changed = (*state).changed.wrapping_add(1);
        }
    }
    0
}

/// Marks an entry for deletion if it is the owner's, or, for [`ContainerId::UNOWNED`], if it has expired.
///
/// # Safety
///
/// `flow` must point to a value of the `FLOWS` map.
#[inline(always)]
unsafe fn retire_flow(maps: &Maps<NoContext>, flow: *mut Flow, owner: ContainerId) -> bool {
    // SAFETY: The caller's.
    let entry = unsafe { MapFlow::new(flow) };
    let flush = owner != ContainerId::UNOWNED;
    if flush && entry.opener() != owner && entry.responder() != owner {
        return false;
    }
    flow::retire(maps, &entry, flush)
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

/// Carries out a request where the kernel does not call back: what flushes is about the entry whose key the packet is, and
/// adds to the result if that went.
#[inline(never)]
fn without_callbacks(ctx: &TcContext, request: *mut Control) {
    // SAFETY: As for all requests.
    let Control { operation, container, key, flags, result } = unsafe { *request };
    let (refusal, result) = match operation {
        Control::RESERVE => reserve(&Maps::new(NoContext), container, &key, flags & Control::RAW != 0),
        Control::RELEASE => release(container, &key),
        Control::FLUSH_FLOWS => (0, result.wrapping_add(named_flow(ctx, container) as u32)),
        Control::FLUSH_PORTS => (0, result.wrapping_add(named_port(ctx, container) as u32)),
        _ => (u32::MAX, 0),
    };
    // SAFETY: As above.
    unsafe { answer(request, refusal, result) };
}

#[inline(always)]
fn named_flow(ctx: &TcContext, owner: ContainerId) -> bool {
    let Ok(key) = ctx.load::<FlowKey>(0) else { return false };
    let Some(value) = FLOWS.get_ptr_mut(key) else { return false };
    // SAFETY: A value of the map.
    unsafe { retire_flow(&Maps::new(NoContext), value, owner) && FLOWS.remove(key).is_ok() }
}

#[inline(always)]
fn named_port(ctx: &TcContext, owner: ContainerId) -> bool {
    let Ok(key) = ctx.load::<PortKey>(0) else { return false };
    let maps = Maps::new(NoContext);
    if owner != ContainerId::UNOWNED {
        return ports::evict(&maps, &key, owner);
    }
    maps.port(&key).is_some_and(ports::retire) && PORTS.remove(key).is_ok()
}
