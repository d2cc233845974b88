//! Protocols above IP.

use std::fmt;

use super::Literal;
use crate::rules::{
    error::RuleError,
    family::Family,
    piece::{Piece, number},
    problem::Problem,
    suggest::nearest,
};

/// A protocol above IP, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Protocol(pub u8);

impl Protocol {
    /// Every protocol.
    pub const ALL: Self = Self(0);
    /// ICMP.
    pub const ICMP: Self = Self(1);
    /// TCP.
    pub const TCP: Self = Self(6);
    /// UDP.
    pub const UDP: Self = Self(17);
    /// DCCP.
    pub const DCCP: Self = Self(33);
    /// ICMP for IPv6.
    pub const ICMPV6: Self = Self(58);
    /// SCTP.
    pub const SCTP: Self = Self(132);
    /// UDP-Lite.
    pub const UDPLITE: Self = Self(136);
}

/// Names by number, as Debian's /etc/protocols has them; of several names of one number iptables-save writes the first.
pub(in crate::rules) const NAMES: &[(&str, u8)] = &[
    ("all", 0),
    ("ip", 0),
    ("icmp", 1),
    ("igmp", 2),
    ("ggp", 3),
    ("ipencap", 4),
    ("st", 5),
    ("tcp", 6),
    ("egp", 8),
    ("igp", 9),
    ("pup", 12),
    ("udp", 17),
    ("hmp", 20),
    ("xns-idp", 22),
    ("rdp", 27),
    ("iso-tp4", 29),
    ("dccp", 33),
    ("xtp", 36),
    ("ddp", 37),
    ("idpr-cmtp", 38),
    ("ipv6", 41),
    ("ipv6-route", 43),
    ("ipv6-frag", 44),
    ("idrp", 45),
    ("rsvp", 46),
    ("gre", 47),
    ("esp", 50),
    ("ipv6-crypt", 50),
    ("ah", 51),
    ("ipv6-auth", 51),
    ("skip", 57),
    ("ipv6-icmp", 58),
    ("icmpv6", 58),
    ("icmp6", 58),
    ("ipv6-nonxt", 59),
    ("ipv6-opts", 60),
    ("rspf", 73),
    ("vmtp", 81),
    ("eigrp", 88),
    ("ospf", 89),
    ("ospfigp", 89),
    ("ax.25", 93),
    ("ipip", 94),
    ("etherip", 97),
    ("encap", 98),
    ("pim", 103),
    ("ipcomp", 108),
    ("vrrp", 112),
    ("l2tp", 115),
    ("isis", 124),
    ("sctp", 132),
    ("fc", 133),
    ("mobility-header", 135),
    ("ipv6-mh", 135),
    ("mh", 135),
    ("udplite", 136),
    ("mpls-in-ip", 137),
    ("manet", 138),
    ("hip", 139),
    ("shim6", 140),
    ("wesp", 141),
    ("rohc", 142),
];

impl Literal for Protocol {
    fn read(piece: Piece<'_>, _: Family) -> Result<Self, RuleError> {
        let by_name =
            NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(piece.text)).map(|&(_, number)| number);
        number(piece.text).and_then(|number| u8::try_from(number).ok()).or(by_name).map(Self).ok_or_else(
            || {
                let names = NAMES.iter().map(|&(name, _)| name);
                piece.wrong(Problem::NotA { what: "protocol" }).or(nearest(piece.text, names))
            },
        )
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.iter().find(|(_, number)| *number == self.0) {
            Some((name, _)) => f.write_str(name),
            None => write!(f, "{}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Protocol> {
        Protocol::read(Piece { text, column: 1 }, Family::Ipv4).ok()
    }

    #[test]
    fn what_is_written_reads_back() {
        for protocol in (0..=255).map(Protocol) {
            assert_eq!(read(&protocol.to_string()), Some(protocol));
        }
    }

    #[test]
    fn names_have_no_case_and_many_forms() {
        for (text, expected) in [
            ("TCP", Some(6)),
            ("0x6", Some(6)),
            ("icmpv6", Some(58)),
            ("ipv6-icmp", Some(58)),
            ("all", Some(0)),
            ("256", None),
            ("", None),
            ("tpc", None),
        ] {
            assert_eq!(read(text), expected.map(Protocol), "{text}");
        }
    }
}
