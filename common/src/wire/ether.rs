//! Ethernet (IEEE 802.3) and VLAN tags (IEEE 802.1Q, 802.1ad).

use super::{Packet, upper};

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
