//! Published ports.

use std::{fmt, net::IpAddr, str::FromStr};

use berth_common::abi::units;
use serde::{Deserialize, Serialize};

use super::{
    name::Name,
    port_span::{PortSpan, PortSpanError},
    protocol::{Protocol, UnknownProtocol},
    reservation::Service,
};

/// Most ports that are published at once.
const MOST: u16 = 4_096;

/// Ports of one protocol that can be published: `tcp/80`, `udp/8000-8100`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Services {
    protocol: Protocol,
    /// The ports.
    pub ports: PortSpan,
}

impl Services {
    /// One by one.
    pub fn each(self) -> impl Iterator<Item = Service> {
        let Self { protocol, ports: PortSpan { first, last } } = self;
        (first..=last).map(move |port| Service { protocol, port })
    }

    /// Whether it is one of them.
    pub fn contains(self, service: Service) -> bool {
        self.protocol == service.protocol && self.ports.contains(service.port)
    }
}

impl FromStr for Services {
    type Err = ServicesError;

    fn from_str(text: &str) -> Result<Self, ServicesError> {
        let (protocol, ports) = text.split_once('/').ok_or_else(|| ServicesError::Form(text.to_owned()))?;
        let protocol: Protocol = protocol.parse()?;
        if !matches!(protocol.0, units::Protocol::TCP | units::Protocol::UDP) {
            return Err(ServicesError::Unpublishable(protocol.to_string()));
        }
        let ports: PortSpan = ports.parse()?;
        if ports.last - ports.first >= MOST {
            return Err(ServicesError::Many(text.to_owned()));
        }
        Ok(Self { protocol, ports })
    }
}

impl TryFrom<String> for Services {
    type Error = ServicesError;

    fn try_from(text: String) -> Result<Self, ServicesError> {
        text.parse()
    }
}

impl From<Services> for String {
    fn from(services: Services) -> Self {
        services.to_string()
    }
}

impl fmt::Display for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.protocol, self.ports)
    }
}

/// Why a text names no ports that can be published.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServicesError {
    /// Not PROTOCOL/PORT.
    #[error("{0:?} names no ports; write PROTOCOL/PORT, as in tcp/80 or udp/8000-8100")]
    Form(String),
    /// No protocol that is known by name.
    #[error(transparent)]
    Protocol(#[from] UnknownProtocol),
    /// One whose ports cannot be changed.
    #[error("ports of {0} cannot be published; those of tcp and udp can")]
    Unpublishable(String),
    /// No ports.
    #[error(transparent)]
    Ports(#[from] PortSpanError),
    /// More ports than anybody can mean.
    #[error("{0:?} are too many ports; publish at most {MOST} at once")]
    Many(String),
}

/// A published port in output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publication {
    /// Whose it is.
    pub container: Name,
    /// The protocol.
    pub protocol: String,
    /// The node's address; the wildcard of its family for all of them.
    pub address: IpAddr,
    /// The port there.
    pub port: u16,
    /// The container's address.
    pub to_address: IpAddr,
    /// The port there.
    pub to_port: u16,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_port_or_several() {
        for (text, count) in [("tcp/80", 1), ("udp/8000-8100", 101), ("tcp/1-4096", 4_096), ("udp/65535", 1)]
        {
            let services: Services = text.parse().unwrap();
            assert_eq!((services.to_string().as_str(), services.each().count()), (text, count));
        }
    }

    #[test]
    fn refuses_the_rest() {
        for (text, words) in [
            ("80", "write PROTOCOL/PORT"),
            ("sctp/80", "ports of sctp cannot be published; those of tcp and udp can"),
            ("icmp/8", "ports of icmp cannot"),
            ("quic/80", "unknown protocol"),
            ("tcp/0", "0 is no port"),
            ("tcp/9-8", "ends before it begins"),
            ("tcp/1-4097", "at most 4096"),
        ] {
            let error = text.parse::<Services>().unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
