//! Putting another address and port in a packet, checksums included: functions that the verifier proves each by itself, as in
//! [`crate::seams`].
//!
//! A checksum changes by as much as what it covers (RFC 1624). The kernel's helpers know what to do where it is left to the device.

use aya_ebpf::{
    bindings::{__sk_buff, BPF_F_MARK_MANGLED_0, BPF_F_PSEUDO_HDR, BPF_F_RECOMPUTE_CSUM},
    helpers::generated::{bpf_csum_diff, bpf_l3_csum_replace, bpf_l4_csum_replace, bpf_skb_store_bytes},
};
use berth_common::{
    abi::{
        address::Address,
        nat::NatEnd,
        units::{Port, Protocol},
    },
    engine::{
        Headers,
        headers::{Kind, Part},
        tables::Which,
    },
    wire::Packet as _,
};

use crate::packet::{Copied, Skb};

/// Offset of the checksum of IPv4 in its header.
const IP_CHECKSUM: u32 = 10;
/// Offset of the checksum of ICMP, and of the id of a query.
const ICMP_CHECKSUM: u32 = 2;
const ICMP_ID: u32 = 4;

/// Where the checksum of what is above IP is, and what it is like.
#[derive(Clone, Copy)]
struct Checksum {
    /// Where it is in the packet.
    at: u32,
    /// Whether the addresses are part of it.
    covers_addresses: bool,
    /// Zero says that there is none, so that a sum of zero is written as its negative (RFC 768).
    may_be_missing: bool,
}

impl Checksum {
    /// That of a packet; nothing if it has none, or one that covers neither addresses nor what plays the part of ports.
    #[inline(always)]
    fn of(headers: &Headers) -> Option<Self> {
        let (offset, covers_addresses, may_be_missing) = match headers.protocol {
            _ if headers.fragment == Part::Later => return None,
            Protocol::TCP => (16, true, false),
            Protocol::UDP => (6, true, true),
            Protocol::UDPLITE | Protocol::DCCP => (6, true, false),
            Protocol::ICMPV6 => (ICMP_CHECKSUM, true, false),
            Protocol::ICMP => (ICMP_CHECKSUM, false, false),
            _ => return None,
        };
        Some(Self { at: headers.transport.wrapping_add(offset), covers_addresses, may_be_missing })
    }

    /// Has it follow a change of two or four bytes.
    #[inline(always)]
    fn follow(self, skb: Skb, (from, to): (u32, u32), flags: u64) -> bool {
        let flags = if self.may_be_missing { flags | BPF_F_MARK_MANGLED_0 as u64 } else { flags };
        // SAFETY: The helper checks the offset.
        unsafe { bpf_l4_csum_replace(skb.0, self.at, from as u64, to as u64, flags) == 0 }
    }

    /// The same of what sums to so much less or more.
    #[inline(always)]
    fn follow_sum(self, skb: Skb, difference: u64, flags: u64) -> bool {
        let flags = if self.may_be_missing { flags | BPF_F_MARK_MANGLED_0 as u64 } else { flags };
        // SAFETY: As above.
        unsafe { bpf_l4_csum_replace(skb.0, self.at, 0, difference, flags) == 0 }
    }
}

/// Puts `end` in the place of an end of a packet.
#[inline(always)]
pub fn put(skb: Skb, headers: &Headers, which: Which, end: &NatEnd) -> bool {
    seam_put(skb.0, headers, end, (which == Which::Source) as u32) != 0
}

/// Exchanges the addresses of the link header.
#[inline(always)]
pub fn exchange_addresses(skb: Skb) -> bool {
    let Some([first, second, third]) = Copied(skb).words::<3>(0) else { return false };
    let (a, b, c) = (u32::from_be(first), u32::from_be(second), u32::from_be(third));
    let words = [b << 16 | c >> 16, c << 16 | a >> 16, a << 16 | b >> 16].map(u32::to_be);
    let flags = BPF_F_RECOMPUTE_CSUM.into();
    // SAFETY: There are as many bytes; the helper checks that the packet has them.
    unsafe { bpf_skb_store_bytes(skb.0.cast(), 0, words.as_ptr().cast(), 12, flags) == 0 }
}

/// The same in the packet `quoted` that the ICMP error `headers` quotes.
#[inline(always)]
pub fn put_quoted(skb: Skb, headers: &Headers, quoted: &Headers, which: Which, end: &NatEnd) -> bool {
    seam_put_quoted(skb.0, headers, quoted, end, (which == Which::Source) as u32) != 0
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_put(skb: *mut __sk_buff, headers: *const Headers, end: *const NatEnd, source: u32) -> u32 {
    if headers.is_null() || end.is_null() {
        return 0;
    }
    // SAFETY: The verifier holds callers to valid memory of the types' sizes.
    let (headers, end) = unsafe { (&*headers, &*end) };
    let (skb, which) = (Skb(skb), which(source));
    let checksum = Checksum::of(headers);
    let sums = checksum.filter(|checksum| checksum.covers_addresses);
    (put_address(skb, headers, which, &end.address, sums)
        && put_port(skb, headers, which, Port(end.port as u16), checksum)) as u32
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_put_quoted(
    skb: *mut __sk_buff,
    headers: *const Headers,
    quoted: *const Headers,
    end: *const NatEnd,
    source: u32,
) -> u32 {
    if headers.is_null() || quoted.is_null() || end.is_null() {
        return 0;
    }
    // SAFETY: As above.
    let (headers, quoted, end) = unsafe { (&*headers, &*quoted, &*end) };
    let (skb, which, port) = (Skb(skb), which(source), Port(end.port as u16));
    // The error itself is summed up, too, with all that it quotes.
    let Some(outer) = Checksum::of(headers) else { return 0 };
    let inner = Checksum::of(quoted).filter(|inner| is_there(skb, *inner));
    let (old, is_v4) = (address(quoted, which), quoted.source.is_v4());
    let sums = match inner {
        // What the quoted checksum covers and itself sum up to what they did. IPv4 has a checksum of its own for the addresses.
        Some(inner) if inner.covers_addresses && is_v4 => outer.follow(skb, (end.address.0[3], old.0[3]), 4),
        Some(_) => true,
        None => {
            let (from, to) = (number(quoted, which).to_be(), port.0.to_be());
            let changes = quoted.has_number() && from != to;
            (is_v4 || outer.follow_sum(skb, difference(&old, &end.address), 0))
                && (!changes || outer.follow(skb, (from as u32, to as u32), 2))
        }
    };
    let covered = inner.filter(|inner| inner.covers_addresses);
    (sums
        && put_quoted_address(skb, quoted, which, &end.address, covered)
        && put_port(skb, quoted, which, port, inner)) as u32
}

#[inline(always)]
fn which(source: u32) -> Which {
    if source != 0 { Which::Source } else { Which::Destination }
}

#[inline(always)]
fn address(headers: &Headers, which: Which) -> Address {
    headers.end(which).address
}

/// The port, or the id of a query.
#[inline(always)]
fn number(headers: &Headers, which: Which) -> u16 {
    headers.end(which).port.0
}

/// Whether a checksum in a quoted packet is there: as much may have been left out, or it may be none.
#[inline(always)]
fn is_there(skb: Skb, checksum: Checksum) -> bool {
    // The two bytes before it are part of the same header.
    match Copied(skb).words::<1>(checksum.at.wrapping_sub(2)) {
        Some([word]) => !checksum.may_be_missing || u32::from_be(word) & 0xffff != 0,
        None => false,
    }
}

#[inline(always)]
fn difference(from: &Address, to: &Address) -> u64 {
    let (from, to) = (from.0.as_ptr().cast_mut(), to.0.as_ptr().cast_mut());
    // SAFETY: Both are so long.
    unsafe { bpf_csum_diff(from, 16, to, 16, 0).cast_unsigned() & 0xffff_ffff }
}

/// An address, in the header and in the checksums that cover it.
#[inline(always)]
fn put_address(skb: Skb, headers: &Headers, which: Which, to: &Address, sums: Option<Checksum>) -> bool {
    let from = address(headers, which);
    let pseudo = BPF_F_PSEUDO_HDR as u64;
    let followed = match sums {
        Some(checksum) if headers.source.is_v4() => checksum.follow(skb, (from.0[3], to.0[3]), pseudo | 4),
        Some(checksum) => checksum.follow_sum(skb, difference(&from, to), pseudo),
        None => true,
    };
    followed && store_address(skb, headers, which, to)
}

/// The same in a packet that another quotes, where no device is going to sum up anything.
#[inline(always)]
fn put_quoted_address(
    skb: Skb,
    quoted: &Headers,
    which: Which,
    to: &Address,
    sums: Option<Checksum>,
) -> bool {
    let from = address(quoted, which);
    let followed = match sums {
        Some(checksum) if quoted.source.is_v4() => checksum.follow(skb, (from.0[3], to.0[3]), 4),
        Some(checksum) => checksum.follow_sum(skb, difference(&from, to), 0),
        None => true,
    };
    followed && store_address(skb, quoted, which, to)
}

#[inline(always)]
fn store_address(skb: Skb, headers: &Headers, which: Which, to: &Address) -> bool {
    let (network, from) = (headers.network as u32, address(headers, which));
    let is_source = which == Which::Source;
    if headers.source.is_v4() {
        let at = network.wrapping_add(if is_source { 12 } else { 16 });
        let sum = network.wrapping_add(IP_CHECKSUM);
        // SAFETY: The helper checks the offset.
        let followed = unsafe { bpf_l3_csum_replace(skb.0, sum, from.0[3] as u64, to.0[3] as u64, 4) == 0 };
        followed && store(skb, at, to.0[3..].as_ptr().cast(), 4)
    } else {
        let at = network.wrapping_add(if is_source { 8 } else { 24 });
        store(skb, at, to.0.as_ptr().cast(), 16)
    }
}

/// A port, or the id of a query, in the header and in the checksum.
#[inline(always)]
fn put_port(skb: Skb, headers: &Headers, which: Which, to: Port, checksum: Option<Checksum>) -> bool {
    let (from, to) = (number(headers, which).to_be(), to.0.to_be());
    if from == to || !headers.has_number() {
        return true;
    }
    let offset = match (headers.kind, which) {
        (Kind::Query, _) => ICMP_ID,
        (_, Which::Source) => 0,
        (_, Which::Destination) => 2,
    };
    let followed = checksum.is_none_or(|checksum| checksum.follow(skb, (from as u32, to as u32), 2));
    followed && store(skb, headers.transport.wrapping_add(offset), (&raw const to).cast(), 2)
}

#[inline(always)]
fn store(skb: Skb, offset: u32, bytes: *const u8, length: u32) -> bool {
    // SAFETY: All callers have as much, and the helper checks the offset.
    unsafe { bpf_skb_store_bytes(skb.0.cast(), offset, bytes.cast(), length, 0) == 0 }
}
