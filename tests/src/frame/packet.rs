//! IP packets.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Result, bail};
use etherparse::{
    IcmpEchoHeader, Icmpv4Type, Icmpv6Type, IpHeaders, IpNumber, Ipv4Extensions, Ipv4Header, Ipv6Extensions,
    Ipv6Header, Ipv6RawExtHeader, PacketBuilder,
};

pub use etherparse::TcpHeader;

const HOP_LIMIT: u8 = 64;
const WINDOW: u16 = 64_240;

/// An IP packet to be built; checksums and lengths are seen to.
#[derive(Clone, Debug)]
pub struct Packet {
    source: IpAddr,
    destination: IpAddr,
    hop_limit: u8,
    hop_by_hop: bool,
    transport: Transport,
    payload: Vec<u8>,
}

#[derive(Clone, Debug)]
enum Transport {
    Udp { source: u16, destination: u16 },
    Tcp(Box<TcpHeader>),
    EchoRequest(IcmpEchoHeader),
    EchoReply(IcmpEchoHeader),
    Other(u8),
}

impl Packet {
    /// A UDP datagram.
    pub fn udp(source: SocketAddr, destination: SocketAddr) -> Self {
        let transport = Transport::Udp { source: source.port(), destination: destination.port() };
        Self::new(source.ip(), destination.ip(), transport)
    }

    /// A TCP segment; `change` sets flags, numbers and options of a header that has none.
    pub fn tcp(source: SocketAddr, destination: SocketAddr, change: impl FnOnce(&mut TcpHeader)) -> Self {
        let mut header = TcpHeader::new(source.port(), destination.port(), 0, WINDOW);
        change(&mut header);
        Self::new(source.ip(), destination.ip(), Transport::Tcp(Box::new(header)))
    }

    /// An echo request.
    pub fn echo_request(source: IpAddr, destination: IpAddr, id: u16, sequence: u16) -> Self {
        Self::new(source, destination, Transport::EchoRequest(IcmpEchoHeader { id, seq: sequence }))
    }

    /// An echo reply.
    pub fn echo_reply(source: IpAddr, destination: IpAddr, id: u16, sequence: u16) -> Self {
        Self::new(source, destination, Transport::EchoReply(IcmpEchoHeader { id, seq: sequence }))
    }

    /// Any other protocol, by number; its header is part of the payload.
    pub fn other(source: IpAddr, destination: IpAddr, protocol: u8) -> Self {
        Self::new(source, destination, Transport::Other(protocol))
    }

    fn new(source: IpAddr, destination: IpAddr, transport: Transport) -> Self {
        Self { source, destination, hop_limit: HOP_LIMIT, hop_by_hop: false, transport, payload: Vec::new() }
    }

    /// What it carries.
    #[must_use]
    pub fn payload(self, payload: impl Into<Vec<u8>>) -> Self {
        Self { payload: payload.into(), ..self }
    }

    /// Time to live, or hop limit.
    #[must_use]
    pub fn hop_limit(self, hop_limit: u8) -> Self {
        Self { hop_limit, ..self }
    }

    /// Puts a hop-by-hop options header, all padding, into an IPv6 packet.
    #[must_use]
    pub fn hop_by_hop(self) -> Self {
        Self { hop_by_hop: true, ..self }
    }

    /// The packet, from the IP header on.
    pub fn build(&self) -> Result<Vec<u8>> {
        let builder = PacketBuilder::ip(self.headers(0)?);
        let payload = self.payload.as_slice();
        let mut bytes = Vec::new();
        match (&self.transport, self.source) {
            (&Transport::Udp { source, destination }, _) => {
                builder.udp(source, destination).write(&mut bytes, payload)?;
            }
            (Transport::Tcp(header), _) => {
                builder.tcp_header((**header).clone()).write(&mut bytes, payload)?;
            }
            (&Transport::EchoRequest(echo), IpAddr::V4(_)) => {
                builder.icmpv4(Icmpv4Type::EchoRequest(echo)).write(&mut bytes, payload)?;
            }
            (&Transport::EchoRequest(echo), IpAddr::V6(_)) => {
                builder.icmpv6(Icmpv6Type::EchoRequest(echo)).write(&mut bytes, payload)?;
            }
            (&Transport::EchoReply(echo), IpAddr::V4(_)) => {
                builder.icmpv4(Icmpv4Type::EchoReply(echo)).write(&mut bytes, payload)?;
            }
            (&Transport::EchoReply(echo), IpAddr::V6(_)) => {
                builder.icmpv6(Icmpv6Type::EchoReply(echo)).write(&mut bytes, payload)?;
            }
            (&Transport::Other(protocol), _) => builder.write(&mut bytes, IpNumber(protocol), payload)?,
        }
        Ok(bytes)
    }

    /// The headers before the transport's, for as much payload.
    pub(super) fn headers(&self, payload_length: usize) -> Result<IpHeaders> {
        let length = u16::try_from(payload_length)?;
        match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let protocol = IpNumber(self.protocol());
                let header =
                    Ipv4Header::new(length, self.hop_limit, protocol, source.octets(), destination.octets())?;
                Ok(IpHeaders::Ipv4(header, Ipv4Extensions::default()))
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let header = Ipv6Header {
                    payload_length: length,
                    next_header: IpNumber(self.protocol()),
                    hop_limit: self.hop_limit,
                    source: source.octets(),
                    destination: destination.octets(),
                    ..Ipv6Header::default()
                };
                Ok(IpHeaders::Ipv6(header, self.extensions()?))
            }
            _ => bail!("{} and {} are of two families", self.source, self.destination),
        }
    }

    fn extensions(&self) -> Result<Ipv6Extensions> {
        // One PadN option of six bytes.
        let padding = || Ipv6RawExtHeader::new_raw(IpNumber(self.protocol()), &[1, 4, 0, 0, 0, 0]);
        let hop_by_hop_options = self.hop_by_hop.then(padding).transpose()?;
        Ok(Ipv6Extensions { hop_by_hop_options, ..Ipv6Extensions::default() })
    }

    pub(super) fn protocol(&self) -> u8 {
        match (&self.transport, self.source) {
            (Transport::Udp { .. }, _) => IpNumber::UDP.0,
            (Transport::Tcp(_), _) => IpNumber::TCP.0,
            (Transport::EchoRequest(_) | Transport::EchoReply(_), IpAddr::V4(_)) => IpNumber::ICMP.0,
            (Transport::EchoRequest(_) | Transport::EchoReply(_), IpAddr::V6(_)) => IpNumber::IPV6_ICMP.0,
            (&Transport::Other(protocol), _) => protocol,
        }
    }
}

#[cfg(test)]
mod tests {
    use etherparse::{SlicedPacket, TransportSlice};

    use super::*;
    use crate::topology::{NODE_V4, REMOTE_V4, at};

    #[test]
    fn tcp_flags_are_the_callers() -> Result<()> {
        let packet = Packet::tcp(at(NODE_V4, 1), at(REMOTE_V4, 2), |header| {
            header.rst = true;
            header.sequence_number = 77;
        });
        let bytes = packet.build()?;
        let parsed = SlicedPacket::from_ip(&bytes)?;
        let Some(TransportSlice::Tcp(tcp)) = parsed.transport else { bail!("no TCP in {parsed:?}") };
        assert!(tcp.rst() && !tcp.syn() && tcp.sequence_number() == 77);
        Ok(())
    }
}
