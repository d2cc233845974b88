//! Translation of addresses.

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use crate::api::port_span::PortSpan;

/// Ports below are those of services (RFC 6335 §6), and what a masqueraded flow comes from must not look like one.
const LEAST: u16 = 1_024;

/// How addresses are translated.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Nat {
    /// Ports of the node's that masqueraded flows come from.
    pub ports: NatPorts,
    /// Whether sockets of the node's own network, and of containers that share it, reach published ports, too.
    pub from_node: bool,
}

/// Ports of the node's that masqueraded flows come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct NatPorts(pub PortSpan);

impl Default for NatPorts {
    fn default() -> Self {
        // Above those that Linux gives to sockets, unless it is told otherwise.
        Self(PortSpan { first: 61_000, last: u16::MAX })
    }
}

impl<'de> Deserialize<'de> for NatPorts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let ports = PortSpan::deserialize(deserializer)?;
        if ports.first < LEAST {
            return Err(D::Error::custom(format!(
                "{ports} begins below {LEAST}: those are ports of services"
            )));
        }
        Ok(Self(ports))
    }
}
