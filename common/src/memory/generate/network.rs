//! IP headers.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::vec::Vec;

use super::{Random, transport::Segment};

const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;

/// Which part of a packet to make.
#[derive(Clone, Copy)]
enum Part {
    Whole,
    First,
    Later,
}

/// An IP packet around `segment`. Now and then it has options or extension headers, or is one of several fragments.
pub(super) fn packet(source: IpAddr, destination: IpAddr, segment: &Segment, random: &mut Random) -> Vec<u8> {
    let part = match random.below(10) {
        0 => Part::First,
        1 => Part::Later,
        _ => Part::Whole,
    };
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => v4((source, destination), segment, part, random),
        (source, destination) => v6((as_v6(source), as_v6(destination)), segment, part, random),
    }
}

fn v4(
    (source, destination): (Ipv4Addr, Ipv4Addr),
    segment: &Segment,
    part: Part,
    random: &mut Random,
) -> Vec<u8> {
    let option_words = if random.once_in(4) { random.below(11) } else { 0 };
    let fragment: u16 = match part {
        Part::Whole => 0x4000,
        Part::First => 0x2000,
        Part::Later => random.pick(&[0x2000, 0]).unwrap_or(0) | (1 + random.below(64) as u16),
    };
    let length = (20 + option_words * 4 + segment.bytes.len()) as u16;
    let mut bytes = Vec::new();
    bytes.extend([0x45 + option_words as u8, 0]);
    bytes.extend(length.to_be_bytes());
    // Few ids, so that fragments find each other.
    bytes.extend((random.below(4) as u16).to_be_bytes());
    bytes.extend(fragment.to_be_bytes());
    bytes.extend([64, segment.protocol, 0, 0]);
    bytes.extend(source.octets());
    bytes.extend(destination.octets());
    bytes.extend(core::iter::repeat_n(1, option_words * 4));
    let sum = checksum(&bytes).to_be_bytes();
    if let Some(field) = bytes.get_mut(10..12) {
        field.copy_from_slice(&sum);
    }
    bytes.extend(&segment.bytes);
    bytes
}

fn v6(
    (source, destination): (Ipv6Addr, Ipv6Addr),
    segment: &Segment,
    part: Part,
    random: &mut Random,
) -> Vec<u8> {
    let extensions = extensions(segment.protocol, part, random);
    let length = (extensions.bytes.len() + segment.bytes.len()) as u16;
    let mut bytes = Vec::new();
    bytes.extend([0x60, 0, 0, 0]);
    bytes.extend(length.to_be_bytes());
    bytes.extend([extensions.protocol, 64]);
    bytes.extend(source.octets());
    bytes.extend(destination.octets());
    bytes.extend(extensions.bytes);
    bytes.extend(&segment.bytes);
    bytes
}

/// A chain of extension headers in front of `protocol`.
fn extensions(protocol: u8, part: Part, random: &mut Random) -> Segment {
    let count = match random.below(12) {
        0..=7 => 0,
        8..=10 => 1 + random.below(3),
        // Around the most that are looked through.
        _ => 7 + random.below(3),
    };
    // Hop-by-hop, routing, destination, mobility, authentication.
    let mut kinds: Vec<u8> =
        (0..count).filter_map(|_| random.pick(&[0, 43, 60, 135, AUTHENTICATION])).collect();
    if !matches!(part, Part::Whole) || random.once_in(16) {
        kinds.insert(random.below(kinds.len() + 1), FRAGMENT);
    }
    let mut next = kinds.iter().skip(1).copied().chain([protocol]);
    let mut bytes = Vec::new();
    for kind in &kinds {
        bytes.push(next.next().unwrap_or(protocol));
        extension(*kind, part, &mut bytes, random);
    }
    Segment { protocol: kinds.first().copied().unwrap_or(protocol), bytes }
}

/// The rest of an extension header, behind its first byte.
fn extension(kind: u8, part: Part, bytes: &mut Vec<u8>, random: &mut Random) {
    match kind {
        FRAGMENT => {
            let word: u16 = match part {
                Part::Whole => 0,
                Part::First => 1,
                Part::Later => (1 + random.below(64) as u16) << 3 | random.below(2) as u16,
            };
            bytes.push(0);
            bytes.extend(word.to_be_bytes());
            bytes.extend((random.below(4) as u32).to_be_bytes());
        }
        AUTHENTICATION => {
            let words = 3 + random.below(4);
            bytes.push((words - 2) as u8);
            random.fill(bytes, words * 4 - 2);
        }
        _ => {
            let eights = random.below(3);
            bytes.push(eights as u8);
            random.fill(bytes, eights * 8 + 6);
        }
    }
}

pub(super) fn as_v6(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}

/// The Internet checksum (RFC 1071) of a header whose own is zero.
fn checksum(header: &[u8]) -> u16 {
    let sum: u32 = header
        .chunks_exact(2)
        .filter_map(|pair| Some(u32::from(u16::from_be_bytes(pair.try_into().ok()?))))
        .sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    !((sum & 0xffff) + (sum >> 16)) as u16
}
