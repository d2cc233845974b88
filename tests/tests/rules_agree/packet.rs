//! One packet.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use berth_tests::frame::ethernet_ip;
use berth_tests::link::Mac;

use crate::side;

/// Which way a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// To the container.
    In,
    /// From it.
    Out,
}

/// To whom the frame of an incoming packet is addressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cast {
    /// The container.
    Unicast,
    /// Everybody.
    Broadcast,
    /// A group.
    Multicast,
}

/// What stands behind the IP header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upper {
    /// A header that begins with ports and is like UDP's.
    Ports(u16, u16),
    /// TCP.
    Tcp(Segment),
    /// ICMP or `ICMPv6`: type, code, and what the next four bytes are.
    Icmp(u8, u8, u32),
    /// Zeros.
    Bare,
}

/// A TCP header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The ports.
    pub ports: (u16, u16),
    /// Sequence number and acknowledgement.
    pub numbers: (u32, u32),
    /// The flags.
    pub flags: u8,
    /// Kinds of options, of two bytes each.
    pub options: Vec<u8>,
}

/// One packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Which way it goes.
    pub way: Way,
    /// Where it comes from.
    pub source: IpAddr,
    /// Where it goes.
    pub destination: IpAddr,
    /// Type of service, or traffic class.
    pub tos: u8,
    /// Time to live, or hop limit.
    pub hops: u8,
    /// The protocol.
    pub protocol: u8,
    /// Its header.
    pub upper: Upper,
    /// What comes after that.
    pub payload: Vec<u8>,
    /// Who sends the frame, if it comes in.
    pub mac: Mac,
    /// To whom, likewise.
    pub cast: Cast,
    /// Bytes of the frame that are not the packet's, likewise.
    pub trailer: usize,
    /// Whether the checksum is right. Where it is not, the container's kernel does not answer, whatever the rules say;
    /// nor does netfilter tell anybody.
    pub is_right: bool,
}

const V4_HEADER: usize = 20;
const V6_HEADER: usize = 40;
/// Whatever it is, it must not be zero: the kernel would choose one.
const ID: u16 = 0x6265;
const DONT_FRAGMENT: u16 = 0x4000;

impl Packet {
    /// The frame that comes to the container.
    pub fn frame(&self) -> Vec<u8> {
        let to = match self.cast {
            Cast::Unicast => side::MAC,
            Cast::Broadcast => [0xff; 6],
            Cast::Multicast => [0x01, 0x00, 0x5e, 0, 0, 1],
        };
        let mut frame = ethernet_ip(self.mac, to, &self.bytes());
        frame.resize(frame.len() + self.trailer, 0xee);
        frame
    }

    /// The packet, from the IP header on.
    pub fn bytes(&self) -> Vec<u8> {
        let body = self.body();
        let mut bytes = match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => self.v4(source, destination, body.len()),
            (source, destination) => self.v6(as_v6(source), as_v6(destination), body.len()),
        };
        bytes.extend(body);
        bytes
    }

    /// How long the packet is without payload.
    pub fn header_length(&self) -> usize {
        let ip = if self.source.is_ipv4() { V4_HEADER } else { V6_HEADER };
        ip + self.transport().len()
    }

    fn v4(&self, source: Ipv4Addr, destination: Ipv4Addr, body: usize) -> Vec<u8> {
        let mut header = vec![0x45, self.tos];
        header.extend(u16::try_from(V4_HEADER + body).unwrap_or(u16::MAX).to_be_bytes());
        header.extend(ID.to_be_bytes());
        header.extend(DONT_FRAGMENT.to_be_bytes());
        header.extend([self.hops, self.protocol, 0, 0]);
        header.extend(source.octets());
        header.extend(destination.octets());
        let sum = checksum(&header).to_be_bytes();
        header[10..12].copy_from_slice(&sum);
        header
    }

    fn v6(&self, source: Ipv6Addr, destination: Ipv6Addr, body: usize) -> Vec<u8> {
        let mut header = vec![0x60 | self.tos >> 4, self.tos << 4, 0, 0];
        header.extend(u16::try_from(body).unwrap_or(u16::MAX).to_be_bytes());
        header.extend([self.protocol, self.hops]);
        header.extend(source.octets());
        header.extend(destination.octets());
        header
    }

    /// Header and payload.
    fn body(&self) -> Vec<u8> {
        let mut body = [self.transport(), self.payload.clone()].concat();
        let place = match self.upper {
            Upper::Ports(..) => 6,
            Upper::Tcp(_) => 16,
            Upper::Icmp(..) => 2,
            Upper::Bare => return body,
        };
        let right = checksum(&[self.pseudo_header(body.len()), body.clone()].concat());
        // Zero would be none.
        let wrong = if right == WRONG { !WRONG } else { right ^ WRONG };
        let sum = if self.is_right { right } else { wrong };
        body[place..place + 2].copy_from_slice(&sum.to_be_bytes());
        body
    }

    fn transport(&self) -> Vec<u8> {
        match &self.upper {
            Upper::Ports(source, destination) => {
                let length = u16::try_from(8 + self.payload.len()).unwrap_or(u16::MAX);
                [*source, *destination, length, 0].map(u16::to_be_bytes).concat()
            }
            Upper::Tcp(segment) => segment.bytes(),
            Upper::Icmp(kind, code, rest) => [&[*kind, *code, 0, 0][..], &rest.to_be_bytes()].concat(),
            Upper::Bare => vec![0; 8],
        }
    }

    fn pseudo_header(&self, length: usize) -> Vec<u8> {
        if self.source.is_ipv4() && matches!(self.upper, Upper::Icmp(..)) {
            return Vec::new();
        }
        let mut bytes = Vec::new();
        for address in [self.source, self.destination] {
            match address {
                IpAddr::V4(address) => bytes.extend(address.octets()),
                IpAddr::V6(address) => bytes.extend(address.octets()),
            }
        }
        bytes.extend([0, self.protocol]);
        bytes.extend(u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes());
        bytes
    }
}

/// What is changed of a right checksum.
const WRONG: u16 = 0x5555;

impl Segment {
    fn bytes(&self) -> Vec<u8> {
        let mut options: Vec<u8> = self.options.iter().flat_map(|kind| [*kind, 2]).collect();
        options.resize(options.len().next_multiple_of(4), 0);
        let words = u8::try_from(5 + options.len() / 4).unwrap_or(u8::MAX);
        let mut bytes = [self.ports.0.to_be_bytes(), self.ports.1.to_be_bytes()].concat();
        bytes.extend(self.numbers.0.to_be_bytes());
        bytes.extend(self.numbers.1.to_be_bytes());
        bytes.extend([words << 4, self.flags, 0xff, 0xff, 0, 0, 0, 0]);
        bytes.extend(options);
        bytes
    }
}

impl fmt::Display for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, destination, protocol, upper, .. } = self;
        write!(f, "{:?} {source} -> {destination} protocol {protocol} {upper:x?}: ", self.way)?;
        let bytes = if self.way == Way::In { self.frame() } else { self.bytes() };
        let rest = self.payload.len() + if self.way == Way::In { self.trailer } else { 0 };
        let headers = bytes.len().saturating_sub(rest);
        bytes.iter().take(headers).try_for_each(|byte| write!(f, "{byte:02x}"))?;
        write!(f, " and {rest} bytes")
    }
}

fn as_v6(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

/// RFC 1071.
fn checksum(bytes: &[u8]) -> u16 {
    let pairs = bytes.chunks(2).map(|pair| u64::from(pair[0]) << 8 | u64::from(*pair.get(1).unwrap_or(&0)));
    let mut sum: u64 = pairs.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or_default()
}
