//! Packets that are cut off at every byte.

use berth_common::memory::Bytes;

use super::{BOTH, V4, V6};
use crate::support::{
    ACK, ESP, Extension, GRE, ICMP, ICMPV6, Ip, SCTP, SYN, TCP, UDP, UDPLITE, frame, gre_header,
    icmp_message, ip_address, tcp_segment, udp_datagram,
};

/// Kinds of packets, and how many bytes of what the IP header carries are needed to know them.
fn payloads(v6: bool) -> Vec<(&'static str, u8, Vec<u8>, usize)> {
    let icmp = if v6 { ICMPV6 } else { ICMP };
    let (request, reply, error, link) = if v6 { (128, 129, 1, 135) } else { (8, 0, 3, 9) };
    let message = |kind| icmp_message(v6, kind, 0, [0, 1, 0, 1], &[0; 24]);
    vec![
        ("TCP", TCP, tcp_segment(5000, 80, SYN | ACK), 4),
        ("UDP", UDP, udp_datagram(5000, 53, b"data"), 4),
        ("UDP-Lite", UDPLITE, udp_datagram(5000, 53, b"data"), 4),
        ("SCTP", SCTP, udp_datagram(5000, 53, b"data"), 4),
        ("request", icmp, message(request), 8),
        ("reply", icmp, message(reply), 8),
        ("error", icmp, message(error), 4),
        ("link", icmp, message(link), 4),
        ("GRE", GRE, gre_header(true, None), 4),
        ("GRE with key", GRE, gre_header(false, Some(7)), 8),
        ("GRE with checksum and key", GRE, gre_header(true, Some(7)), 12),
        ("ESP", ESP, vec![0; 16], 0),
    ]
}

/// Cuts `packet` off after every byte: it is known from `needed` bytes on, and then by the same headers as the whole.
fn cut(what: &str, packet: &[u8], needed: usize) {
    let whole = Bytes(packet).in_packet().unwrap_or_else(|| panic!("{what}: the whole packet"));
    for length in 0..=packet.len() {
        let found = Bytes(&packet[..length]).in_packet();
        assert_eq!(found.is_some(), length >= needed, "{what}: {length} of {} bytes", packet.len());
        if let Some(found) = found {
            assert_eq!((found.from(), found.to()), (whole.from(), whole.to()), "{what}: {length} bytes");
            assert_eq!((found.kind, found.fragment), (whole.kind, whole.fragment), "{what}: {length} bytes");
            assert!(found.detail == whole.detail || found.detail == 0, "{what}: {length} bytes");
        }
    }
}

#[test]
fn at_every_byte() {
    for ends in BOTH {
        let (source, destination) = (ip_address(ends.0), ip_address(ends.1));
        for (what, protocol, payload, needed) in payloads(source.is_ipv6()) {
            let fixed = if source.is_ipv6() { 40 } else { 20 };
            let packet = Ip::default().build(source, destination, protocol, &payload);
            cut(what, &packet, fixed + needed);
            let packet = Ip::fragment(0, true, 7).build(source, destination, protocol, &payload);
            cut(what, &packet, fixed + needed + if source.is_ipv6() { 8 } else { 0 });
            let packet = Ip::fragment(9, true, 7).build(source, destination, protocol, &payload);
            cut(what, &packet, fixed + if source.is_ipv6() { 8 } else { 0 });
        }
    }
}

#[test]
fn in_options() {
    let (source, destination) = (ip_address(V4.0), ip_address(V4.1));
    for (what, protocol, payload, needed) in payloads(false) {
        let packet = Ip::options(6).build(source, destination, protocol, &payload);
        // A protocol without ports is known without its options.
        cut(what, &packet, if needed == 0 { 20 } else { 44 + needed });
    }
}

#[test]
fn in_extension_headers() {
    let (source, destination) = (ip_address(V6.0), ip_address(V6.1));
    let chain = [Extension::Raw(0, 1), Extension::Authentication(3), Extension::Raw(43, 2)];
    for (what, protocol, payload, needed) in payloads(true) {
        let packet = Ip::behind(&chain).build(source, destination, protocol, &payload);
        // Of the last header, its first eight bytes tell what follows and where.
        cut(what, &packet, if needed == 0 { 40 + 16 + 24 + 8 } else { 40 + 16 + 24 + 24 + needed });
    }
}

#[test]
fn in_frames() {
    let (source, destination) = (ip_address(V4.0), ip_address(V4.1));
    let packet = Ip::default().build(source, destination, UDP, &udp_datagram(5000, 53, b"data"));
    for tags in [&[][..], &[0x8100], &[0x88a8, 0x8100]] {
        let bytes = frame(tags, 0x0800, &packet);
        for length in 0..=bytes.len() {
            let found = Bytes(&bytes[..length]).in_frame();
            assert_eq!(found.is_some(), length >= 14 + 4 * tags.len() + 24, "{tags:x?}: {length} bytes");
        }
    }
}
