//! Views on packet bytes. A view is made from words that were really in the packet, so that its accessors cannot fail.

pub mod arp;
pub mod checksum;
pub mod ether;
pub mod gre;
pub mod icmp;
pub mod ipv4;
pub mod ipv6;
pub mod tcp;

/// The bytes of one packet.
pub trait Packet {
    /// `N` words from byte `offset` on, each as it lies in the packet (so in network byte order); nothing if the
    /// packet ends before.
    fn words<const N: usize>(&self, offset: u32) -> Option<[u32; N]>;
}

/// The upper half of a word as it lay in the packet, in host byte order.
#[inline(always)]
pub(crate) const fn upper(word: u32) -> u16 {
    (u32::from_be(word) >> 16) as u16
}

/// The lower half of a word as it lay in the packet, in host byte order.
#[inline(always)]
pub(crate) const fn lower(word: u32) -> u16 {
    u32::from_be(word) as u16
}
