//! TCP, UDP, UDP-Lite, SCTP and GRE.

use berth_common::{engine::headers::Kind, memory::Bytes};

use super::{BOTH, Expected, headers, parsed, seen};
use crate::support::{
    ACK, FIN, GRE, Ip, RST, SCTP, SYN, TCP, UDP, UDPLITE, gre_header, ip, ip_address, sctp, tcp_segment,
    udp_datagram,
};

const fn network_header(ends: (&str, &str)) -> u32 {
    // The IPv4 ends are written without a colon in the third place.
    if ends.0.len() == super::V4.0.len() { 20 } else { 40 }
}

#[test]
fn ports() {
    for ends in BOTH {
        for protocol in [UDP, UDPLITE, SCTP] {
            let packet = ip(ends.0, ends.1, protocol, &udp_datagram(0x1234, 0xfedc, b"data"));
            let expected = Expected { protocol, kind: Kind::Ports, ports: (0x1234, 0xfedc), detail: 0 };
            let transport = network_header(ends);
            assert_eq!(parsed(&packet), headers(ends, &expected, (transport, transport + 8)));
        }
    }
}

#[test]
fn tcp_flags_and_length() {
    for ends in BOTH {
        for flags in [0, SYN, SYN | ACK, ACK, FIN | ACK, RST, RST | ACK, SYN | FIN] {
            let packet = ip(ends.0, ends.1, TCP, &tcp_segment(5000, 80, flags));
            let expected = Expected { protocol: TCP, kind: Kind::Ports, ports: (5000, 80), detail: flags };
            let transport = network_header(ends);
            assert_eq!(parsed(&packet), headers(ends, &expected, (transport, transport + 20)));
        }
    }
    let mut packet = ip(super::V4.0, super::V4.1, TCP, &tcp_segment(5000, 80, ACK));
    for words in 5..=15 {
        packet[20 + 12] = words << 4;
        assert_eq!(parsed(&packet).payload, 20 + u16::from(words) * 4);
    }
}

/// An ICMP error of an old router quotes eight bytes of TCP.
#[test]
fn tcp_without_flags_is_still_known_by_its_ports() {
    let packet = ip(super::V4.0, super::V4.1, TCP, &tcp_segment(5000, 80, SYN)[..8]);
    assert_eq!(
        seen(&parsed(&packet)),
        Expected { protocol: TCP, kind: Kind::Ports, ports: (5000, 80), detail: 0 }
    );
}

#[test]
fn gre_with_and_without_key() {
    let bare = ((0, 0), Kind::Bare);
    let cases = [
        (false, None, bare),
        (true, None, bare),
        (false, Some(0x0001_beef), ((0xbeef, 0xbeef), Kind::Key)),
        (true, Some(0x0001_beef), ((0xbeef, 0xbeef), Kind::Key)),
        (true, Some(0), ((0, 0), Kind::Key)),
    ];
    for ends in BOTH {
        for (checksum, key, (ports, kind)) in cases {
            let found = parsed(&ip(ends.0, ends.1, GRE, &gre_header(checksum, key)));
            let expected = Expected { protocol: GRE, kind, ports, detail: 0 };
            assert_eq!(seen(&found), expected, "{checksum} {key:?}");
        }
        for (checksum, needed) in [(false, 8), (true, 12)] {
            let header = gre_header(checksum, Some(7));
            for length in 0..=header.len() {
                let packet = ip(ends.0, ends.1, GRE, &header[..length]);
                assert_eq!(Bytes(&packet).in_packet().is_some(), length >= needed, "{checksum} {length}");
            }
        }
    }
}

/// Of TCP the whole header must be in the first fragment, of SCTP all that INIT has.
#[test]
fn headers_that_go_on_in_another_fragment() {
    for (protocol, transport, needed) in
        [(TCP, tcp_segment(5000, 80, SYN), 20), (UDP, udp_datagram(5000, 80, &[0; 64]), 8)]
    {
        for (source, destination) in BOTH {
            for length in (8..transport.len()).step_by(4) {
                let first = Ip::fragment(0, true, 7).build(
                    ip_address(source),
                    ip_address(destination),
                    protocol,
                    &transport[..length],
                );
                let headers = Bytes(&first).in_packet().unwrap();
                assert_eq!(headers.is_cut_off(), length < needed, "{protocol} {length}");
                let whole = Ip::default();
                let whole =
                    whole.build(ip_address(source), ip_address(destination), protocol, &transport[..length]);
                assert!(!Bytes(&whole).in_packet().unwrap().is_cut_off());
            }
        }
    }
    let init = sctp("192.0.2.1:5000", "198.51.100.7:80", 0, &[(1, 0, &[0; 16])]);
    for length in (8..=32).step_by(8) {
        let first = Ip::fragment(0, true, 7).build(
            ip_address("192.0.2.1"),
            ip_address("198.51.100.7"),
            SCTP,
            &init[20..20 + length],
        );
        assert_eq!(Bytes(&first).in_packet().unwrap().is_cut_off(), length < 32, "{length}");
    }
}
