//! ARP (RFC 826) for IPv4 over Ethernet.

use super::{Packet, ether::Mac, lower, upper};
use crate::abi::address::Address;

const ETHERNET_IPV4: u32 = 0x0001_0800;
const LENGTHS: u16 = 0x0604;
const REQUEST: u16 = 1;

/// An ARP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arp {
    /// Request, reply, …
    pub operation: u16,
    /// Hardware address of the sender.
    pub mac: Mac,
    /// Its address; `0.0.0.0` if it has none yet.
    pub sender: Address,
    /// The address that is asked for, or answered.
    pub target: Address,
}

impl Arp {
    /// What is at `offset`; nothing if it is cut off, or about other kinds of addresses.
    #[inline(always)]
    pub fn read<P: Packet>(packet: &P, offset: u32) -> Option<Self> {
        let [kind, rest, first, second] = packet.rare_words::<4>(offset)?;
        let [sender] = packet.rare_words::<1>(offset.wrapping_add(14))?;
        let [target] = packet.rare_words::<1>(offset.wrapping_add(24))?;
        if u32::from_be(kind) != ETHERNET_IPV4 || upper(rest) != LENGTHS {
            return None;
        }
        let mac = Mac { first, last: upper(second) };
        Some(Self { operation: lower(rest), mac, sender: Address::v4(sender), target: Address::v4(target) })
    }

    /// Whether it is a probe (RFC 5227 §1.1): a request whose sender has no address yet.
    #[inline(always)]
    pub fn is_probe(&self) -> bool {
        self.operation == REQUEST && self.sender.is_wildcard()
    }
}
