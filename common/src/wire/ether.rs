//! Ethernet (IEEE 802.3) and VLAN tags (IEEE 802.1Q, 802.1ad).

use super::{Packet, upper};
use crate::abi::address::Address;

/// Bytes of an Ethernet header.
pub const HEADER: u32 = 14;

const TYPE_OFFSET: u32 = 12;
const TAG: u32 = 4;
const VLAN: u16 = 0x8100;
const SERVICE_VLAN: u16 = 0x88a8;

/// What an Ethernet frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EtherType(pub u16);

impl EtherType {
    /// IPv4.
    pub const IPV4: Self = Self(0x0800);
    /// Address resolution for IPv4 (RFC 826).
    pub const ARP: Self = Self(0x0806);
    /// IPv6.
    pub const IPV6: Self = Self(0x86dd);
    /// Nothing that has a type: IEEE 802.2 frames and frames that are cut off.
    pub const NONE: Self = Self(0);
}

/// A hardware address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mac {
    /// Its first four bytes, as they lie in the frame.
    pub first: u32,
    /// The last two, in host byte order.
    pub last: u16,
}

impl Mac {
    /// From its six bytes.
    pub const fn from_octets(octets: [u8; 6]) -> Self {
        let [first, second, third, fourth, last @ ..] = octets;
        Self { first: u32::from_ne_bytes([first, second, third, fourth]), last: u16::from_be_bytes(last) }
    }

    /// Whose frame it is.
    #[inline(always)]
    pub fn source<P: Packet>(packet: &P) -> Option<Self> {
        let [first, second] = packet.rare_words::<2>(6)?;
        Some(Self { first, last: upper(second) })
    }

    /// For whom the frame is.
    #[inline(always)]
    pub fn destination<P: Packet>(packet: &P) -> Option<Self> {
        let [first, second] = packet.rare_words::<2>(0)?;
        Some(Self { first, last: upper(second) })
    }

    /// Whether several are meant.
    #[inline(always)]
    pub const fn is_group(self) -> bool {
        u32::from_be(self.first) >> 24 & 1 != 0
    }

    /// The IPv6 address that its holder makes of it for the link (RFC 4291 appendix A).
    #[inline(always)]
    pub const fn link_local(self) -> Address {
        let first = u32::from_be(self.first);
        let high = (first ^ 0x0200_0000) & 0xffff_ff00 | 0xff;
        let low = 0xfe00_0000 | (first & 0xff) << 16 | self.last as u32;
        Address([0xfe80_0000_u32.to_be(), 0, high.to_be(), low.to_be()])
    }
}

/// To whom a frame is addressed, as the kernel that receives it will see it (include/uapi/linux/if_packet.h): `PACKET_HOST`,
/// `PACKET_BROADCAST` or `PACKET_MULTICAST`.
#[inline(always)]
pub fn packet_type<P: Packet>(packet: &P) -> u8 {
    const GROUP: u32 = 1 << 24;
    match packet.words::<2>(0) {
        Some([u32::MAX, rest]) if upper(rest) == u16::MAX => 1,
        Some([first, _]) if u32::from_be(first) & GROUP != 0 => 2,
        _ => 0,
    }
}

/// The type of a frame's payload and the payload's offset, behind at most two VLAN tags in the packet itself. (A tag
/// that the kernel keeps beside the packet is not in the way.)
#[inline(always)]
pub fn payload<P: Packet>(packet: &P) -> (EtherType, u32) {
    let mut offset = TYPE_OFFSET;
    for _ in 0..2 {
        let Some([word]) = packet.words::<1>(offset) else {
            return (EtherType::NONE, HEADER);
        };
        match upper(word) {
            VLAN | SERVICE_VLAN => offset = offset.wrapping_add(TAG),
            other => return (EtherType(other), offset.wrapping_add(2)),
        }
    }
    match packet.words::<1>(offset) {
        Some([word]) => (EtherType(upper(word)), offset.wrapping_add(2)),
        None => (EtherType::NONE, offset),
    }
}
