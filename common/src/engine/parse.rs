//! Stage 1: from bytes to [`Headers`].

use super::{
    headers::{Headers, Kind, Part},
    question,
    sctp::Chunks,
};
use crate::{
    abi::units::{Port, Protocol},
    wire::{
        Packet,
        ether::EtherType,
        gre,
        icmp::{self, Class},
        ipv4::Ipv4,
        ipv6::{self, Ipv6},
        lower, sctp, tcp, upper,
    },
};

const UDP_HEADER: u32 = 8;

/// The IP version of a packet that begins with its IP header.
#[inline(always)]
pub fn version<P: Packet>(packet: &P) -> EtherType {
    match packet.words::<1>(0) {
        Some([word]) => match u32::from_be(word) >> 28 {
            4 => EtherType::IPV4,
            6 => EtherType::IPV6,
            _ => EtherType::NONE,
        },
        None => EtherType::NONE,
    }
}

/// Reads the headers of the IP packet that begins at `offset` into `headers`; false if it is cut off, contradicts
/// itself, or has more extension headers than are looked through.
///
/// (Not an `Option`: the type information of BPF objects cannot express it.)
#[must_use]
#[inline(always)]
pub fn ip<P: Packet>(packet: &P, kind: EtherType, offset: u32, headers: &mut Headers) -> bool {
    headers.network = offset as u16;
    let complete = match kind {
        EtherType::IPV4 => ipv4(packet, offset, headers),
        EtherType::IPV6 => ipv6(packet, offset, headers),
        _ => None,
    };
    complete.and_then(|()| transport(packet, headers)).is_some()
}

/// Reads the headers of the packet that the ICMP error `headers` quotes, as it was sent, into `inner`.
#[must_use]
#[inline(always)]
pub fn quoted<P: Packet>(packet: &P, headers: &Headers, inner: &mut Headers) -> bool {
    let (kind, offset) = quoted_at(headers);
    ip(packet, kind, offset, inner)
}

/// Where the packet is that the ICMP error `headers` quotes.
#[inline(always)]
pub const fn quoted_at(headers: &Headers) -> (EtherType, u32) {
    let kind = if headers.source.is_v4() { EtherType::IPV4 } else { EtherType::IPV6 };
    (kind, headers.transport.wrapping_add(icmp::ERROR_HEADER))
}

#[inline(always)]
fn ipv4<P: Packet>(packet: &P, offset: u32, headers: &mut Headers) -> Option<()> {
    let view = Ipv4::new(packet.words::<5>(offset)?)?;
    headers.source = view.source();
    headers.destination = view.destination();
    headers.fragment_id = view.id() as u32;
    headers.transport = offset.wrapping_add(view.header_len());
    headers.protocol = view.protocol();
    headers.fragment = match (view.fragment_offset(), view.more_fragments()) {
        (0, false) => Part::Whole,
        (0, true) => Part::First,
        _ => Part::Later,
    };
    Some(())
}

#[inline(always)]
fn ipv6<P: Packet>(packet: &P, offset: u32, headers: &mut Headers) -> Option<()> {
    let view = Ipv6::new(packet.words::<10>(offset)?)?;
    headers.source = view.source();
    headers.destination = view.destination();
    if headers.source.is_v4() || headers.destination.is_v4() {
        return None;
    }
    let upper = ipv6::upper_layer(packet, view.next_header(), offset.wrapping_add(ipv6::HEADER))?;
    headers.fragment_id = upper.fragment_id;
    headers.transport = upper.offset;
    headers.protocol = upper.protocol;
    headers.fragment = match (upper.fragment >> 3, upper.fragment & 1) {
        (0, 0) => Part::Whole,
        (0, _) => Part::First,
        _ => Part::Later,
    };
    Some(())
}

#[inline(always)]
fn transport<P: Packet>(packet: &P, headers: &mut Headers) -> Option<()> {
    headers.payload = headers.transport as u16;
    if headers.fragment == Part::Later {
        return Some(());
    }
    match headers.protocol {
        Protocol::TCP => tcp(packet, headers),
        Protocol::UDP | Protocol::UDPLITE => ports(packet, headers),
        Protocol::SCTP => chunks(packet, headers),
        Protocol::ICMP if headers.source.is_v4() => icmp(packet, headers),
        Protocol::ICMPV6 if !headers.source.is_v4() => icmp(packet, headers),
        Protocol::GRE => gre(packet, headers),
        _ => Some(()),
    }
}

#[inline(always)]
fn ports<P: Packet>(packet: &P, headers: &mut Headers) -> Option<()> {
    let [word] = packet.words::<1>(headers.transport)?;
    headers.source_port = Port(upper(word));
    headers.destination_port = Port(lower(word));
    headers.payload = headers.transport.wrapping_add(UDP_HEADER) as u16;
    headers.kind = Kind::Ports;
    Some(())
}

#[inline(always)]
fn tcp<P: Packet>(packet: &P, headers: &mut Headers) -> Option<()> {
    ports(packet, headers)?;
    // An ICMP error may quote as little as the ports.
    if let Some([word]) = packet.words::<1>(headers.transport.wrapping_add(tcp::FLAGS_OFFSET)) {
        headers.detail = tcp::flags(word);
        headers.payload = headers.transport.wrapping_add(tcp::header_len(word)) as u16;
    }
    let length = headers.payload.wrapping_sub(headers.transport as u16);
    cut_off(packet, headers, length as u32)
}

/// Notes whether the first fragment of a packet has less than the TCP header, which says of itself to have so many bytes.
#[inline(always)]
fn cut_off<P: Packet>(packet: &P, headers: &mut Headers, length: u32) -> Option<()> {
    if headers.fragment == Part::First {
        let least = if length < tcp::HEADER { tcp::HEADER } else { length };
        let before = headers.transport.wrapping_sub(headers.network as u32);
        if question::length(packet, headers, 0)? < before.wrapping_add(least) {
            headers.payload = headers.transport as u16;
        }
    }
    Some(())
}

#[inline(always)]
fn chunks<P: Packet>(packet: &P, headers: &mut Headers) -> Option<()> {
    ports(packet, headers)?;
    let chunks = Chunks::read(packet, headers, 0);
    if let Some(chunks) = chunks {
        headers.payload = headers.transport.wrapping_add(sctp::HEADER) as u16;
        headers.detail = chunks.may_begin() as u8;
    } else if headers.fragment == Part::First {
        headers.payload = headers.transport as u16;
    }
    Some(())
}

#[inline(always)]
fn icmp<P: Packet>(packet: &P, headers: &mut Headers) -> Option<()> {
    let [first] = packet.words::<1>(headers.transport)?;
    let kind = (u32::from_be(first) >> 24) as u8;
    headers.detail = kind;
    let class = if headers.source.is_v4() { icmp::class4(kind) } else { icmp::class6(kind) };
    let id_offset = headers.transport.wrapping_add(4);
    match class {
        Class::Request => {
            let [second] = packet.words::<1>(id_offset)?;
            headers.source_port = Port(upper(second));
            headers.destination_port = responder(upper(second), kind);
            headers.kind = Kind::Query;
        }
        Class::Reply(request) => {
            let [second] = packet.words::<1>(id_offset)?;
            headers.source_port = responder(upper(second), request);
            headers.destination_port = Port(upper(second));
            headers.kind = Kind::Query;
        }
        Class::Error => headers.kind = Kind::IcmpError,
        Class::Link => headers.kind = Kind::Link,
    }
    Some(())
}

/// What stands at the responder's end of a query. Not the type alone: queries that cross with an id equal to their
/// type would be one conversation.
#[inline(always)]
const fn responder(id: u16, request: u8) -> Port {
    Port(id.wrapping_add(request as u16))
}

#[inline(always)]
fn gre<P: Packet>(packet: &P, headers: &mut Headers) -> Option<()> {
    let [first] = packet.words::<1>(headers.transport)?;
    if let Some(offset) = gre::key_offset(first) {
        let [key] = packet.words::<1>(headers.transport.wrapping_add(offset))?;
        headers.source_port = Port(lower(key));
        headers.destination_port = Port(lower(key));
        headers.kind = Kind::Key;
    }
    Some(())
}
