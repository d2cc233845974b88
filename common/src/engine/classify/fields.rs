//! What is asked about a packet.

use crate::abi::{
    address::Address,
    rules::{
        chain::{BuiltIn, Family},
        dimension::{ABSENT, Dimension, PART_NUMBERS, fragment},
    },
    units::Protocol,
};

/// What one packet has in every dimension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
// So that it is filled by words, not by halves.
#[repr(align(8))]
pub struct Fields {
    /// As many as a reference can name, so that no number needs to be checked.
    parts: [u32; PART_NUMBERS],
}

impl Fields {
    /// Of a packet of which nothing is known: what may be absent is, all else is zero.
    #[allow(clippy::indexing_slicing, reason = "the compiler evaluates it")]
    pub const EMPTY: Self = {
        let mut parts = [0; PART_NUMBERS];
        let mut rest = Dimension::ALL;
        while let [first, others @ ..] = rest {
            if first.shape().optional {
                parts[first.first_part() as usize] = ABSENT;
            }
            rest = others;
        }
        Self { parts }
    };

    /// Sets the value of a dimension of one part.
    #[inline(always)]
    pub fn set(&mut self, dimension: Dimension, value: u32) {
        if let Some(part) = self.parts.get_mut(dimension.first_part() as usize) {
            *part = value;
        }
    }

    /// Sets an address of a packet of the family ([`Dimension::Source`] or [`Dimension::Destination`]). The address
    /// alone does not tell: an IPv6 packet may claim to come from an IPv4-mapped address.
    #[inline(always)]
    pub fn set_address(&mut self, dimension: Dimension, family: Family, address: &Address) {
        let [a, b, c, d] = address.0;
        let words = match family {
            Family::Ipv4 => [d, 0, 0, 0],
            Family::Ipv6 => [a, b, c, d],
        };
        let first = dimension.first_part() as usize;
        if let Some(parts) = self.parts.get_mut(first..first.wrapping_add(4)) {
            for (part, word) in parts.iter_mut().zip(words) {
                *part = u32::from_be(word);
            }
        }
    }

    /// The value of a part.
    #[inline(always)]
    pub fn part(&self, number: u32) -> Option<u32> {
        self.parts.get(number as usize).copied()
    }

    /// The value of a dimension of one part.
    #[inline(always)]
    pub fn get(&self, dimension: Dimension) -> u32 {
        self.part(dimension.first_part()).unwrap_or(ABSENT)
    }
}

/// A packet, and which rules are asked about it.
#[derive(Clone, Copy, Debug)]
pub struct Question {
    /// Its family.
    pub family: Family,
    /// The chain it meets.
    pub chain: BuiltIn,
    /// Its mark.
    pub mark: u32,
    /// Its length from the IP header on, in bytes, as rules count it.
    pub length: u32,
    /// What it has in every dimension.
    pub fields: Fields,
}

impl Question {
    /// Whether the packet is of a kind whose answer others of its flow may share.
    #[inline(always)]
    pub(super) fn shares_answers(&self) -> bool {
        let protocol = self.fields.get(Dimension::Protocol);
        self.fields.get(Dimension::Fragment) == fragment::WHOLE
            && protocol != Protocol::ICMP.0 as u32
            && protocol != Protocol::ICMPV6.0 as u32
    }
}
