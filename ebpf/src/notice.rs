//! Turning a rejected packet into the notice to its sender, and sending that back.

use aya_ebpf::{
    bindings::{BPF_F_INGRESS, BPF_F_RECOMPUTE_CSUM, bpf_adj_room_mode::BPF_ADJ_ROOM_MAC},
    helpers::generated::{
        bpf_csum_diff, bpf_redirect, bpf_skb_adjust_room, bpf_skb_change_tail, bpf_skb_load_bytes,
        bpf_skb_store_bytes,
    },
};
use berth_common::{
    abi::rules::reject::Rejection,
    engine::{
        Headers,
        notice::{self, Head, MAX_QUOTED, Notice},
    },
    wire::{ether, ipv4, ipv6},
};

use crate::{
    judged,
    maps::NOTICES,
    packet::{Copied, Skb},
    rewrite,
};

/// Where a notice is put together.
#[repr(C)]
pub struct Draft {
    head: Head,
    /// With a word behind it, which is cleared before the last bytes come.
    quoted: [u32; QUOTED_WORDS + 1],
}

/// Room for what is quoted, and for the mask by which the verifier sees it.
const QUOTED_WORDS: usize = 512;
/// The most that `bpf_csum_diff` sums at once.
const SUMMED: u32 = 512;

/// Makes the packet the notice that it is rejected, in the way of this number; tells whether it is one now. If not, it is
/// to be dropped.
#[inline(always)]
pub fn make(skb: Skb, headers: &Headers, rejection: u8) -> bool {
    let Some(rejection) = Rejection::by_number(rejection) else { return false };
    let network = headers.network as u32;
    let is_to_group = network >= ether::HEADER && ether::packet_type(&Copied(skb)) != 0;
    // SAFETY: A field of the program's context.
    let available = unsafe { (*skb.0).len }.wrapping_sub(network);
    let length = notice::length(&Copied(skb), headers, available);
    let Some(notice) = Notice::of(headers, length, rejection) else { return false };
    let Some(draft) = NOTICES.get_ptr_mut(0) else { return false };
    if is_to_group {
        return false;
    }
    // SAFETY: A value of a map of the processor's own, which no other program uses meanwhile: TC programs are not
    // interrupted by others.
    let draft = unsafe { &mut *draft };
    let written = quote(skb, network, notice.quoted, draft)
        .and_then(|sum| notice.write(&Copied(skb), headers, sum, &mut draft.head));
    written.is_some() && replace(skb, headers, &notice, draft)
}

/// Sends the notice back the way the packet has come: as if it came from there if the packet was about to leave (to
/// `ingress`), else as an answer. Returns what the program is to return.
#[inline(always)]
pub fn send_back(skb: Skb, ingress: bool) -> i32 {
    judged::notice(skb);
    let flags = if ingress { BPF_F_INGRESS as u64 } else { 0 };
    // SAFETY: The helper has no preconditions.
    unsafe { bpf_redirect(skb.ifindex(), flags) as i32 }
}

/// Copies what is quoted; its sum.
#[inline(always)]
fn quote(skb: Skb, network: u32, length: u32, draft: &mut Draft) -> Option<u64> {
    if length == 0 {
        return Some(0);
    }
    let length = bounded(length);
    // The last word may be half the packet's.
    *draft.quoted.get_mut((length >> 2) as usize)? = 0;
    let words = draft.quoted.as_mut_ptr();
    // SAFETY: The bound is below the room that there is.
    if unsafe { bpf_skb_load_bytes(skb.0.cast(), network, words.cast(), length) } != 0 {
        return None;
    }
    let summed = length.wrapping_add(3) & !3;
    let mut sum = 0;
    for part in 0..3 {
        let before = part * SUMMED;
        // The verifier is shown no more than a mask.
        let size = core::hint::black_box(summed.saturating_sub(before).min(SUMMED)) & (2 * SUMMED - 4);
        // SAFETY: The three parts are within the room that there is.
        let one = unsafe {
            let from = words.add((before >> 2) as usize);
            bpf_csum_diff(core::ptr::null_mut(), 0, from, size, 0)
        };
        sum += one.cast_unsigned() & 0xffff_ffff;
    }
    Some(sum)
}

/// Puts the notice in the packet's place, behind the same link header with its addresses exchanged.
///
/// The packet's checksum may have been left to the device, which would write it into the notice. The kernel forgets of
/// that when it finds that the header in question is not there any more: so all headers are cut off, and room is made
/// anew.
#[inline(always)]
fn replace(skb: Skb, headers: &Headers, notice: &Notice, draft: &Draft) -> bool {
    let network = headers.network as u32;
    let ip = if headers.source.is_v4() { ipv4::HEADER } else { ipv6::HEADER };
    let (upper, quoted) = (notice.upper_len(), notice.quoted);
    let cut = headers.transport.wrapping_add(4) & 0xfff;
    let total = network.wrapping_add(ip).wrapping_add(upper).wrapping_add(quoted);
    // SAFETY: The helpers check what they are asked for.
    let resized = unsafe {
        bpf_skb_change_tail(skb.0, network.wrapping_add(cut).wrapping_add(ipv6::HEADER), 0) == 0
            && bpf_skb_adjust_room(skb.0, -cut.cast_signed(), BPF_ADJ_ROOM_MAC, 0) == 0
            && bpf_skb_change_tail(skb.0, total, 0) == 0
    };
    let upper_at = network.wrapping_add(ip);
    resized
        && (network < ether::HEADER || rewrite::exchange_addresses(skb))
        && store(skb, network, draft.head.ip.as_ptr(), ip)
        && store(skb, upper_at, draft.head.upper.as_ptr(), upper)
        && (quoted == 0 || store(skb, upper_at.wrapping_add(upper), draft.quoted.as_ptr(), bounded(quoted)))
}

#[inline(always)]
fn store(skb: Skb, offset: u32, words: *const u32, length: u32) -> bool {
    // SAFETY: All callers have as much.
    unsafe {
        bpf_skb_store_bytes(skb.0.cast(), offset, words.cast(), length, BPF_F_RECOMPUTE_CSUM.into()) == 0
    }
}

/// The same number, which is not zero, in a way that the verifier sees that, and that there is room for as many bytes: 6.1
/// learns nothing from a comparison with zero.
#[inline(always)]
fn bounded(length: u32) -> u32 {
    let rest = core::hint::black_box(length.min(MAX_QUOTED).wrapping_sub(1));
    (rest & (QUOTED_WORDS as u32 * 4 - 1)).wrapping_add(1)
}
