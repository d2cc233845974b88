//! What senders of rejected packets are told, byte by byte, read by another library.

use std::net::IpAddr;

use berth_common::{
    abi::rules::reject::{Answer, Rejection},
    engine::notice::{self, Head, MAX_QUOTED, Notice},
    memory::Bytes,
    wire::checksum,
};
use etherparse::{IpHeaders, Ipv4Header, TcpHeader, TransportSlice};

use crate::support::*;

/// The notice about a packet, as it goes out.
fn notice(packet: &[u8], rejection: Rejection) -> Option<Vec<u8>> {
    let headers = Node::headers(packet);
    let length = notice::length(&Bytes(packet), &headers, u32::try_from(packet.len()).unwrap());
    let notice = Notice::of(&headers, length, rejection)?;
    let quoted = &packet[..notice.quoted as usize];
    let words = quoted.chunks(4).map(|bytes| {
        let mut word = [0; 4];
        word[..bytes.len()].copy_from_slice(bytes);
        u32::from_ne_bytes(word)
    });
    let sum = checksum::words(&words.collect::<Vec<_>>());
    let mut head = Head::EMPTY;
    notice.write(&Bytes(packet), &headers, sum, &mut head)?;
    let bytes = |words: &[u32]| words.iter().flat_map(|word| word.to_ne_bytes()).collect::<Vec<u8>>();
    let ip = if headers.source.is_v4() { &head.ip[..5] } else { &head.ip[..] };
    let upper = &head.upper[..notice.upper_len() as usize / 4];
    Some([bytes(ip), bytes(upper), quoted.to_vec()].concat())
}

/// Addresses and payload of a notice whose IP header is right.
fn opened(notice: &[u8]) -> (IpAddr, IpAddr, Vec<u8>) {
    let (header, payload) = IpHeaders::from_slice(notice).unwrap();
    let payload = payload.payload.to_vec();
    match header {
        IpHeaders::Ipv4(header, _) => {
            assert_eq!(header.header_checksum, header.calc_header_checksum());
            assert_eq!(usize::from(header.total_len), notice.len());
            assert_eq!((header.time_to_live, header.dont_fragment), (64, true));
            (header.source.into(), header.destination.into(), payload)
        }
        IpHeaders::Ipv6(header, _) => {
            assert_eq!(usize::from(header.payload_length) + 40, notice.len());
            assert_eq!(header.hop_limit, 64);
            (header.source.into(), header.destination.into(), payload)
        }
    }
}

fn checked_segment(notice: &[u8]) -> TcpHeader {
    let (source, destination, payload) = opened(notice);
    let (header, rest) = TcpHeader::from_slice(&payload).unwrap();
    let sum = match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let ip = Ipv4Header {
                source: source.octets(),
                destination: destination.octets(),
                ..Ipv4Header::from_slice(notice).unwrap().0
            };
            header.calc_checksum_ipv4(&ip, rest).unwrap()
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            header.calc_checksum_ipv6_raw(source.octets(), destination.octets(), rest).unwrap()
        }
        _ => panic!("two families"),
    };
    assert_eq!((header.checksum, rest.len()), (sum, 0));
    header
}

const ENDS: [(&str, &str); 2] =
    [("198.51.100.7:4000", "192.0.2.1:80"), ("[2001:db8:1::7]:4000", "[2001:db8::1]:80")];

#[test]
fn a_reset_acknowledges_what_does_not_acknowledge() {
    for (from, to) in ENDS {
        let header = checked_segment(&notice(&tcp(from, to, SYN), Rejection::TcpReset).unwrap());
        assert_eq!((header.source_port, header.destination_port), (80, 4000));
        // The segment's number is 1, and SYN occupies one more.
        assert_eq!((header.sequence_number, header.acknowledgment_number), (0, 2));
        assert_eq!((header.rst, header.ack, header.syn, header.window_size), (true, true, false, 0));
        // As does FIN, and each byte of data.
        let ((source, from), (destination, to)) = (end(from), end(to));
        let segment = [tcp_segment(from, to, SYN | FIN), b"seven b".to_vec()].concat();
        let packet = Ip::default().build(source, destination, TCP, &segment);
        let header = checked_segment(&notice(&packet, Rejection::TcpReset).unwrap());
        assert_eq!(header.acknowledgment_number, 1 + 2 + 7);
    }
}

#[test]
fn a_reset_takes_up_what_was_acknowledged() {
    for (from, to) in ENDS {
        let ((source, from), (destination, to)) = (end(from), end(to));
        let mut header = TcpHeader::new(from, to, 5, 1024);
        header.ack = true;
        header.acknowledgment_number = 77;
        let packet = Ip::default().build(source, destination, TCP, &header.to_bytes());
        let header = checked_segment(&notice(&packet, Rejection::TcpReset).unwrap());
        assert_eq!((header.sequence_number, header.acknowledgment_number), (77, 0));
        assert_eq!((header.rst, header.ack), (true, false));
    }
}

#[test]
fn errors_quote_as_much_as_everybody_accepts() {
    for rejection in Rejection::ALL {
        let (from, to) = match rejection.answer() {
            Answer::Reset => continue,
            Answer::Icmp(_) => ENDS[0],
            Answer::Icmp6(_) => ENDS[1],
        };
        let ((source, from), (destination, to)) = (end(from), end(to));
        for size in [0, 1, 2, 3, 4, 500, 519, 520, 521, 1_180, 1_184, 1_400] {
            let packet =
                Ip::default().build(source, destination, UDP, &udp_datagram(from, to, &vec![7; size]));
            let told = notice(&packet, *rejection).unwrap();
            let (sender, receiver, payload) = opened(&told);
            assert_eq!((sender, receiver), (destination, source));
            let sliced = etherparse::SlicedPacket::from_ip(&told).unwrap();
            let (kind, code, sum_is_right, most) = match sliced.transport {
                Some(TransportSlice::Icmpv4(icmp)) => {
                    assert_eq!(told[1], 0xc0, "the precedence of internetwork control");
                    let sum = icmp.header().icmp_type.calc_checksum(icmp.payload());
                    (icmp.type_u8(), icmp.code_u8(), sum == icmp.checksum(), 576 - 28)
                }
                Some(TransportSlice::Icmpv6(icmp)) => {
                    let (IpAddr::V6(source), IpAddr::V6(destination)) = (sender, receiver) else { panic!() };
                    let is_right = icmp.is_checksum_valid(source.octets(), destination.octets());
                    (icmp.type_u8(), icmp.code_u8(), is_right, 1_280 - 48)
                }
                other => panic!("{other:?}"),
            };
            let expected = match rejection.answer() {
                Answer::Icmp(code) => (3, code),
                Answer::Icmp6(code) => (1, code),
                Answer::Reset => unreachable!(),
            };
            assert_eq!((kind, code), expected);
            assert!(sum_is_right, "{rejection:?} of {size} bytes");
            assert_eq!(payload[8..], packet[..packet.len().min(most)], "{rejection:?} of {size} bytes");
        }
    }
    assert_eq!(MAX_QUOTED, 1_280 - 48);
}

#[test]
fn padding_of_the_frame_is_not_quoted() {
    let packet = udp(ENDS[0].0, ENDS[0].1);
    let padded = [packet.clone(), vec![0; 30]].concat();
    assert_eq!(notice(&padded, Rejection::Port), notice(&packet, Rejection::Port));
}

#[test]
fn options_and_extension_headers_are_behind_it() {
    let ((source, from), (destination, to)) = (end(ENDS[0].0), end(ENDS[0].1));
    let packet = Ip::options(10).build(source, destination, TCP, &tcp_segment(from, to, SYN));
    assert_eq!(checked_segment(&notice(&packet, Rejection::TcpReset).unwrap()).acknowledgment_number, 2);
    let ((source, from), (destination, to)) = (end(ENDS[1].0), end(ENDS[1].1));
    let extensions = [Extension::Raw(0, 1), Extension::Raw(60, 3)];
    let packet = Ip::behind(&extensions).build(source, destination, TCP, &tcp_segment(from, to, SYN));
    assert_eq!(checked_segment(&notice(&packet, Rejection::TcpReset).unwrap()).acknowledgment_number, 2);
}

#[test]
fn some_are_told_nothing() {
    let silent = |packet: &[u8], rejection| assert_eq!(notice(packet, rejection), None, "{packet:?}");
    let (v4, v6) = (ENDS[0], ENDS[1]);
    silent(&tcp(v4.0, v4.1, RST), Rejection::TcpReset);
    silent(&tcp(v6.0, v6.1, RST | ACK), Rejection::TcpReset);
    silent(&udp(v4.0, v4.1), Rejection::TcpReset);
    // Groups, and nobody.
    silent(&udp("198.51.100.7:1", "224.0.0.1:2"), Rejection::Port);
    silent(&udp("198.51.100.7:1", "255.255.255.255:2"), Rejection::Port);
    silent(&udp("0.0.0.0:68", "192.0.2.1:67"), Rejection::Port);
    silent(&udp("224.0.0.1:1", "192.0.2.1:2"), Rejection::Port);
    silent(&udp("[2001:db8:1::7]:1", "[ff02::1]:2"), Rejection::Port6);
    silent(&udp("[::]:1", "[2001:db8::1]:2"), Rejection::Port6);
    // Errors about errors.
    silent(&unreachable("198.51.100.7", &udp(v4.1, v4.0)), Rejection::Host);
    silent(&unreachable("2001:db8:1::7", &udp(v6.1, v6.0)), Rejection::Address6);
    for kind in [1, 9, 10, 42] {
        silent(&icmp("198.51.100.7", "192.0.2.1", kind, [0; 4], b""), Rejection::Host);
    }
    // But queries have an answer.
    assert!(notice(&ping("198.51.100.7", "192.0.2.1", 1), Rejection::Host).is_some());
    assert!(notice(&ping("2001:db8:1::7", "2001:db8::1", 1), Rejection::Address6).is_some());
    // Of fragments, the first has.
    let fragment = |offset, more| {
        let datagram = udp_datagram(1, 2, &[0; 56]);
        Ip::fragment(offset, more, 9).build(
            ip_address("198.51.100.7"),
            ip_address("192.0.2.1"),
            UDP,
            &datagram,
        )
    };
    assert!(notice(&fragment(0, true), Rejection::Port).is_some());
    silent(&fragment(8, false), Rejection::Port);
    // The other family's.
    silent(&udp(v4.0, v4.1), Rejection::Port6);
    silent(&udp(v6.0, v6.1), Rejection::Port);
}
