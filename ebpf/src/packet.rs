//! Packet bytes.

use core::{arch::asm, mem::MaybeUninit};

use aya_ebpf::{bindings::__sk_buff, helpers::generated::bpf_skb_load_bytes};
use berth_common::{
    abi::counters::Traffic,
    engine::Headers,
    wire::{Packet, ftp, sctp, tcp::Scan},
};

use crate::{association, segment};

/// Offsets above this are read through the helper: the verifier wants a bound.
const DIRECT_LIMIT: u32 = 0x3fff;

/// Bytes of a hop-by-hop header with nothing but a jumbo payload option.
const JUMBO_HEADER: u32 = 8;

/// Words that can be left with a packet.
const LEFT: usize = 5;

/// The packet of a program that runs on socket buffers.
#[derive(Clone, Copy)]
pub struct Skb(pub *mut __sk_buff);

/// One word of the packet, aligned or not. In assembly, since the compiler would load it byte by byte (7 ns for each
/// packet); allowing it misaligned accesses in general makes it misalign the stack, which the verifier refuses.
///
/// # Safety
///
/// Four bytes from `address` on must be in the packet's linear part.
#[inline(always)]
unsafe fn load(address: usize) -> u32 {
    let word: u64;
    // SAFETY: The caller's.
    unsafe {
        asm!("{word} = *(u32 *)({address} + 0)", word = out(reg) word, address = in(reg) address,
            options(pure, readonly, nostack));
    }
    word as u32
}

/// The offset, which is within [`DIRECT_LIMIT`]. The compiler may have compared another register than it adds, and some
/// verifiers learn nothing of this one by that.
#[inline(always)]
fn bounded(offset: u32) -> usize {
    let mut bounded = offset as u64;
    // SAFETY: Arithmetic on a register.
    unsafe {
        asm!("{bounded} &= {limit}", bounded = inout(reg) bounded, limit = const DIRECT_LIMIT,
            options(pure, nomem, nostack));
    }
    bounded as usize
}

impl Packet for Skb {
    #[inline(always)]
    fn words<const N: usize>(&self, offset: u32) -> Option<[u32; N]> {
        // SAFETY: Fields of the program's context.
        let (data, end) = unsafe { ((*self.0).data as usize, (*self.0).data_end as usize) };
        if offset <= DIRECT_LIMIT {
            let start = data.wrapping_add(bounded(offset));
            if start.wrapping_add(N * 4) <= end {
                // SAFETY: Just checked, here and by the verifier.
                return Some(core::array::from_fn(|index| unsafe { load(start.wrapping_add(index * 4)) }));
            }
        }
        self.copy(offset)
    }

    #[inline(always)]
    fn rare_words<const N: usize>(&self, offset: u32) -> Option<[u32; N]> {
        self.copy(offset)
    }

    #[inline(always)]
    fn scan_step(&self, offset: u32, scan: Scan) -> Scan {
        segment::scan_step(*self, offset, scan)
    }

    #[inline(always)]
    fn chunks(&self, offset: u32, length: u32) -> sctp::Scan {
        association::chunks(*self, offset, length)
    }
}

/// A packet that is read by copy, through the helper alone. For what is rare: it spares the verifier most of its walk
/// (7.2 went 770,000 instructions through the direct reading of quoted packets, 7,000 through this).
#[derive(Clone, Copy)]
pub struct Copied(pub Skb);

impl Packet for Copied {
    #[inline(always)]
    fn words<const N: usize>(&self, offset: u32) -> Option<[u32; N]> {
        self.0.copy(offset)
    }

    #[inline(always)]
    fn chunk_step(&self, offset: u32, length: u32, scan: sctp::Scan) -> sctp::Scan {
        association::chunk_step(self.0, offset, length, scan)
    }

    #[inline(always)]
    fn line_step(&self, line: &mut ftp::Line, offset: u32) -> ftp::Told {
        crate::ftp::line_step(self.0, line, offset)
    }
}

impl Skb {
    /// Words that are not in the packet's linear part.
    #[inline(always)]
    fn copy<const N: usize>(self, offset: u32) -> Option<[u32; N]> {
        let mut words = MaybeUninit::<[u32; N]>::uninit();
        let length = (N * 4) as u32;
        // SAFETY: The helper writes `length` bytes, which is the array's size, or fails.
        let error = unsafe { bpf_skb_load_bytes(self.0.cast(), offset, words.as_mut_ptr().cast(), length) };
        if error != 0 {
            return None;
        }
        // SAFETY: All of it was written, and any bytes are words.
        Some(unsafe { words.assume_init() })
    }

    /// What the packet counts for: its segments, and their bytes on the wire, with the headers that each segment
    /// repeats.
    #[inline(always)]
    pub fn traffic(self, headers: Option<&Headers>) -> Traffic {
        // SAFETY: Fields of the program's context.
        let (segments, len) = unsafe { ((*self.0).gso_segs, (*self.0).len) };
        let packets = if segments == 0 { 1 } else { segments as u64 };
        let Some(headers) = headers else { return Traffic { packets, bytes: len as u64 } };
        let repeated = (headers.payload as u64).wrapping_mul(packets.wrapping_sub(1));
        let bytes = (len as u64).wrapping_add(repeated);
        if len > u16::MAX as u32 && self.has_jumbo_header(headers) {
            return Traffic { packets, bytes: bytes.wrapping_sub(packets.wrapping_mul(JUMBO_HEADER as u64)) };
        }
        Traffic { packets, bytes }
    }

    /// Whether the kernel has put a jumbo payload option (RFC 2675) before the transport header, for itself: where it
    /// cuts the packet, it takes that out.
    #[inline(always)]
    fn has_jumbo_header(self, headers: &Headers) -> bool {
        const OPTION: u32 = 0x00_c2_04;
        match Copied(self).words::<1>(headers.transport.wrapping_sub(JUMBO_HEADER)) {
            Some([word]) => !headers.source.is_v4() && u32::from_be(word) & 0x00ff_ffff == OPTION,
            None => false,
        }
    }

    /// Leaves what a function has found with the packet, where the next one takes it up: neither's stack has room for it.
    #[inline(always)]
    pub fn leave(self, words: [u32; LEFT]) {
        // SAFETY: A field of the program's context, which is the program's own to write.
        unsafe { (*self.0).cb = words };
    }

    /// What was left with the packet.
    #[inline(always)]
    pub fn left(self) -> [u32; LEFT] {
        // SAFETY: A field of the program's context.
        unsafe { (*self.0).cb }
    }

    /// Bytes from the IP header on, as the kernel has it.
    #[inline(always)]
    pub fn length(self, headers: &Headers) -> u32 {
        // SAFETY: A field of the program's context.
        unsafe { (*self.0).len }.wrapping_sub(headers.network as u32)
    }

    /// The interface that a packet which leaves has come in by, as routing has it; zero for what the node itself sends.
    #[inline(always)]
    pub fn came_by(self) -> u32 {
        // SAFETY: A field of the program's context.
        unsafe { (*self.0).ingress_ifindex }
    }

    /// The interface the packet came in by, or is about to leave by.
    #[inline(always)]
    pub fn ifindex(self) -> u32 {
        // SAFETY: A field of the program's context.
        unsafe { (*self.0).ifindex }
    }
}
