//! SCTP chunks, and the associations that they move on: functions that the verifier proves each by itself, as in
//! [`crate::seams`].

use aya_ebpf::bindings::__sk_buff;
use berth_common::{
    abi::{flow::Flow, units::Nanos},
    engine::{
        Headers,
        association::{self, Steps},
        connection::Meeting,
        sctp::{Association, Chunks, Facts, Step},
    },
    wire::sctp::{Chunk, Scan},
};

use crate::{
    flow::MapFlow,
    packet::{Copied, Skb},
    seams::NoContext,
    tables::Maps,
};

/// As [`Tables::meet`](berth_common::engine::Tables::meet).
#[inline(always)]
pub fn meet(skb: Skb, headers: &Headers, flow: *mut Flow, now: Nanos, from_opener: bool) -> Meeting {
    Meeting::from_number(seam_associate(skb.0, headers, flow, now.0, from_opener as u32) as u8)
}

/// As [`Scan::of`].
#[inline(always)]
pub fn chunks(skb: Skb, offset: u32, length: u32) -> Scan {
    Scan(seam_chunks(skb.0, offset, length))
}

/// As [`Scan::step`].
#[inline(always)]
pub fn chunk_step(skb: Skb, offset: u32, length: u32, scan: Scan) -> Scan {
    Scan(seam_chunk_step(skb.0, offset, length, scan.0))
}

#[unsafe(no_mangle)]
extern "C" fn seam_associate(
    skb: *mut __sk_buff,
    headers: *const Headers,
    flow: *mut Flow,
    now: u64,
    from_opener: u32,
) -> u32 {
    if headers.is_null() || flow.is_null() {
        return Meeting::GoesOn as u32;
    }
    // SAFETY: The verifier holds callers to valid memory of the type's size.
    let (headers, flow) = unsafe { (&*headers, MapFlow::new(flow)) };
    let (maps, skb) = (Maps::at(NoContext, Nanos(now)), Skb(skb));
    let Some(chunks) = Chunks::read(&Copied(skb), headers, skb.length(headers)) else {
        return Meeting::Invalid as u32;
    };
    association::meet(&maps, &Proven, (headers, &chunks), (&flow, from_opener != 0)) as u32
}

/// Chunk by chunk, each proven by itself.
struct Proven;

impl Steps for Proven {
    #[inline(always)]
    fn meet(&self, association: &mut Association, chunk: Chunk, facts: Facts, tags: (u32, u32)) -> Step {
        let chunk = chunk.0 as u32 | facts.0 << 8;
        Step::from_number(seam_chunk(association, chunk, tags.0, tags.1) as u8)
    }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_chunk(association: *mut Association, chunk: u32, tag: u32, initiate: u32) -> u32 {
    if association.is_null() {
        return Step::Invalid as u32;
    }
    // SAFETY: As above.
    unsafe { (*association).meet(Chunk(chunk as u8), Facts(chunk >> 8), (tag, initiate)) as u32 }
}

#[unsafe(no_mangle)]
extern "C" fn seam_chunks(skb: *mut __sk_buff, offset: u32, length: u32) -> u64 {
    Scan::of(&Copied(Skb(skb)), offset, length).0
}

#[unsafe(no_mangle)]
extern "C" fn seam_chunk_step(skb: *mut __sk_buff, offset: u32, length: u32, scan: u64) -> u64 {
    Scan(scan).step(&Copied(Skb(skb)), offset, length).0
}
