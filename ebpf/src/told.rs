//! Telling user space of flows that begin and end.

use aya_ebpf::{
    bindings::{BPF_ANY, BPF_RB_AVAIL_DATA},
    helpers::generated::bpf_ringbuf_query,
};
use berth_common::{
    abi::{
        flow::Flow,
        flow_event::{Change, FlowEvent},
        units::Nanos,
    },
    engine::{flow::charged_for, flow_table::is_told},
};

use crate::{
    flow::MapFlow,
    maps::{CONTAINERS, EVENT_RATES, EVENTS, EVENTS_BYTES},
    seams::NoContext,
    tables::Maps,
};

/// Among the keys of `EVENT_RATES`, next to those of incidents and of rules that log.
const LOST: u64 = 1 << 62;

/// Half the bytes of `EVENTS`. Flows have no more: they must not push out what was dropped.
const HALF: u64 = EVENTS_BYTES as u64 / 2;

/// Bytes of events that nobody has read yet.
#[inline(always)]
fn waiting() -> u64 {
    // SAFETY: The map is a ring buffer.
    unsafe { bpf_ringbuf_query((&raw const EVENTS).cast_mut().cast(), BPF_RB_AVAIL_DATA.into()) }
}

/// As [`FlowTable::tell`](berth_common::engine::flow_table::FlowTable::tell).
#[inline(always)]
pub fn tell(flow: &MapFlow, change: Change, at: Nanos) {
    seam_tell(flow.pointer(), change as u32, at.0);
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_tell(flow: *mut Flow, change: u32, at: u64) -> u32 {
    if flow.is_null() {
        return 0;
    }
    // SAFETY: The verifier holds callers to valid memory of the type's size.
    let entry = unsafe { MapFlow::new(flow) };
    let container = charged_for(&entry);
    let wanted = CONTAINERS.get(container.0).map_or(0, |container| container.flow_events);
    if !is_told(&Maps::at(NoContext, Nanos(at)), &entry, wanted) {
        return 0;
    }
    let key = LOST | container.0 as u64;
    // SAFETY: One word; a lost update tells of one more or fewer.
    let lost = unsafe { EVENT_RATES.get(key) }.copied().unwrap_or(0);
    let room = if waiting() < HALF { EVENTS.reserve_untyped::<FlowEvent>(0) } else { None };
    let Some(mut record) = room else {
        let _ = EVENT_RATES.insert(key, lost.wrapping_add(1), BPF_ANY.into());
        return 0;
    };
    if lost != 0 {
        let _ = EVENT_RATES.remove(key);
    }
    let event = record.as_mut_ptr();
    // SAFETY: The record is such an event's, all of which is written, and a flow is so many words. Others may be changing it, if it
    // has but begun: then some of its numbers are older than others.
    unsafe {
        (*event).time = Nanos(at);
        (*event).change = change;
        (*event).lost = lost as u32;
        let (from, to) = (flow.cast::<u64>(), (&raw mut (*event).flow).cast::<u64>());
        // Word by word: there is no stack for a copy.
        for place in 0..size_of::<Flow>() / 8 {
            to.add(place).write_volatile(from.add(place).read_volatile());
        }
    }
    record.submit(0);
    1
}
