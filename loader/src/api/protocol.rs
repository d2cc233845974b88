//! Protocols by name.

use std::{fmt, str::FromStr};

use berth_common::abi::units;

/// The protocols that berth knows by name.
const NAMES: [(units::Protocol, &str); 8] = [
    (units::Protocol::TCP, "tcp"),
    (units::Protocol::UDP, "udp"),
    (units::Protocol::UDPLITE, "udplite"),
    (units::Protocol::SCTP, "sctp"),
    (units::Protocol::ICMP, "icmp"),
    (units::Protocol::ICMPV6, "icmpv6"),
    (units::Protocol::GRE, "gre"),
    (units::Protocol::IGMP, "igmp"),
];

/// An IP protocol in output: its name, or its number where it has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protocol(pub units::Protocol);

impl Protocol {
    /// Whether it has ports, or something that plays their part, that can be reserved.
    pub fn has_ports(self) -> bool {
        NAMES.iter().any(|&(protocol, _)| protocol == self.0) && self.0 != units::Protocol::IGMP
    }
}

impl FromStr for Protocol {
    type Err = UnknownProtocol;

    fn from_str(text: &str) -> Result<Self, UnknownProtocol> {
        let lower = text.to_ascii_lowercase();
        NAMES
            .iter()
            .find(|(_, name)| *name == lower)
            .map(|&(protocol, _)| Self(protocol))
            .ok_or_else(|| UnknownProtocol(text.to_owned()))
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.iter().find(|(protocol, _)| *protocol == self.0) {
            Some((_, name)) => f.write_str(name),
            None => write!(f, "{}", self.0.0),
        }
    }
}

/// Not a protocol with ports.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown protocol {0:?}; use tcp, udp, udplite, sctp, icmp, icmpv6 or gre")]
pub struct UnknownProtocol(pub String);
