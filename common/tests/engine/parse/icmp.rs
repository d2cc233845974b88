//! ICMP and ICMPv6, and what their errors quote.

use berth_common::{
    abi::units::Zone,
    engine::{
        Headers,
        headers::{Kind, Part},
        parse,
    },
    memory::Bytes,
    wire::icmp::{Class, class4, class6},
};

use super::{BOTH, V4, V6, parsed, seen};
use crate::support::{
    Extension, ICMP, ICMPV6, Ip, SYN, TCP, UDP, flow_key, icmp, icmp_message, ip, ip_address, ping, query,
    tcp, tcp_segment, udp, unreachable, unreachable_to,
};

#[test]
fn every_icmp_type_has_its_class() {
    for kind in 0..=u8::MAX {
        let expected = match kind {
            8 | 13 | 15 | 17 => Class::Request,
            0 => Class::Reply(8),
            14 => Class::Reply(13),
            16 => Class::Reply(15),
            18 => Class::Reply(17),
            3 | 4 | 5 | 11 | 12 => Class::Error,
            _ => Class::Link,
        };
        assert_eq!(class4(kind), expected, "type {kind}");
    }
}

#[test]
fn every_icmpv6_type_has_its_class() {
    for kind in 0..=u8::MAX {
        let expected = match kind {
            0..=127 => Class::Error,
            128 => Class::Request,
            129 => Class::Reply(128),
            _ => Class::Link,
        };
        assert_eq!(class6(kind), expected, "type {kind}");
    }
}

#[test]
fn messages_of_every_type() {
    for ends in BOTH {
        for kind in 0..=u8::MAX {
            let found = parsed(&query(ends.0, ends.1, kind, 0x1234));
            let class = if ends == V4 { class4(kind) } else { class6(kind) };
            let expected = match class {
                Class::Request | Class::Reply(_) => matches!(found.kind, Kind::Query),
                Class::Error => found.kind == Kind::IcmpError,
                Class::Link => found.kind == Kind::Link,
            };
            assert!(expected, "type {kind}: {found:?}");
            assert_eq!(found.detail, kind);
            match class {
                Class::Request => assert_eq!(found.source_port.0, 0x1234),
                Class::Reply(_) => assert_eq!(found.destination_port.0, 0x1234),
                Class::Error | Class::Link => {
                    assert_eq!((found.source_port.0, found.destination_port.0), (0, 0));
                }
            }
        }
    }
}

/// Requests and their replies are one conversation, whatever the id; requests that cross are two.
#[test]
fn queries_that_cross_are_apart() {
    for (ends, requests) in [(V4, &[(8, 0), (13, 14), (15, 16), (17, 18)][..]), (V6, &[(128, 129)])] {
        for (request, reply) in requests {
            for id in [0, 1, 8, 13, 15, 16, 17, 128, 256, 0x1234, 65_528, 65_535] {
                let request_key = |from, to, id| flow_key(Zone::UPLINK, &query(from, to, *request, id));
                let there = request_key(ends.0, ends.1, id);
                assert_eq!(there, flow_key(Zone::UPLINK, &query(ends.1, ends.0, *reply, id)));
                assert_ne!(there, request_key(ends.1, ends.0, id), "type {request} id {id}");
                assert_ne!(there, request_key(ends.0, ends.1, id ^ 1), "type {request} id {id}");
            }
        }
    }
}

/// An echo request and a timestamp request with the same id are two conversations.
#[test]
fn queries_of_different_types_are_apart() {
    let keys = [8, 13, 15, 17].map(|kind| flow_key(Zone::UPLINK, &query(V4.0, V4.1, kind, 7)));
    for (index, key) in keys.iter().enumerate() {
        assert!(!keys[..index].contains(key));
    }
}

#[test]
fn icmp_of_the_other_family_is_no_icmp() {
    for (ends, protocol) in [(V4, ICMPV6), (V6, ICMP)] {
        let found = parsed(&ip(ends.0, ends.1, protocol, &icmp_message(false, 8, 0, [0, 1, 0, 1], b"")));
        assert_eq!((found.kind, found.source_port.0, found.detail), (Kind::Bare, 0, 0));
    }
}

fn quoted(packet: &[u8]) -> Option<Headers> {
    let headers = parsed(packet);
    assert_eq!(headers.kind, Kind::IcmpError);
    let mut inner = Headers::EMPTY;
    parse::quoted(&Bytes(packet), &headers, &mut inner).then_some(inner)
}

#[test]
fn errors_quote_the_packet_they_are_about() {
    let cases = [
        ("198.51.100.7", udp("192.0.2.1:5000", "198.51.100.7:53")),
        ("203.0.113.1", tcp("192.0.2.1:5000", "198.51.100.7:80", SYN)),
        ("203.0.113.1", ping(V4.0, V4.1, 7)),
        ("2001:db8:f::7", udp("[2001:db8::1]:5000", "[2001:db8:f::7]:53")),
        ("2001:db8:f::9", ping(V6.0, V6.1, 7)),
        (
            "203.0.113.1",
            Ip::options(4).build(ip_address(V4.0), ip_address(V4.1), TCP, &tcp_segment(1, 2, SYN)),
        ),
        (
            "2001:db8:f::9",
            Ip::behind(&[Extension::Raw(60, 3), Extension::Fragment(0, true, 5)]).build(
                ip_address(V6.0),
                ip_address(V6.1),
                TCP,
                &tcp_segment(1, 2, SYN),
            ),
        ),
    ];
    for (router, packet) in cases {
        let inner = quoted(&unreachable(router, &packet)).expect("quoted headers");
        let direct = parsed(&packet);
        assert_eq!(seen(&inner), seen(&direct));
        assert_eq!((inner.from(), inner.to()), (direct.from(), direct.to()));
    }
}

#[test]
fn errors_quote_all_or_little() {
    let packet = udp("192.0.2.1:5000", "198.51.100.7:53");
    for length in 0..=packet.len() {
        let found = quoted(&unreachable_to("203.0.113.1", V4.0, &packet[..length]));
        // The network header and the ports.
        assert_eq!(found.is_some(), length >= 24, "{length} bytes");
    }
    let packet = tcp("[2001:db8::1]:5000", "[2001:db8:f::7]:53", SYN);
    for length in 0..=packet.len() {
        let found = quoted(&unreachable_to("2001:db8:f::9", V6.0, &packet[..length]));
        assert_eq!(found.is_some(), length >= 44, "{length} bytes");
    }
}

/// Each family's errors quote packets of that family.
#[test]
fn errors_quote_their_own_family() {
    let v6 = udp("[2001:db8::1]:5000", "[2001:db8:f::7]:53");
    assert!(quoted(&unreachable_to("203.0.113.1", V4.0, &v6)).is_none());
    let v4 = udp("192.0.2.1:5000", "198.51.100.7:53");
    assert!(quoted(&unreachable_to("2001:db8:f::9", V6.0, &v4)).is_none());
}

#[test]
fn link_messages_need_no_more_than_their_type() {
    for (ends, kind, protocol) in [(V4, 9, ICMP), (V6, 133, ICMPV6)] {
        let found = parsed(&ip(ends.0, ends.1, protocol, &[kind, 0, 0, 0]));
        assert_eq!((found.kind, found.detail, found.fragment), (Kind::Link, kind, Part::Whole));
    }
    let long = icmp(V6.0, V6.1, 134, [64, 0, 0, 0], &[0; 64]);
    assert_eq!(parsed(&long).kind, Kind::Link);
    assert_eq!(seen(&parsed(&ip(V4.0, V4.1, UDP, &[0; 8]))).ports, (0, 0));
}
