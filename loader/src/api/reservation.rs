//! Port reservations by the operator.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use berth_common::abi::{self, port::PortKey};
use serde::{Deserialize, Serialize};

use super::protocol::{Protocol, UnknownProtocol};

/// A protocol and a port, or what plays its part: `tcp/8080`, `icmp/1234` (echo id), `gre/7` (low half of the key).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Service {
    /// The protocol.
    pub protocol: Protocol,
    /// The port, echo id or key.
    pub port: u16,
}

impl Service {
    /// What reserving it at `address` takes: one key, or one for each family where no address is given.
    pub fn keys(self, address: Option<IpAddr>) -> Vec<PortKey> {
        let addresses = match address {
            Some(address) => vec![address],
            None => match self.protocol.0 {
                abi::units::Protocol::ICMP => vec![IpAddr::V4(Ipv4Addr::UNSPECIFIED)],
                abi::units::Protocol::ICMPV6 => vec![IpAddr::V6(Ipv6Addr::UNSPECIFIED)],
                _ => vec![IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)],
            },
        };
        addresses
            .into_iter()
            .map(|address| PortKey::new(self.protocol.0, address.into(), abi::units::Port(self.port)))
            .collect()
    }

    /// Whether its port can be bound, hence lies among those that the kernel hands out.
    pub fn is_bindable(self) -> bool {
        use abi::units::Protocol as P;
        matches!(self.protocol.0, P::TCP | P::UDP | P::UDPLITE | P::SCTP)
    }

    /// Whether `address` is of a family that the protocol has.
    pub fn suits(self, address: IpAddr) -> bool {
        match self.protocol.0 {
            abi::units::Protocol::ICMP => address.is_ipv4(),
            abi::units::Protocol::ICMPV6 => address.is_ipv6(),
            _ => true,
        }
    }
}

impl FromStr for Service {
    type Err = ServiceError;

    fn from_str(text: &str) -> Result<Self, ServiceError> {
        let (protocol, port) = text.split_once('/').ok_or_else(|| ServiceError::Form(text.to_owned()))?;
        let protocol: Protocol = protocol.parse()?;
        if !protocol.has_ports() {
            return Err(UnknownProtocol(protocol.to_string()).into());
        }
        let port = port.parse().map_err(|_| ServiceError::Form(text.to_owned()))?;
        let service = Self { protocol, port };
        if port == 0 && service.is_bindable() {
            return Err(ServiceError::Zero(text.to_owned()));
        }
        Ok(service)
    }
}

impl TryFrom<String> for Service {
    type Error = ServiceError;

    fn try_from(text: String) -> Result<Self, ServiceError> {
        text.parse()
    }
}

impl From<Service> for String {
    fn from(service: Service) -> Self {
        service.to_string()
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.protocol, self.port)
    }
}

/// Why a text names no port.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServiceError {
    /// Not PROTOCOL/NUMBER.
    #[error("{0:?} names no port; write PROTOCOL/NUMBER, as in tcp/8080")]
    Form(String),
    /// Port 0 asks the kernel for any port.
    #[error("{0:?} names no port; ports are 1 to 65535")]
    Zero(String),
    /// No protocol with ports.
    #[error(transparent)]
    Protocol(#[from] UnknownProtocol),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips() {
        for text in ["tcp/8080", "udp/53", "udplite/1", "sctp/65535", "icmp/0", "icmpv6/9", "gre/7"] {
            assert_eq!(text.parse::<Service>().unwrap().to_string(), text);
        }
        assert_eq!("TCP/80".parse::<Service>().unwrap().to_string(), "tcp/80");
    }

    #[test]
    fn refuses_the_rest() {
        for text in ["", "80", "tcp", "tcp/", "tcp/0", "tcp/65536", "igmp/1", "6/80", "tcp/80/1"] {
            assert!(text.parse::<Service>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn no_address_means_both_families_where_there_are_two() {
        let keys = |text: &str| text.parse::<Service>().unwrap().keys(None).len();
        assert_eq!((keys("tcp/80"), keys("gre/1"), keys("icmp/1"), keys("icmpv6/1")), (2, 2, 1, 1));
    }
}
