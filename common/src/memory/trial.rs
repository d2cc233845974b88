//! What must hold of every packet's headers, for those who make packets up.

use super::Bytes;
use crate::{
    abi::{
        address::Address,
        units::{ContainerId, Port, Protocol},
    },
    engine::{
        Headers,
        classify::Question,
        headers::Part,
        parse,
        question::Circumstances,
        rules::{Case, Chain, Network},
    },
    wire::ether,
};

/// Bytes as a frame and as a packet: what the parser makes of them is what is in them, wherever they end.
///
/// # Panics
///
/// If that does not hold.
pub fn parse(input: &[u8]) {
    let bytes = Bytes(input);
    let (kind, offset) = ether::payload(&bytes);
    for found in [bytes.at(kind, offset), bytes.in_packet()].into_iter().flatten() {
        is_inside(input, &found);
        agrees(input, &found);
        let mut inner = Headers::EMPTY;
        if parse::quoted(&bytes, &found, &mut inner) {
            is_inside(input, &inner);
        }
        ask(&bytes, &found);
    }
    if let Some(whole) = bytes.in_packet() {
        for length in 0..input.len() {
            if let Some(cut) = input.get(..length).and_then(|cut| Bytes(cut).in_packet()) {
                assert_eq!(ends(&cut), ends(&whole), "cut off after {length} bytes");
            }
        }
    }
}

fn ends(headers: &Headers) -> (Address, Address, Port, Port, Protocol) {
    let Headers { source, destination, source_port, destination_port, protocol, .. } = *headers;
    (source, destination, source_port, destination_port, protocol)
}

fn is_inside(input: &[u8], headers: &Headers) {
    assert!((headers.network as usize) < input.len(), "{headers:?}");
    assert!(headers.network as u32 <= headers.transport, "{headers:?}");
}

/// What an IPv4 header says, read once more.
fn agrees(input: &[u8], headers: &Headers) {
    let Some(packet) = input.get(headers.network as usize..) else { return };
    let Some([first]) = at(packet, 0).filter(|[first]| first >> 4 == 4) else { return };
    let length = usize::from(first & 15) * 4;
    assert_eq!(at(packet, 9), Some([headers.protocol.0]));
    assert_eq!(at(packet, 12).map(u32::from_ne_bytes).map(Address::v4), Some(headers.source));
    assert_eq!(at(packet, 16).map(u32::from_ne_bytes).map(Address::v4), Some(headers.destination));
    let part = match at(packet, 6).map(u16::from_be_bytes).map(|fragment| fragment & 0x3fff) {
        Some(0) => Part::Whole,
        Some(0x2000) => Part::First,
        _ => Part::Later,
    };
    assert_eq!(headers.fragment, part);
    assert_eq!(headers.transport as usize, usize::from(headers.network) + length);
    if part != Part::Later && [Protocol::TCP, Protocol::UDP].contains(&headers.protocol) {
        let ports = [headers.source_port.0, headers.destination_port.0];
        assert_eq!([0, 2].map(|port| at(packet, length + port).map(u16::from_be_bytes)), ports.map(Some));
    }
}

/// Some bytes of a packet, if it has them.
fn at<const N: usize>(packet: &[u8], place: usize) -> Option<[u8; N]> {
    packet.get(place..)?.first_chunk().copied()
}

fn ask(bytes: &Bytes<'_>, headers: &Headers) {
    let case = Case {
        container: ContainerId(1),
        chain: Chain::Input,
        state: 0,
        direction: 0,
        status: 0,
        asks_types: true,
        network: Network::Uplink,
        is_inside: false,
        ends: false,
    };
    let mut question = Question::EMPTY;
    question.fill(bytes, headers, &case, &Circumstances::default());
}
