//! The packet by which a sender is told that its packet is rejected: what netfilter's REJECT sends.
//!
//! A notice goes from the rejected packet's destination to its source, whoever rejects it: a segment with RST
//! (RFC 9293 §3.10.7.1), or an ICMP error (RFC 792, RFC 4443 §3.1), which quotes the packet from its IP header on.

use super::headers::{Headers, Kind, Part};
use crate::{
    abi::{
        address::Address,
        rules::reject::{Answer, Rejection},
        units::Protocol,
    },
    wire::{Packet, checksum, icmp, ipv4, ipv6, lower, tcp, upper},
};

/// Most bytes of a packet that are quoted: with the headers before them they are what every IPv6 host accepts
/// (RFC 4443 §2.4 (c)).
pub const MAX_QUOTED: u32 = 1280 - ipv6::HEADER - icmp::ERROR_HEADER;

/// Likewise in IPv4 (RFC 1812 §4.3.2.3).
const MAX_QUOTED4: u32 = 576 - ipv4::HEADER - icmp::ERROR_HEADER;
/// Hops that a notice may take (the default of net.ipv4.ip_default_ttl and net.ipv6.conf.*.hop_limit).
const HOPS: u32 = 64;
/// Do not fragment; the identification may then be zero (RFC 6864 §4).
const DONT_FRAGMENT: u32 = 0x4000;
/// ICMP "destination unreachable".
const UNREACHABLE4: u32 = 3;
/// ICMPv6 "destination unreachable".
const UNREACHABLE6: u32 = 1;

/// What a notice is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What is told.
    pub answer: Answer,
    /// Bytes of the packet, from its IP header on.
    pub length: u32,
    /// How many of them are quoted.
    pub quoted: u32,
}

/// The bytes of a notice before what it quotes, as words in network byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The IP header: the first five words for IPv4, all for IPv6.
    pub ip: [u32; 10],
    /// The header behind it: all for TCP, the first two words for ICMP.
    pub upper: [u32; 5],
}

impl Head {
    /// Before anything is written.
    pub const EMPTY: Self = Self { ip: [0; 10], upper: [0; 5] };
}

impl Notice {
    /// The notice for a packet that has `length` bytes from its IP header on; nothing where nobody may be told: senders
    /// or receivers that are groups (RFC 1122 §3.2.2), later fragments, errors, and segments with RST.
    #[inline(always)]
    pub fn of(headers: &Headers, length: u32, rejection: Rejection) -> Option<Self> {
        let (source, destination) = (&headers.source, &headers.destination);
        if headers.fragment == Part::Later
            || source.is_group()
            || source.is_wildcard()
            || destination.is_group()
        {
            return None;
        }
        let answer = rejection.answer();
        let (may_be_told, quoted) = match answer {
            Answer::Reset => {
                let is_segment = headers.protocol == Protocol::TCP && headers.kind == Kind::Ports;
                (is_segment && headers.detail & tcp::RST == 0, 0)
            }
            Answer::Icmp(_) => (source.is_v4() && !is_error4(headers), length.min(MAX_QUOTED4)),
            Answer::Icmp6(_) => (!source.is_v4() && headers.kind != Kind::IcmpError, length.min(MAX_QUOTED)),
        };
        if may_be_told { Some(Self { answer, length, quoted }) } else { None }
    }

    /// Bytes of the header behind the IP header.
    #[inline(always)]
    pub const fn upper_len(&self) -> u32 {
        match self.answer {
            Answer::Reset => tcp::HEADER,
            Answer::Icmp(_) | Answer::Icmp6(_) => icmp::ERROR_HEADER,
        }
    }

    /// Writes all that comes before the quoted bytes, whose sum (as of [`checksum::words`]) is given. Nothing if the
    /// packet's headers are cut off.
    #[inline(always)]
    pub fn write<P: Packet>(
        &self,
        packet: &P,
        headers: &Headers,
        quoted_sum: u64,
        head: &mut Head,
    ) -> Option<()> {
        let length = self.upper_len().wrapping_add(self.quoted);
        // From the packet's destination to its source: the sum is the same.
        let addresses = sum(&headers.source).wrapping_add(sum(&headers.destination));
        let pseudo = |protocol: Protocol| {
            addresses.wrapping_add(checksum::words(&[length.to_be(), (protocol.0 as u32).to_be()]))
        };
        let protocol = match self.answer {
            Answer::Reset => {
                reset(packet, headers, self.length, pseudo(Protocol::TCP), &mut head.upper)?;
                Protocol::TCP
            }
            Answer::Icmp(code) => {
                unreachable(UNREACHABLE4, code, quoted_sum, &mut head.upper);
                Protocol::ICMP
            }
            Answer::Icmp6(code) => {
                let sum = quoted_sum.wrapping_add(pseudo(Protocol::ICMPV6));
                unreachable(UNREACHABLE6, code, sum, &mut head.upper);
                Protocol::ICMPV6
            }
        };
        if headers.source.is_v4() {
            let service = if protocol == Protocol::ICMP { service4(packet, headers)? } else { 0 };
            ip4(headers, protocol, length, service, &mut head.ip);
        } else {
            ip6(headers, protocol, length, &mut head.ip);
        }
        Some(())
    }
}

/// Bytes of a packet from its IP header on, of which there are `available`: a frame may be padded, and a header that does
/// not know the length says zero.
#[inline(always)]
pub fn length<P: Packet>(packet: &P, headers: &Headers, available: u32) -> u32 {
    let network = headers.network as u32;
    let told = if headers.source.is_v4() {
        packet.words::<1>(network).map_or(0, |[first]| lower(first) as u32)
    } else {
        match packet.words::<1>(network.wrapping_add(4)) {
            Some([second]) if upper(second) != 0 => (upper(second) as u32).wrapping_add(ipv6::HEADER),
            _ => 0,
        }
    };
    if told == 0 { available } else { told.min(available) }
}

/// Of ICMP the kernel answers queries and their answers alone: the rest are errors to it, or unknown (`icmp_pointers`).
#[inline(always)]
fn is_error4(headers: &Headers) -> bool {
    headers.protocol == Protocol::ICMP && headers.kind != Kind::Query
}

#[inline(always)]
fn sum(address: &Address) -> u64 {
    if address.is_v4() { address.0[3] as u64 } else { checksum::words(&address.0) }
}

/// The packet's own service, at the precedence of internetwork control (RFC 1812 §4.3.2.5, as `icmp_send` has it).
#[inline(always)]
fn service4<P: Packet>(packet: &P, headers: &Headers) -> Option<u32> {
    let [first] = packet.words::<1>(headers.network as u32)?;
    Some((upper(first) & 0x1e | 0xc0) as u32)
}

#[inline(always)]
fn ip4(headers: &Headers, protocol: Protocol, length: u32, service: u32, ip: &mut [u32; 10]) {
    let (from, to) = (headers.destination.0[3], headers.source.0[3]);
    let length = length.wrapping_add(ipv4::HEADER) & 0xffff;
    let first = (0x4500_0000 | service << 16 | length).to_be();
    let second = DONT_FRAGMENT.to_be();
    let third = HOPS << 24 | (protocol.0 as u32) << 16;
    let sum = checksum::words(&[first, second, third.to_be(), from, to]);
    *ip = [first, second, (third | checksum::finish(sum) as u32).to_be(), from, to, 0, 0, 0, 0, 0];
}

#[inline(always)]
fn ip6(headers: &Headers, protocol: Protocol, length: u32, ip: &mut [u32; 10]) {
    let second = (length & 0xffff) << 16 | (protocol.0 as u32) << 8 | HOPS;
    let [first_word, second_word, addresses @ ..] = ip;
    (*first_word, *second_word) = (0x6000_0000_u32.to_be(), second.to_be());
    let both = headers.destination.0.iter().chain(&headers.source.0);
    for (word, from) in addresses.iter_mut().zip(both) {
        *word = *from;
    }
}

/// A segment with RST. It acknowledges what the packet occupies, unless that acknowledges something itself.
#[inline(always)]
fn reset<P: Packet>(
    packet: &P,
    headers: &Headers,
    length: u32,
    pseudo: u64,
    header: &mut [u32; 5],
) -> Option<()> {
    let [ports, sequence, acknowledged, fourth] = packet.words::<4>(headers.transport)?;
    let ports = u32::from_be(ports).rotate_left(16).to_be();
    let (sequence, acknowledged, flags) = if headers.detail & tcp::ACK != 0 {
        (acknowledged, 0, tcp::RST)
    } else {
        let occupied = occupied(headers, length, tcp::header_len(fourth));
        (0, u32::from_be(sequence).wrapping_add(occupied).to_be(), tcp::RST | tcp::ACK)
    };
    let fourth = (5 << 28 | (flags as u32) << 16_u32).to_be();
    let sum = pseudo.wrapping_add(checksum::words(&[ports, sequence, acknowledged, fourth]));
    *header = [ports, sequence, acknowledged, fourth, ((checksum::finish(sum) as u32) << 16).to_be()];
    Some(())
}

/// How much of the sequence a segment occupies (RFC 9293 §3.4).
#[inline(always)]
fn occupied(headers: &Headers, length: u32, header: u32) -> u32 {
    let before = headers.transport.wrapping_sub(headers.network as u32).wrapping_add(header);
    let data = length.saturating_sub(before);
    let flag = |flag: u8| (headers.detail & flag != 0) as u32;
    data.wrapping_add(flag(tcp::SYN)).wrapping_add(flag(tcp::FIN))
}

#[inline(always)]
fn unreachable(kind: u32, code: u8, sum: u64, header: &mut [u32; 5]) {
    let first = kind << 24 | (code as u32) << 16;
    let sum = sum.wrapping_add(first.to_be() as u64);
    *header = [(first | checksum::finish(sum) as u32).to_be(), 0, 0, 0, 0];
}
