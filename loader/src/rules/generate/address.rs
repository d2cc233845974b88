//! Random addresses: near to each other, so that rules overlap and packets can be aimed at their bounds.

use std::net::{Ipv4Addr, Ipv6Addr};

use berth_common::memory::generate::Random;

use super::numbers::word32;
use crate::rules::{
    family::Family,
    values::{network::Network, range::AddressRange},
};

/// A network, of any size.
pub(super) fn network(random: &mut Random, family: Family) -> Network {
    match family {
        Family::Ipv4 => {
            let mask = if random.once_in(30) { word32(random) } else { prefix4(random) };
            Network::v4(four(random), Ipv4Addr::from_bits(mask))
        }
        Family::Ipv6 => {
            let mask = if random.once_in(30) { wide(random) } else { prefix6(random) };
            Network::v6(six(random), Ipv6Addr::from_bits(mask))
        }
    }
}

/// A network whose mask has no holes.
pub(super) fn whole_network(random: &mut Random, family: Family) -> Network {
    match family {
        Family::Ipv4 => Network::v4(four(random), Ipv4Addr::from_bits(prefix4(random))),
        Family::Ipv6 => Network::v6(six(random), Ipv6Addr::from_bits(prefix6(random))),
    }
}

/// A range.
pub(super) fn range(random: &mut Random, family: Family) -> AddressRange {
    match family {
        Family::Ipv4 => {
            let (a, b) = (four(random), four(random));
            AddressRange::V4 { first: a.min(b), last: a.max(b) }
        }
        Family::Ipv6 => {
            let (a, b) = (six(random), six(random));
            AddressRange::V6 { first: a.min(b), last: a.max(b) }
        }
    }
}

/// A prefix length, mostly one that is used.
pub(super) fn length(random: &mut Random, family: Family) -> u8 {
    let usual: [u8; 6] = match family {
        Family::Ipv4 => [32, 32, 24, 24, 16, 8],
        Family::Ipv6 => [128, 128, 64, 64, 48, 32],
    };
    if random.once_in(4) {
        random.byte() % (family.bits() + 1)
    } else {
        random.pick(&usual).unwrap_or(family.bits())
    }
}

fn prefix4(random: &mut Random) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(length(random, Family::Ipv4))).unwrap_or(0)
}

fn prefix6(random: &mut Random) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(length(random, Family::Ipv6))).unwrap_or(0)
}

fn wide(random: &mut Random) -> u128 {
    u128::from(random.bits()) << 64 | u128::from(random.bits())
}

fn four(random: &mut Random) -> Ipv4Addr {
    match random.below(8) {
        0 => Ipv4Addr::from_bits(word32(random)),
        1 => Ipv4Addr::new(224, 0, 0, random.byte()),
        2 => Ipv4Addr::LOCALHOST,
        _ => Ipv4Addr::new(10, 0, random.byte() % 4, random.byte()),
    }
}

fn six(random: &mut Random) -> Ipv6Addr {
    match random.below(8) {
        0 => Ipv6Addr::from_bits(wide(random)),
        1 => Ipv6Addr::from_bits(0xff02 << 112 | u128::from(random.byte())),
        2 => Ipv6Addr::from_bits(wide(random) >> random.below(127)),
        _ => Ipv6Addr::from_bits(
            0x2001_0db8 << 96 | u128::from(random.byte() % 4) << 64 | u128::from(random.byte()),
        ),
    }
}
