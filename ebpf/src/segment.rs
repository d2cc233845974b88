//! TCP segments, and the connections that they move on: functions that the verifier proves each by itself, as in
//! [`crate::seams`].

use aya_ebpf::bindings::__sk_buff;
use berth_common::{
    abi::{
        flow::Flow,
        units::{Nanos, Protocol},
    },
    engine::{
        Headers,
        connection::{self, Meeting},
        tcp::{Connection, Decision, Facts, Fit, Parts, Segment},
    },
    wire::tcp::Scan,
};

use crate::{
    association,
    flow::MapFlow,
    packet::{Copied, Skb},
    seams::NoContext,
    tables::Maps,
};

/// As [`Tables::meet`](berth_common::engine::Tables::meet).
#[inline(always)]
pub fn meet(skb: Skb, headers: &Headers, flow: *mut Flow, now: Nanos, from_opener: bool) -> Meeting {
    if headers.protocol == Protocol::SCTP {
        return association::meet(skb, headers, flow, now, from_opener);
    }
    if seam_segment(skb.0, headers) == 0 {
        return Meeting::Invalid;
    }
    Meeting::from_number(seam_meet(skb.0, headers, flow, now.0, from_opener as u32) as u8)
}

/// As [`Scan::step`].
#[inline(always)]
pub fn scan_step(skb: Skb, offset: u32, scan: Scan) -> Scan {
    Scan(seam_scan_step(skb.0, offset, scan.0))
}

#[unsafe(no_mangle)]
extern "C" fn seam_meet(
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
    let maps = Maps::at(NoContext, Nanos(now));
    let segment = Segment::from_words(Skb(skb).left());
    connection::meet(&maps, &Proven, (headers, segment), (&flow, from_opener != 0)) as u32
}

/// The parts of what a segment comes to, each proven by itself.
struct Proven;

impl Parts for Proven {
    #[inline(always)]
    fn begin(&self, connection: &mut Connection, segment: &Segment) {
        seam_connect(connection, segment);
    }

    #[inline(always)]
    fn decide(&self, connection: &mut Connection, segment: &Segment, facts: Facts) -> Decision {
        Decision(seam_decide(connection, segment, facts.0))
    }

    #[inline(always)]
    fn judge(&self, connection: &mut Connection, segment: &Segment, facts: Facts) -> Fit {
        Fit::from_number(seam_judge(connection, segment, facts.0) as u8)
    }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_connect(connection: *mut Connection, segment: *const Segment) -> u32 {
    if connection.is_null() || segment.is_null() {
        return 0;
    }
    // SAFETY: As above.
    unsafe { (*connection).begin(&*segment) };
    1
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_decide(connection: *mut Connection, segment: *const Segment, facts: u32) -> u32 {
    if connection.is_null() || segment.is_null() {
        return 0;
    }
    // SAFETY: As above.
    unsafe { (*connection).decide(&*segment, Facts(facts)).0 }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_judge(connection: *mut Connection, segment: *const Segment, facts: u32) -> u32 {
    if connection.is_null() || segment.is_null() {
        return 0;
    }
    // SAFETY: As above.
    unsafe { (*connection).judge(&*segment, Facts(facts)) as u32 }
}

/// As [`Segment::read`]; the segment is left with the packet.
#[unsafe(no_mangle)]
extern "C" fn seam_segment(skb: *mut __sk_buff, headers: *const Headers) -> u32 {
    if headers.is_null() {
        return 0;
    }
    let skb = Skb(skb);
    // SAFETY: As above.
    let headers = unsafe { &*headers };
    match Segment::read(&skb, headers, skb.length(headers)) {
        Some(segment) => {
            skb.leave(segment.words());
            1
        }
        None => 0,
    }
}

#[unsafe(no_mangle)]
extern "C" fn seam_scan_step(skb: *mut __sk_buff, offset: u32, scan: u64) -> u64 {
    Scan(scan).step(&Copied(Skb(skb)), offset).0
}
