//! Neighbour discovery (RFC 4861) over Ethernet.

use super::{Packet, ether::Mac, icmp, lower, upper};
use crate::abi::address::Address;

/// Most options that are looked at.
const OPTIONS: u32 = 16;
/// Offset of the target in solicitations and advertisements.
const TARGET: u32 = 8;
const SOURCE_LINK_ADDRESS: u8 = 1;
const TARGET_LINK_ADDRESS: u8 = 2;

/// Whether the ICMPv6 type is of a message that tells where somebody is on the link.
#[inline(always)]
pub const fn is_one(kind: u8) -> bool {
    matches!(kind, icmp::ROUTER_SOLICITATION..=icmp::NEIGHBOUR_ADVERTISEMENT)
}

/// Whether such a message from `source` claims its target for the sender: advertisements do, and who asks without an address means
/// to take the one that it asks about (RFC 4862 §5.4.2).
#[inline(always)]
pub const fn claims(kind: u8, source: &Address) -> bool {
    match kind {
        icmp::NEIGHBOUR_ADVERTISEMENT => true,
        icmp::NEIGHBOUR_SOLICITATION => source.is_wildcard(),
        _ => false,
    }
}

/// The address that the solicitation or advertisement at `offset` is about.
#[inline(always)]
pub fn target<P: Packet>(packet: &P, offset: u32) -> Option<Address> {
    packet.rare_words::<4>(offset.wrapping_add(TARGET)).map(Address)
}

/// Whether every hardware address in the options of the message at `offset` is one of the sender's, as `is_own` has it. Not if
/// there are more options than are looked at, or one of them makes no sense.
#[inline(always)]
pub fn options_are<P: Packet>(packet: &P, offset: u32, kind: u8, is_own: impl Fn(Mac) -> bool) -> bool {
    let mut offset = offset.wrapping_add(options(kind));
    for _ in 0..OPTIONS {
        let Some([first, second]) = packet.rare_words::<2>(offset) else { return true };
        let (kind, units) = ((upper(first) >> 8) as u8, upper(first) & 0xff);
        if units == 0 {
            return false;
        }
        if matches!(kind, SOURCE_LINK_ADDRESS | TARGET_LINK_ADDRESS) {
            // Its two bytes in the first word, and the four of the second.
            let first = u32::from_be(second) >> 16 | (lower(first) as u32) << 16;
            let mac = Mac { first: first.to_be(), last: lower(second) };
            if !is_own(mac) {
                return false;
            }
        }
        offset = offset.wrapping_add((units as u32).wrapping_mul(8));
    }
    packet.rare_words::<2>(offset).is_none()
}

/// Where the options of a message begin.
#[inline(always)]
const fn options(kind: u8) -> u32 {
    match kind {
        icmp::ROUTER_SOLICITATION => 8,
        icmp::ROUTER_ADVERTISEMENT => 16,
        _ => 24,
    }
}
