//! Addresses with masks.

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
};

use super::{Literal, text6::Text6};
use crate::rules::{
    error::RuleError,
    family::Family,
    piece::{Piece, number},
    problem::Problem,
};

/// Addresses that agree with one in the bits of a mask. The mask may have holes; the address has no bits outside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Network {
    /// IPv4.
    V4 {
        /// The bits that count.
        address: Ipv4Addr,
        /// Which bits count.
        mask: Ipv4Addr,
    },
    /// IPv6.
    V6 {
        /// The bits that count.
        address: Ipv6Addr,
        /// Which bits count.
        mask: Ipv6Addr,
    },
}

impl Network {
    /// The addresses that agree with `address` in the bits of `mask`.
    pub fn v4(address: Ipv4Addr, mask: Ipv4Addr) -> Self {
        Self::V4 { address: address & mask, mask }
    }

    /// The addresses that agree with `address` in the bits of `mask`.
    pub fn v6(address: Ipv6Addr, mask: Ipv6Addr) -> Self {
        Self::V6 { address: address & mask, mask }
    }

    /// The length of the prefix, unless the mask has holes.
    pub fn prefix(&self) -> Option<u32> {
        match self {
            Self::V4 { mask, .. } => whole(u128::from(mask.to_bits()) << 96),
            Self::V6 { mask, .. } => whole(mask.to_bits()),
        }
    }

    /// Whether every address is meant.
    pub fn is_any(&self) -> bool {
        self.prefix() == Some(0)
    }

    /// What `/` and the mask look like, and whether one address alone is meant.
    fn tail(&self) -> (String, bool) {
        match (self.prefix(), self) {
            (Some(prefix), Self::V4 { .. }) => (prefix.to_string(), prefix == 32),
            (Some(prefix), Self::V6 { .. }) => (prefix.to_string(), prefix == 128),
            (None, Self::V4 { mask, .. }) => (mask.to_string(), false),
            (None, Self::V6 { mask, .. }) => (Text6(*mask).to_string(), false),
        }
    }

    /// The form without a mask for single addresses, which the conntrack match writes.
    pub(in crate::rules) fn short(&self) -> String {
        let (tail, single) = self.tail();
        if single { self.address() } else { format!("{}/{tail}", self.address()) }
    }

    fn address(&self) -> String {
        match self {
            Self::V4 { address, .. } => address.to_string(),
            Self::V6 { address, .. } => Text6(*address).to_string(),
        }
    }
}

/// The number of leading ones, if only zeros follow.
const fn whole(mask: u128) -> Option<u32> {
    let ones = mask.leading_ones();
    if mask.count_ones() == ones { Some(ones) } else { None }
}

impl Literal for Network {
    fn read(piece: Piece<'_>, family: Family) -> Result<Self, RuleError> {
        let (address, mask) = match piece.split_once('/') {
            Some((address, mask)) => (address, Some(mask)),
            None => (piece, None),
        };
        match family {
            Family::Ipv4 => {
                let address = partial(address)?;
                let mask = mask.map_or(Ok(Ipv4Addr::BROADCAST), four_mask)?;
                Ok(Self::v4(address, mask))
            }
            Family::Ipv6 => {
                let address = six(address.text)
                    .ok_or_else(|| address.wrong(Problem::NotAnAddress { family: Family::Ipv6 }))?;
                let mask = mask.map_or(Ok(Ipv6Addr::from_bits(u128::MAX)), six_mask)?;
                Ok(Self::v6(address, mask))
            }
        }
    }
}

/// A prefix length or a mask.
fn four_mask(piece: Piece<'_>) -> Result<Ipv4Addr, RuleError> {
    match length(piece.text, 32) {
        Some(length) => Ok(Ipv4Addr::from_bits(u32::MAX.checked_shl(32 - length).unwrap_or(0))),
        None => piece.text.parse().map_err(|_| piece.wrong(Problem::NotAMask { max: 32 })),
    }
}

/// A prefix length or a mask.
fn six_mask(piece: Piece<'_>) -> Result<Ipv6Addr, RuleError> {
    match length(piece.text, 128) {
        Some(length) => Ok(Ipv6Addr::from_bits(u128::MAX.checked_shl(128 - length).unwrap_or(0))),
        None => six(piece.text).ok_or_else(|| piece.wrong(Problem::NotAMask { max: 128 })),
    }
}

fn length(text: &str, max: u32) -> Option<u32> {
    number(text).and_then(|length| u32::try_from(length).ok()).filter(|&length| length <= max)
}

fn six(text: &str) -> Option<Ipv6Addr> {
    text.parse().ok()
}

/// An IPv4 address of up to four parts, of which those that lack are zero: `10` is 10.0.0.0, as for iptables.
fn partial(piece: Piece<'_>) -> Result<Ipv4Addr, RuleError> {
    let wrong = || piece.wrong(Problem::NotAnAddress { family: Family::Ipv4 });
    let mut octets = [0; 4];
    let mut places = octets.iter_mut();
    for part in piece.text.split('.') {
        let octet = number(part).and_then(|number| u8::try_from(number).ok()).ok_or_else(wrong)?;
        *places.next().ok_or_else(wrong)? = octet;
    }
    Ok(octets.into())
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address(), self.tail().0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, family: Family) -> Option<String> {
        Network::read(Piece { text, column: 1 }, family).ok().map(|network| network.to_string())
    }

    #[test]
    fn ipv4_is_read_as_iptables_does() {
        for (text, expected) in [
            ("10.0.0.5", Some("10.0.0.5/32")),
            ("10.0.0.1/255.255.255.0", Some("10.0.0.0/24")),
            ("10.0.0.1/255.0.255.0", Some("10.0.0.0/255.0.255.0")),
            ("10/8", Some("10.0.0.0/8")),
            ("192.168/16", Some("192.168.0.0/16")),
            ("1.2.3", Some("1.2.3.0/32")),
            ("0/0", Some("0.0.0.0/0")),
            ("010.0.0.1", Some("8.0.0.1/32")),
            ("256.1.1.1", None),
            ("1.2.3.4.5", None),
            ("1.2.3.", None),
            ("1.2.3.4/33", None),
            ("1.2.3.4/255.255", None),
            ("1.2.3.4/", None),
            ("", None),
            ("localhost", None),
            ("::1", None),
        ] {
            assert_eq!(read(text, Family::Ipv4).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn ipv6_is_read_as_ip6tables_does() {
        for (text, expected) in [
            ("2001:db8::1", Some("2001:db8::1/128")),
            ("fe80::1/10", Some("fe80::/10")),
            ("2001:db8::1/ffff:ffff:ffff:ffff::", Some("2001:db8::/64")),
            ("2001:db8::1/ffff::ffff", Some("2001::1/ffff::ffff")),
            ("::/0", Some("::/0")),
            ("::1.2.3.4", Some("::1.2.3.4/128")),
            ("::1/129", None),
            ("1.2.3.4", None),
            ("fe80::1%eth0", None),
        ] {
            assert_eq!(read(text, Family::Ipv6).as_deref(), expected, "{text}");
        }
    }
}
