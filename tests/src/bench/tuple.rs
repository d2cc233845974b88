//! What tells packets apart.

use std::net::{Ipv4Addr, SocketAddrV4};

use anyhow::{Context as _, Result};

use crate::frame::{Packet, ethernet_ip};
use crate::topology::{NODE_MAC, REMOTE_MAC};

/// The ends of an IPv4 packet, and its protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuple {
    /// Where it comes from.
    pub source: SocketAddrV4,
    /// Where it goes.
    pub destination: SocketAddrV4,
    /// By its number.
    pub protocol: u8,
}

impl Tuple {
    /// Bytes of one, a power of two; and where in them things are, in network byte order.
    pub const LENGTH: usize = 16;
    /// Both addresses.
    pub const ADDRESSES: i16 = 0;
    /// Both ports.
    pub const PORTS: i16 = 8;
    /// The protocol, then zeros.
    pub const PROTOCOL: i16 = 12;

    /// As bytes.
    pub fn bytes(&self) -> [u8; Self::LENGTH] {
        let mut bytes = [0; Self::LENGTH];
        let Self { source, destination, protocol } = self;
        bytes[..4].copy_from_slice(&source.ip().octets());
        bytes[4..8].copy_from_slice(&destination.ip().octets());
        bytes[8..10].copy_from_slice(&source.port().to_be_bytes());
        bytes[10..12].copy_from_slice(&destination.port().to_be_bytes());
        // A whole word is read there.
        bytes[12..].copy_from_slice(&u32::from(*protocol).to_ne_bytes());
        bytes
    }

    /// That of answers.
    pub fn reversed(&self) -> Self {
        Self { source: self.destination, destination: self.source, ..*self }
    }

    /// A frame of 60 bytes that a packet of any tuple can be made of: a UDP datagram, whose payload would go on with the
    /// header of a SYN.
    pub fn frame(&self) -> Result<Vec<u8>> {
        let mut payload = [0; 18];
        // Behind UDP's eight bytes: TCP's sequence number's last four, its header's length in words, its flags.
        (payload[4], payload[5]) = (5 << 4, 1 << 1);
        let any = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 1).into();
        let packet = Packet::udp(any, any).payload(payload).build().context("make a packet")?;
        let mut frame = ethernet_ip(REMOTE_MAC, NODE_MAC, &packet);
        let bytes = self.bytes();
        frame[23] = self.protocol;
        frame[26..38].copy_from_slice(&bytes[..12]);
        Ok(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_those_of_the_tuple() {
        let source = SocketAddrV4::new([192, 0, 2, 1].into(), 1000);
        let destination = SocketAddrV4::new([192, 0, 2, 2].into(), 53);
        let tuple = Tuple { source, destination, protocol: 17 };
        let packet = Packet::udp(source.into(), destination.into()).payload([0; 18]).build().unwrap();
        let frame = tuple.frame().unwrap();
        assert_eq!(frame.len(), 60);
        assert_eq!((frame[23], &frame[26..38]), (packet[9], &packet[12..24]));
        let syn = Tuple { protocol: 6, ..tuple }.frame().unwrap();
        let syn = etherparse::SlicedPacket::from_ethernet(&syn).unwrap();
        let Some(etherparse::TransportSlice::Tcp(tcp)) = syn.transport else { panic!("{syn:?}") };
        assert!(tcp.syn() && !tcp.ack() && tcp.data_offset() == 5 && tcp.destination_port() == 53);
    }
}
