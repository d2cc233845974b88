//! IPv4 and IPv6 headers, options, extension headers and fragments.

use berth_common::{
    engine::headers::{Kind, Part},
    memory::Bytes,
    wire::{ether::EtherType, ipv6::MAX_EXTENSIONS},
};

use super::{BOTH, Expected, V4, V6, headers, parsed, seen};
use crate::support::{ESP, Extension, Ip, SYN, TCP, UDP, ip, ip_address, tcp, tcp_segment, udp_datagram};

const HOP_BY_HOP: Extension = Extension::Raw(0, 0);
const ROUTING: Extension = Extension::Raw(43, 2);
const DESTINATION: Extension = Extension::Raw(60, 1);
const MOBILITY: Extension = Extension::Raw(135, 0);
const HIP: Extension = Extension::Raw(139, 3);
const SHIM6: Extension = Extension::Raw(140, 0);
const AUTHENTICATION: Extension = Extension::Authentication(3);

fn udp_behind(shape: &Ip, ends: (&str, &str)) -> Vec<u8> {
    shape.build(ip_address(ends.0), ip_address(ends.1), UDP, &udp_datagram(5000, 53, b"data"))
}

const PORTS: Expected = Expected { protocol: UDP, kind: Kind::Ports, ports: (5000, 53), detail: 0 };

#[test]
fn ipv4_options_are_skipped() {
    for words in 0..=10 {
        let transport = 20 + 4 * u32::try_from(words).expect("few");
        let packet = udp_behind(&Ip::options(words), V4);
        assert_eq!(parsed(&packet), headers(V4, &PORTS, (transport, transport + 8)), "{words} words");
    }
}

#[test]
fn ipv4_header_must_be_one() {
    let good = udp_behind(&Ip::default(), V4);
    for first in 0..=u8::MAX {
        let mut packet = good.clone();
        packet[0] = first;
        let found = Bytes(&packet).at(EtherType::IPV4, 0);
        let is_header = first >> 4 == 4 && first & 15 >= 5;
        // Longer headers than the packet has are cut off.
        let fits = usize::from(first & 15) * 4 + 4 <= packet.len();
        assert_eq!(found.is_some(), is_header && fits, "first byte {first:#x}");
    }
}

#[test]
fn ether_type_must_agree_with_the_version() {
    for (ends, kind) in [(V4, EtherType::IPV6), (V6, EtherType::IPV4), (V4, EtherType::ARP)] {
        assert_eq!(Bytes(&udp_behind(&Ip::default(), ends)).at(kind, 0), None);
    }
}

#[test]
fn extension_headers_are_skipped() {
    let cases: &[(&[Extension], u32)] = &[
        (&[], 40),
        (&[HOP_BY_HOP], 48),
        (&[ROUTING], 64),
        (&[DESTINATION], 56),
        (&[MOBILITY], 48),
        (&[HIP], 72),
        (&[SHIM6], 48),
        // RFC 4302 counts in words, less two.
        (&[Extension::Authentication(0)], 52),
        (&[AUTHENTICATION], 64),
        (&[HOP_BY_HOP, DESTINATION, ROUTING, AUTHENTICATION, DESTINATION], 128),
        (&[Extension::Raw(60, 255)], 40 + 2048),
    ];
    for (extensions, transport) in cases {
        let packet = udp_behind(&Ip::behind(extensions), V6);
        assert_eq!(parsed(&packet), headers(V6, &PORTS, (*transport, transport + 8)), "{extensions:?}");
    }
}

#[test]
fn extension_headers_are_bounded() {
    let most = usize::try_from(MAX_EXTENSIONS).expect("few");
    for count in 0..=most + 2 {
        let found = Bytes(&udp_behind(&Ip::behind(&vec![DESTINATION; count]), V6)).in_packet();
        assert_eq!(found.is_some(), count <= most, "{count} headers");
        if let Some(found) = found {
            assert_eq!(seen(&found), PORTS);
        }
    }
}

#[test]
fn extension_headers_may_lead_nowhere() {
    let nothing = ip(V6.0, V6.1, 59, &[]);
    assert_eq!(
        seen(&parsed(&nothing)),
        Expected { protocol: 59, kind: Kind::Bare, ports: (0, 0), detail: 0 }
    );
    let behind = Ip::behind(&[DESTINATION]).build(ip_address(V6.0), ip_address(V6.1), 59, &[]);
    assert_eq!(parsed(&behind).protocol.0, 59);
    assert_eq!(parsed(&behind).transport, 56);
}

#[test]
fn ipv4_does_not_know_extension_headers() {
    for protocol in [0, 43, 44, 51, 60, 135] {
        let found = parsed(&ip(V4.0, V4.1, protocol, &udp_datagram(5000, 53, b"")));
        assert_eq!(seen(&found), Expected { protocol, kind: Kind::Bare, ports: (0, 0), detail: 0 });
    }
}

#[test]
fn fragments() {
    let payload = udp_datagram(5000, 53, &[0; 16]);
    let nothing = ((0, 0), Kind::Bare);
    let ports = ((5000, 53), Kind::Ports);
    let cases = [
        ((0, true), Part::First, ports),
        ((1, true), Part::Later, nothing),
        ((1, false), Part::Later, nothing),
        ((185, true), Part::Later, nothing),
        ((0x1fff, false), Part::Later, nothing),
        // An "atomic" fragment (RFC 6946), or a packet that says nothing of fragments.
        ((0, false), Part::Whole, ports),
    ];
    for ends in BOTH {
        for ((offset, more), part, (numbers, kind)) in cases {
            let shape = Ip::fragment(offset, more, 0x77aa);
            let packet = shape.build(ip_address(ends.0), ip_address(ends.1), UDP, &payload);
            let found = parsed(&packet);
            let id = if ends == V4 { 0x77aa } else { 0x77aa_u32.to_be() };
            assert_eq!((found.fragment, found.fragment_id), (part, id), "{ends:?} {offset} {more}");
            assert_eq!(seen(&found), Expected { protocol: UDP, kind, ports: numbers, detail: 0 });
        }
    }
}

#[test]
fn extension_headers_around_the_fragment_header() {
    let first = Ip::behind(&[HOP_BY_HOP, Extension::Fragment(0, true, 9), DESTINATION]);
    let found = parsed(&udp_behind(&first, V6));
    assert_eq!((found.fragment, seen(&found)), (Part::First, PORTS));
    assert_eq!(found.transport, 40 + 8 + 8 + 16);
    // What follows the header of a later fragment is data, whatever its first header says it is part of.
    for offset in [1, 3, 0x1fff] {
        let later = Ip::behind(&[HOP_BY_HOP, Extension::Fragment(offset, true, 9), DESTINATION]);
        let found = parsed(&udp_behind(&later, V6));
        assert_eq!((found.fragment, found.protocol.0, found.transport), (Part::Later, 60, 56));
    }
    // A first fragment must hold the whole chain (RFC 7112).
    let torn = Ip::behind(&[Extension::Fragment(0, true, 9), Extension::Raw(60, 2)]);
    let torn = udp_behind(&torn, V6);
    assert_eq!(Bytes(&torn[..40 + 8 + 8]).in_packet().map(|found| found.protocol.0), None);
}

#[test]
fn later_fragments_need_no_transport_header() {
    for ends in BOTH {
        let shape = Ip::fragment(5, false, 1);
        let packet = shape.build(ip_address(ends.0), ip_address(ends.1), TCP, &[]);
        assert_eq!(parsed(&packet).fragment, Part::Later);
    }
}

/// IPv6 packets with IPv4-mapped addresses are never seen on a wire (RFC 4038 §4.2); the engine's addresses could not
/// tell them from IPv4.
#[test]
fn ipv6_packets_between_ipv4_addresses_are_refused() {
    let mapped = "::ffff:192.0.2.1";
    for (source, destination) in [(mapped, V6.1), (V6.0, mapped), (mapped, "::ffff:198.51.100.7")] {
        let packet = Ip::default().build(
            ip_address(source),
            ip_address(destination),
            TCP,
            &tcp_segment(5000, 80, SYN),
        );
        assert_eq!(Bytes(&packet).in_packet(), None, "{source} {destination}");
    }
}

#[test]
fn other_protocols_have_addresses_only() {
    for ends in BOTH {
        let found = parsed(&ip(ends.0, ends.1, ESP, &[1, 2, 3, 4]));
        assert_eq!(seen(&found), Expected { protocol: ESP, kind: Kind::Bare, ports: (0, 0), detail: 0 });
        assert_eq!(found.source, ip_address(ends.0).into());
        assert_eq!(found.destination, ip_address(ends.1).into());
    }
}

#[test]
fn offset_of_the_ip_header_shifts_everything() {
    let packet = tcp("192.0.2.1:5000", "198.51.100.7:80", SYN);
    let shifted = [&[0xff; 7], packet.as_slice()].concat();
    let found = Bytes(&shifted).at(EtherType::IPV4, 7).expect("headers");
    let mut expected = parsed(&packet);
    expected.transport += 7;
    expected.payload += 7;
    expected.network += 7;
    assert_eq!(found, expected);
    assert_eq!(Bytes(&packet).at(EtherType::IPV4, u32::MAX), None);
}
