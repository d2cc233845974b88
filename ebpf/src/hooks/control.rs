//! Requests of the loader, carried out here so that they meet the hooks' own operations on equal terms. Run by
//! `BPF_PROG_TEST_RUN`, attached nowhere.

use aya_ebpf::{Global, macros::classifier, programs::TcContext};
use berth_common::{
    abi::{
        control::Control,
        port::{Claim, PortKey},
        units::ContainerId,
    },
    engine::{Tables as _, flow_table::account, quota},
};

use crate::{
    maps::CONTROL,
    seams::{self, NoContext},
    shelves, sweep,
    tables::Maps,
};

/// Whether the kernel may call back, which it does to compiled programs only. The loader makes it zero where the JIT is
/// off; being constant, it then keeps the verifier from ever seeing the calls. What is to be swept is named by the loader
/// instead, entry by entry: see [`named`]; and walks through rules take their steps in a loop, each by a
/// function that finds everything anew.
#[unsafe(no_mangle)]
pub static CALLBACKS: Global<u32> = Global::new(1);

#[classifier]
pub fn berth_control(ctx: TcContext) -> i32 {
    let Some(request) = CONTROL.get_ptr_mut(0) else { return 0 };
    // SAFETY: The loader runs one request at a time and waits for its end.
    let Control { operation, container, key, flags, result, cursor, flows, set, place, .. } =
        unsafe { *request };
    let maps = Maps::new(NoContext);
    let (refusal, result) = match operation {
        Control::RESERVE => reserve(&maps, container, &key, flags & Control::RAW != 0),
        Control::RELEASE => release(container, &key),
        Control::SWEEP_FLOWS => (0, result.wrapping_add(sweep::flows(maps, container))),
        Control::FLUSH_FLOWS => (0, result.wrapping_add(sweep::flush(maps, container, cursor))),
        Control::END_FLOW => (0, result.wrapping_add(sweep::end_flow(&ctx) as u32)),
        Control::CARRY_FLOWS => (0, result.wrapping_add(sweep::carry(maps, cursor))),
        Control::DRAIN_SLOTS => (0, result.wrapping_add(sweep::drain(maps))),
        Control::GUARANTEE => (0, account::guarantee(&maps, container, flows) as u32),
        Control::PUBLISH_RULES => (0, shelves::publish_rules(container, place) as u32),
        Control::PUBLISH_SET => (0, shelves::publish_set(set, place) as u32),
        Control::FORGET_USAGE => {
            quota::forget(&maps, container);
            (0, 0)
        }
        _ if CALLBACKS.load() == 0 => (0, result.wrapping_add(named(&ctx, operation, container) as u32)),
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
        (*request).cursor = (*request).cursor.wrapping_add(Control::LOOKS);
    }
}

/// Deletes the entry whose key the packet is, as the request wants it; tells whether it went. That is what is done where the kernel
/// does not call back for each.
#[inline(never)]
fn named(ctx: &TcContext, operation: u32, owner: ContainerId) -> bool {
    match operation {
        Control::FLUSH_PORTS => sweep::named_port(ctx, owner),
        Control::SWEEP_GUARDS => sweep::named_bucket(ctx),
        Control::SWEEP_LISTS => sweep::named_list(ctx),
        Control::SWEEP_COUNTED => sweep::named_counted(ctx),
        Control::SWEEP_COUNTS => sweep::named_count(ctx),
        _ => false,
    }
}
