//! The fast path: a packet of an established flow goes from one interface to the other without the node's own stack, as routing would have it.
//!
//! What is attached to the other interface sees it, as it would if it came through the stack; so all that is judged, translated and counted
//! there is so. What netfilter would have done on the way is not.

use aya_ebpf::{
    bindings::{__sk_buff, BPF_F_RECOMPUTE_CSUM, TC_ACT_SHOT, TC_ACT_UNSPEC, bpf_fib_lookup as Route},
    helpers::generated::{bpf_fib_lookup, bpf_l3_csum_replace, bpf_redirect, bpf_skb_store_bytes},
};
use berth_common::{
    abi::{config::Config, units::ContainerId},
    engine::{Headers, fast},
    wire::Packet as _,
};

use crate::{
    maps::NAT_ADDRESSES,
    packet::{Copied, Skb},
    seams::NoContext,
    tables::{Maps, config},
};

/// `PACKET_HOST`, and `PACKET_OTHERHOST`: what is for a bridge is so at its ports.
const FOR_THE_NODE: u32 = 0;
const FOR_ANOTHER: u32 = 3;

/// How long what the kernel says of a route is.
const ROUTE_BYTES: i32 = 64;
const _: () = assert!(size_of::<Route>() == 64);

/// Families of addresses.
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

/// Sends a packet on its way that is going to be routed, to or from container `id`, if it may go past the stack.
#[inline(always)]
pub fn send_on(skb: Skb, headers: &Headers, id: ContainerId) -> i32 {
    if is_on() { seam_fast(skb.0, headers, id.0) } else { TC_ACT_UNSPEC }
}

/// Whether there is a fast path.
#[inline(always)]
pub fn is_on() -> bool {
    config().is_some_and(|config| config.nat & Config::FAST != 0)
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_fast(skb: *mut __sk_buff, headers: *const Headers, id: u32) -> i32 {
    if headers.is_null() {
        return TC_ACT_UNSPEC;
    }
    // SAFETY: The verifier holds callers to valid memory of the type's size.
    let (skb, headers) = (Skb(skb), unsafe { &*headers });
    let Some(hops) = fast::hops(&skb, headers) else { return TC_ACT_UNSPEC };
    // SAFETY: A field of the program's context.
    let is_tagged = unsafe { (*skb.0).vlan_present } != 0;
    if is_tagged || !is_for_routing(skb) || !fast::may_pass(&Maps::new(NoContext), headers, ContainerId(id)) {
        return TC_ACT_UNSPEC;
    }
    // SAFETY: All bytes zero are one.
    let mut route: Route = unsafe { core::mem::zeroed() };
    if !find(skb, headers, &mut route) || route.ifindex == skb.ifindex() {
        return TC_ACT_UNSPEC;
    }
    if !count_hop(skb, headers, hops) || !address(skb, &route) {
        // Half of it may have been changed.
        return TC_ACT_SHOT;
    }
    // SAFETY: The helper has no preconditions.
    unsafe { bpf_redirect(route.ifindex, 0) as i32 }
}

/// Whether the packet has come for the node to route it: to its interface, or to the bridge that this is a port of.
#[inline(always)]
fn is_for_routing(skb: Skb) -> bool {
    // SAFETY: A field of the program's context.
    match unsafe { (*skb.0).pkt_type } {
        FOR_THE_NODE => true,
        FOR_ANOTHER => {
            // SAFETY: Only the loader writes these values.
            let Some(addresses) = (unsafe { NAT_ADDRESSES.get(skb.ifindex()) }) else { return false };
            let Some([first, second]) = Copied(skb).words::<2>(0) else { return false };
            let destination = (u32::from_be(first) as u64) << 16 | u32::from_be(second) as u64 >> 16;
            destination == u64::from_be_bytes(addresses.router) >> 16
        }
        _ => false,
    }
}

/// The way that routing has for the packet, if it knows the next hop and the packet fits.
#[inline(always)]
fn find(skb: Skb, headers: &Headers, route: &mut Route) -> bool {
    route.family = if headers.source.is_v4() { AF_INET } else { AF_INET6 };
    route.l4_protocol = headers.protocol.0;
    route.sport = headers.source_port.0.to_be();
    route.dport = headers.destination_port.0.to_be();
    route.ifindex = skb.ifindex();
    // SAFETY: A field of the program's context.
    let segment = unsafe { (*skb.0).gso_size };
    let length = if segment == 0 {
        skb.length(headers)
    } else {
        segment.wrapping_add(headers.payload as u32).wrapping_sub(headers.network as u32)
    };
    if length > u16::MAX as u32 {
        return false;
    }
    route.__bindgen_anon_1.tot_len = length as u16;
    if headers.source.is_v4() {
        route.__bindgen_anon_3.ipv4_src = headers.source.0[3];
        route.__bindgen_anon_4.ipv4_dst = headers.destination.0[3];
    } else {
        route.__bindgen_anon_3.ipv6_src = headers.source.0;
        route.__bindgen_anon_4.ipv6_dst = headers.destination.0;
    }
    // SAFETY: The context is the program's own, and the rest is as long as is said.
    unsafe { bpf_fib_lookup(skb.0.cast(), route, ROUTE_BYTES, 0) == 0 }
}

#[inline(always)]
fn count_hop(skb: Skb, headers: &Headers, hops: u8) -> bool {
    let network = headers.network as u32;
    let left = hops.wrapping_sub(1);
    if headers.source.is_v4() {
        // Beside it is the protocol, which stays.
        let word = |hops: u8| u16::from_be_bytes([hops, 0]).to_be() as u64;
        // SAFETY: The helper checks the offset.
        let sum =
            unsafe { bpf_l3_csum_replace(skb.0, network.wrapping_add(10), word(hops), word(left), 2) == 0 };
        sum && store(skb, network.wrapping_add(8), &raw const left, 1, 0)
    } else {
        store(skb, network.wrapping_add(7), &raw const left, 1, BPF_F_RECOMPUTE_CSUM.into())
    }
}

/// The link addresses of the next hop's link.
#[inline(always)]
fn address(skb: Skb, route: &Route) -> bool {
    store(skb, 0, route.dmac.as_ptr(), 6, 0) && store(skb, 6, route.smac.as_ptr(), 6, 0)
}

#[inline(always)]
fn store(skb: Skb, offset: u32, bytes: *const u8, length: u32, flags: u64) -> bool {
    // SAFETY: All callers have as much, and the helper checks the offset.
    unsafe { bpf_skb_store_bytes(skb.0.cast(), offset, bytes.cast(), length, flags) == 0 }
}
