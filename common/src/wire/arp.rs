//! ARP (RFC 826) for IPv4 over Ethernet.

use super::{Packet, lower, upper};

const ETHERNET_IPV4: u32 = 0x0001_0800;
const REQUEST: u16 = 1;

/// Whether the ARP packet at `offset` is a probe (RFC 5227 §1.1): a request whose sender has no address yet.
#[inline(always)]
pub fn is_probe<P: Packet>(packet: &P, offset: u32) -> bool {
    let Some([kind, lengths_operation]) = packet.words::<2>(offset) else {
        return false;
    };
    let Some([sender]) = packet.words::<1>(offset.wrapping_add(14)) else {
        return false;
    };
    u32::from_be(kind) == ETHERNET_IPV4
        && upper(lengths_operation) == 0x0604
        && lower(lengths_operation) == REQUEST
        && sender == 0
}
