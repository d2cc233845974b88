//! Ranges of addresses.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use super::{Literal, text6::Text6};
use crate::rules::{error::RuleError, family::Family, piece::Piece, problem::Problem};

/// The addresses from one to another, both included; the first is not above the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AddressRange {
    /// IPv4.
    V4 {
        /// The lowest.
        first: Ipv4Addr,
        /// The highest.
        last: Ipv4Addr,
    },
    /// IPv6.
    V6 {
        /// The lowest.
        first: Ipv6Addr,
        /// The highest.
        last: Ipv6Addr,
    },
}

impl AddressRange {
    /// The first of them.
    pub const fn first(&self) -> IpAddr {
        match self {
            Self::V4 { first, .. } => IpAddr::V4(*first),
            Self::V6 { first, .. } => IpAddr::V6(*first),
        }
    }

    /// The last of them.
    pub const fn last(&self) -> IpAddr {
        match self {
            Self::V4 { last, .. } => IpAddr::V4(*last),
            Self::V6 { last, .. } => IpAddr::V6(*last),
        }
    }

    /// How many there are, or as many as can be said.
    pub const fn count(&self) -> u128 {
        match self {
            Self::V4 { first, last } => (last.to_bits() - first.to_bits()) as u128 + 1,
            Self::V6 { first, last } => (last.to_bits() - first.to_bits()).saturating_add(1),
        }
    }

    /// Whether an address is among them.
    pub fn contains(&self, address: IpAddr) -> bool {
        (self.first()..=self.last()).contains(&address)
    }

    /// The form that NAT targets write: one address alone if it is one.
    pub(crate) fn short(&self) -> String {
        let (first, last) = self.ends();
        if first == last { first } else { format!("{first}-{last}") }
    }

    fn ends(&self) -> (String, String) {
        match self {
            Self::V4 { first, last } => (first.to_string(), last.to_string()),
            Self::V6 { first, last } => (Text6(*first).to_string(), Text6(*last).to_string()),
        }
    }
}

impl Literal for AddressRange {
    fn read(piece: Piece<'_>, family: Family) -> Result<Self, RuleError> {
        let (first, last) = piece.split_once('-').unwrap_or((piece, piece));
        let range = match (address(first, family)?, address(last, family)?) {
            (IpAddr::V4(first), IpAddr::V4(last)) if first <= last => Self::V4 { first, last },
            (IpAddr::V6(first), IpAddr::V6(last)) if first <= last => Self::V6 { first, last },
            _ => return Err(piece.wrong(Problem::Backwards)),
        };
        Ok(range)
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = self.ends();
        write!(f, "{first}-{last}")
    }
}

/// One address of `family`.
pub(in crate::rules) fn address(piece: Piece<'_>, family: Family) -> Result<IpAddr, RuleError> {
    let address: Option<IpAddr> = match family {
        Family::Ipv4 => piece.text.parse().ok().map(IpAddr::V4),
        Family::Ipv6 => piece.text.parse().ok().map(IpAddr::V6),
    };
    address.ok_or_else(|| piece.wrong(Problem::NotAnAddress { family }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes() {
        for (text, family, long, short) in [
            ("10.0.0.1-10.0.0.9", Family::Ipv4, "10.0.0.1-10.0.0.9", "10.0.0.1-10.0.0.9"),
            ("1.1.1.1", Family::Ipv4, "1.1.1.1-1.1.1.1", "1.1.1.1"),
            ("fe80::1-fe80::ff", Family::Ipv6, "fe80::1-fe80::ff", "fe80::1-fe80::ff"),
        ] {
            let range = AddressRange::read(Piece { text, column: 1 }, family).unwrap();
            assert_eq!((range.to_string().as_str(), range.short().as_str()), (long, short));
        }
    }

    #[test]
    fn refuses_what_is_no_range() {
        for (text, column) in
            [("10.0.0.9-10.0.0.1", 1), ("10.0.0.1-", 10), ("10.0.0.0/8", 1), ("1.1.1.1-::1", 9)]
        {
            let error = AddressRange::read(Piece { text, column: 1 }, Family::Ipv4).unwrap_err();
            assert_eq!(error.column, column, "{error}");
        }
    }
}
