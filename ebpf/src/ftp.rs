//! What is said on control connections of FTP: functions that the verifier proves each by itself, as in [`crate::seams`].

use aya_ebpf::bindings::__sk_buff;
use berth_common::{
    abi::{
        flow::Flow,
        units::{ContainerId, Nanos, Port, Zone},
    },
    engine::{Headers, flow::Parties, ftp},
    wire::ftp::{self as wire, Line, Speaker, Told},
};

use crate::{
    flow::MapFlow,
    packet::{Copied, Skb},
    seams::{BySkb, NoContext},
    tables::Maps,
};

/// No connection is to be awaited: else there is a port in the lower bits.
const NONE: u64 = 0;

/// Bits of a container's id: what is no container has none higher.
const ID: u32 = 24;

/// As [`ftp::hear`].
#[inline(always)]
pub fn hear(skb: Skb, headers: &Headers, flow: *mut Flow, from_opener: bool) -> bool {
    seam_hear(skb.0, headers, flow, from_opener as u32) != 0
}

/// As [`ftp::make_way`].
#[inline(always)]
pub fn make_way(headers: &Headers, zone: Zone, now: Nanos) -> Option<(Parties, Port)> {
    match seam_make_way(headers, zone.0, now.0) {
        NONE => None,
        told => {
            let parties = Parties::new(unpack(told >> 16), unpack(told >> (16 + ID)));
            Some((parties, Port(told as u16)))
        }
    }
}

/// As it is before it is cut off.
#[inline(always)]
const fn unpack(id: u64) -> ContainerId {
    const UNOWNED: u32 = ContainerId::UNOWNED.0 << (32 - ID) >> (32 - ID);
    match id as u32 & UNOWNED {
        UNOWNED => ContainerId::UNOWNED,
        id => ContainerId(id),
    }
}

/// As [`ftp::note`].
#[inline(always)]
pub fn note(headers: &Headers, zone: Zone, now: Nanos) {
    seam_note(headers, zone.0, now.0);
}

/// As [`ftp::claim`].
#[inline(always)]
pub fn claim(skb: Skb, headers: &Headers, zone: Zone, (id, sends): (ContainerId, bool), now: Nanos) -> bool {
    let whose = (sends as u64) << 32 | id.0 as u64;
    seam_claim(skb.0, headers, zone.0, whose, now.0) != 0
}

/// As [`Line::step`].
#[inline(always)]
pub fn line_step(skb: Skb, line: &mut Line, offset: u32) -> Told {
    Told::from_number(seam_line(skb.0, line, offset))
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_hear(
    skb: *mut __sk_buff,
    headers: *const Headers,
    flow: *mut Flow,
    from_opener: u32,
) -> u32 {
    if headers.is_null() || flow.is_null() {
        return 0;
    }
    // SAFETY: The verifier holds callers to valid memory of the type's size.
    let (headers, flow) = unsafe { (&*headers, MapFlow::new(flow)) };
    let skb = Skb(skb);
    let whole = skb.length(headers);
    ftp::hear(&Copied(skb), headers, whole, (&flow, from_opener != 0), |(offset, length), speaker| {
        match seam_announced(skb.0, headers, offset, length, (speaker == Speaker::Client) as u32) {
            0 => None,
            port => Some(Port(port as u16)),
        }
    }) as u32
}

/// The port, and above it the opener and the other end.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_make_way(headers: *const Headers, zone: u32, now: u64) -> u64 {
    if headers.is_null() {
        return NONE;
    }
    // SAFETY: As above.
    match ftp::make_way(&Maps::at(NoContext, Nanos(now)), unsafe { &*headers }, Zone(zone)) {
        Some((parties, port)) => {
            let opener = (parties.opener.0 as u64) << (64 - ID) >> (64 - ID);
            (parties.responder.0 as u64) << (16 + ID) | opener << 16 | port.0 as u64
        }
        None => NONE,
    }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_note(headers: *const Headers, zone: u32, now: u64) -> u32 {
    if !headers.is_null() {
        // SAFETY: As above.
        ftp::note(&Maps::at(NoContext, Nanos(now)), unsafe { &*headers }, Zone(zone));
    }
    0
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_claim(
    skb: *mut __sk_buff,
    headers: *const Headers,
    zone: u32,
    whose: u64,
    now: u64,
) -> u32 {
    if headers.is_null() {
        return 0;
    }
    let (maps, whose) =
        (Maps::at(BySkb(Skb(skb)), Nanos(now)), (ContainerId(whose as u32), whose >> 32 != 0));
    // SAFETY: As above.
    ftp::claim(&maps, unsafe { &*headers }, Zone(zone), whose) as u32
}

/// As [`ftp::announced`](berth_common::wire::ftp::announced), of the packet's source; zero for no port.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_announced(
    skb: *mut __sk_buff,
    headers: *const Headers,
    offset: u32,
    length: u32,
    client: u32,
) -> u32 {
    if headers.is_null() {
        return 0;
    }
    let speaker = if client != 0 { Speaker::Client } else { Speaker::Server };
    // SAFETY: As above.
    let address = unsafe { &(*headers).source };
    wire::announced(&Copied(Skb(skb)), (offset, length), speaker, address).map_or(0, |port| port.0 as u32)
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_line(skb: *mut __sk_buff, line: *mut Line, offset: u32) -> u32 {
    if line.is_null() {
        return Told::Nothing as u32;
    }
    // SAFETY: As above.
    unsafe { (*line).step(&Copied(Skb(skb)), offset) as u32 }
}
