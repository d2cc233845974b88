//! Ethernet, VLAN tags, and packets that begin with their IP header.

use berth_common::{
    engine::parse,
    memory::Bytes,
    wire::{
        arp::Arp,
        ether::{self, EtherType},
    },
};

use super::parsed;
use crate::support::{SYN, arp as arp_packet, frame, tcp};

const IPV4: u16 = 0x0800;
const CTAG: u16 = 0x8100;
const STAG: u16 = 0x88a8;

#[test]
fn payload_lies_behind_at_most_two_tags() {
    let cases: &[(&[u16], u16, (u16, u32))] = &[
        (&[], IPV4, (IPV4, 14)),
        (&[], 0x86dd, (0x86dd, 14)),
        (&[], 0x0806, (0x0806, 14)),
        (&[], 0x88cc, (0x88cc, 14)),
        (&[CTAG], IPV4, (IPV4, 18)),
        (&[STAG], 0x86dd, (0x86dd, 18)),
        (&[STAG, CTAG], IPV4, (IPV4, 22)),
        (&[CTAG, CTAG], 0x0806, (0x0806, 22)),
        // The third tag is what the frame carries; nobody looks behind it.
        (&[STAG, CTAG, CTAG], IPV4, (CTAG, 22)),
        // An old name for a service tag, which the kernel does not know either.
        (&[0x9100], IPV4, (0x9100, 14)),
        // An 802.2 frame: a length instead of a type.
        (&[], 0x0026, (0x0026, 14)),
    ];
    for (tags, carried, (kind, offset)) in cases {
        let bytes = frame(tags, *carried, &[0x45; 40]);
        assert_eq!(ether::payload(&Bytes(&bytes)), (EtherType(*kind), *offset), "{tags:x?} {carried:x}");
    }
}

#[test]
fn frames_are_for_one_for_some_or_for_all() {
    let packet_type = |to: [u8; 6]| ether::packet_type(&Bytes(&[&to[..], &[0; 54]].concat()));
    assert_eq!([packet_type([2, 0, 0, 0, 0, 1]), packet_type([0xfe; 6])], [0, 0]);
    assert_eq!(packet_type([0xff; 6]), 1);
    assert_eq!(packet_type([1, 0, 0x5e, 0, 0, 1]), 2);
    assert_eq!(packet_type([0xff, 0xff, 0xff, 0xff, 0xff, 0xfd]), 2);
    assert_eq!(ether::packet_type(&Bytes(&[0xff; 6])), 0);
}

#[test]
fn headers_are_the_same_behind_any_tags() {
    let packet = tcp("192.0.2.1:5000", "198.51.100.7:80", SYN);
    let plain = parsed(&packet);
    for tags in [&[][..], &[CTAG], &[STAG, CTAG]] {
        let bytes = frame(tags, IPV4, &packet);
        let found = Bytes(&bytes).in_frame().expect("headers");
        let shift = 14 + 4 * u16::try_from(tags.len()).expect("few");
        assert_eq!((found.from(), found.to()), (plain.from(), plain.to()));
        assert_eq!(found.transport, plain.transport + u32::from(shift));
        assert_eq!((found.network, found.payload), (shift, plain.payload + shift));
    }
    assert_eq!(Bytes(&frame(&[STAG, CTAG, CTAG], IPV4, &packet)).in_frame(), None);
}

#[test]
fn frames_that_are_cut_off_carry_nothing() {
    let bytes = frame(&[STAG, CTAG], IPV4, &[0x45; 20]);
    for length in 0..24 {
        let (kind, _) = ether::payload(&Bytes(&bytes[..length]));
        assert_eq!(kind, EtherType::NONE, "{length} bytes");
    }
    assert_eq!(ether::payload(&Bytes(&bytes[..24])).0, EtherType::IPV4);
}

#[test]
fn first_nibble_tells_the_version() {
    for first in 0..=u8::MAX {
        let expected = match first >> 4 {
            4 => EtherType::IPV4,
            6 => EtherType::IPV6,
            _ => EtherType::NONE,
        };
        assert_eq!(parse::version(&Bytes(&[first, 0, 0, 0])), expected);
    }
    assert_eq!(parse::version(&Bytes(&[0x45, 0, 0])), EtherType::NONE);
}

fn is_probe(packet: &Bytes<'_>, offset: u32) -> bool {
    Arp::read(packet, offset).is_some_and(|arp| arp.is_probe())
}

#[test]
fn arp_probes_are_requests_from_no_address() {
    let probe = arp_packet(1, "0.0.0.0", "192.0.2.1");
    assert!(is_probe(&Bytes(&probe), 0));
    for (what, packet) in [
        ("request", arp_packet(1, "192.0.2.1", "192.0.2.9")),
        ("announcement", arp_packet(1, "192.0.2.9", "192.0.2.9")),
        ("reply", arp_packet(2, "0.0.0.0", "192.0.2.1")),
    ] {
        assert!(!is_probe(&Bytes(&packet), 0), "{what}");
    }
    for length in 0..probe.len() {
        assert_eq!(is_probe(&Bytes(&probe[..length]), 0), length >= 28, "{length} bytes");
    }
    // Another hardware type, protocol type, or length is another protocol.
    for place in [0, 1, 2, 3, 4, 5, 6] {
        let mut other = probe.clone();
        other[place] ^= 0x10;
        assert!(!is_probe(&Bytes(&other), 0), "byte {place}");
    }
}
