//! Ids of ICMP queries that are others on the wire than for the container.

use aya_ebpf::{
    bindings::__sk_buff,
    helpers::generated::{bpf_l4_csum_replace, bpf_skb_store_bytes},
};
use berth_common::{
    abi::units::{ContainerId, Port, Zone},
    engine::{Headers, echo, headers::Kind, tables::Which},
    wire::Packet as _,
};

use crate::{
    judged,
    packet::{Copied, Skb},
    seams::NoContext,
    tables::Maps,
};

/// Offsets in an ICMP query.
const CHECKSUM: u32 = 2;
const ID: u32 = 4;
/// Length of each of the two.
const LENGTH: u32 = 2;

/// As [`echo::rename`], by an uplink.
#[inline(always)]
pub fn rename(headers: &mut Headers, sender: ContainerId) {
    if headers.kind == Kind::Query {
        seam_rename(headers, sender.0);
    }
}

/// A request gets the id that it goes by, which is in `headers`, if that is another than it has. Its flow remembers that one. False if
/// that cannot be.
#[inline(always)]
pub fn go_out(skb: Skb, headers: &Headers, sender: ContainerId) -> bool {
    headers.kind != Kind::Query || seam_go_out(skb.0, headers, sender.0) != 0
}

/// A reply gets the id that the container has given its request. The one that it has come with stays beside it.
#[inline(always)]
pub fn come_in(skb: Skb, headers: &Headers) {
    if headers.kind == Kind::Query {
        judged::set_index(skb, 0);
        seam_come_in(skb.0, headers);
    }
}

/// The headers of a reply as they were on the wire.
#[inline(always)]
pub fn as_it_came(skb: Skb, headers: &mut Headers) {
    if headers.kind == Kind::Query && headers.is_requester(Which::Destination) {
        if let Some(id) = judged::wire_id(skb) {
            headers.give(id);
        }
    }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_rename(headers: *mut Headers, sender: u32) -> u32 {
    if headers.is_null() {
        return 0;
    }
    let maps = Maps::new(NoContext);
    // SAFETY: The verifier holds callers to valid memory of the type's size.
    echo::rename(&maps, unsafe { &mut *headers }, (ContainerId(sender), Zone::UPLINK)) as u32
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_go_out(skb: *mut __sk_buff, headers: *const Headers, sender: u32) -> u32 {
    if headers.is_null() {
        return 0;
    }
    // SAFETY: As above.
    let headers = unsafe { &*headers };
    let Some([word]) = Copied(Skb(skb)).words::<1>(headers.transport.wrapping_add(ID)) else { return 0 };
    let (own, wire) = (Port((u32::from_be(word) >> 16) as u16), headers.source_port);
    if own == wire || !headers.is_requester(Which::Source) {
        return 1;
    }
    let is_noted = echo::note(&Maps::new(NoContext), headers, (ContainerId(sender), Zone::UPLINK), own);
    (is_noted && write(skb, headers.transport, own, wire)) as u32
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_come_in(skb: *mut __sk_buff, headers: *const Headers) -> u32 {
    if headers.is_null() {
        return 0;
    }
    // SAFETY: As above.
    let headers = unsafe { &*headers };
    let wire = headers.destination_port;
    match echo::own_id(&Maps::new(NoContext), headers, Zone::UPLINK) {
        Some(own) if write(skb, headers.transport, wire, own) => {
            judged::set_index(Skb(skb), wire.0 as u32);
            1
        }
        _ => 0,
    }
}

/// Changes the id of the query at `transport`, and its checksum by as much (RFC 1624).
#[inline(always)]
fn write(skb: *mut __sk_buff, transport: u32, from: Port, to: Port) -> bool {
    let (from, to) = (from.0.to_be(), to.0.to_be());
    let (checksum, id) = (transport.wrapping_add(CHECKSUM), transport.wrapping_add(ID));
    // SAFETY: The helpers check the offsets, and the value is as long as is said.
    unsafe {
        bpf_l4_csum_replace(skb, checksum, from as u64, to as u64, LENGTH as u64) == 0
            && bpf_skb_store_bytes(skb, id, (&raw const to).cast(), LENGTH, 0) == 0
    }
}
