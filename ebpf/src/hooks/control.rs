//! Requests of the loader, carried out here so that they meet the hooks' own operations on equal terms. Run by
//! `BPF_PROG_TEST_RUN`, attached nowhere.

use aya_ebpf::{Global, macros::classifier, programs::TcContext};
use berth_common::{
    abi::{
        control::Control,
        port::{Claim, PortKey},
        units::ContainerId,
    },
    engine::Tables as _,
};

use crate::{
    maps::CONTROL,
    seams::{self, NoContext},
    sweep,
    tables::Maps,
};

/// Whether the kernel may call back, which it does to compiled programs only. The loader makes it zero where the JIT is
/// off; being constant, it then keeps the verifier from ever seeing the calls. What is to be swept is named by the loader
/// instead, entry by entry: see [`without_callbacks`]; and walks through rules take their steps in a loop, each by a
/// function that finds everything anew.
#[unsafe(no_mangle)]
pub static CALLBACKS: Global<u32> = Global::new(1);

#[classifier]
pub fn berth_control(ctx: TcContext) -> i32 {
    let Some(request) = CONTROL.get_ptr_mut(0) else { return 0 };
    if CALLBACKS.load() == 0 {
        without_callbacks(&ctx, request);
        return 0;
    }
    // SAFETY: The loader runs one request at a time and waits for its end.
    let Control { operation, container, key, flags, result } = unsafe { *request };
    let maps = Maps::new(NoContext);
    let (refusal, result) = match operation {
        Control::RESERVE => reserve(&maps, container, &key, flags & Control::RAW != 0),
        Control::RELEASE => release(container, &key),
        Control::SWEEP_FLOWS => (0, result.wrapping_add(sweep::flows(maps, container))),
        Control::FLUSH_FLOWS => (0, sweep::flush(maps, container)),
        Control::END_FLOW => (0, result.wrapping_add(sweep::end_flow(&ctx) as u32)),
        Control::FLUSH_PORTS => (0, sweep::reservations(maps, container)),
        Control::SWEEP_GUARDS => (0, sweep::guards(maps)),
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

/// Carries out a request where the kernel does not call back: what flushes is about the entry whose key the packet is, and
/// adds to the result if that went.
#[inline(never)]
fn without_callbacks(ctx: &TcContext, request: *mut Control) {
    // SAFETY: As for all requests.
    let Control { operation, container, key, flags, result } = unsafe { *request };
    let (refusal, result) = match operation {
        Control::RESERVE => reserve(&Maps::new(NoContext), container, &key, flags & Control::RAW != 0),
        Control::RELEASE => release(container, &key),
        Control::SWEEP_FLOWS => (0, result.wrapping_add(sweep::flows(Maps::new(NoContext), container))),
        Control::FLUSH_FLOWS => (0, result.wrapping_add(sweep::named_flow(ctx, container) as u32)),
        Control::END_FLOW => (0, result.wrapping_add(sweep::end_flow(ctx) as u32)),
        Control::FLUSH_PORTS => (0, result.wrapping_add(sweep::named_port(ctx, container) as u32)),
        Control::SWEEP_GUARDS => (0, result.wrapping_add(sweep::named_bucket(ctx) as u32)),
        Control::SWEEP_LISTS => (0, result.wrapping_add(sweep::named_list(ctx) as u32)),
        Control::SWEEP_COUNTED => (0, result.wrapping_add(sweep::named_counted(ctx) as u32)),
        Control::SWEEP_COUNTS => (0, result.wrapping_add(sweep::named_count(ctx) as u32)),
        _ => (u32::MAX, 0),
    };
    // SAFETY: As above.
    unsafe { answer(request, refusal, result) };
}
