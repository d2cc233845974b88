//! Who speaks to whom.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::vec::Vec;

use super::{
    Random, network,
    transport::{self, Segment},
};

/// What packets are made of: few addresses and ports, so that packets meet flows, reservations and each other.
#[derive(Clone, Debug)]
pub struct Scene {
    /// The node's addresses.
    pub local: Vec<IpAddr>,
    /// Other hosts'.
    pub remote: Vec<IpAddr>,
    /// Ports, ids and keys.
    pub ports: Vec<u16>,
}

/// Which way a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the node.
    Out,
    /// To the node.
    In,
    /// From one address of the node to another.
    Local,
}

/// What a packet is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// UDP-Lite.
    UdpLite,
    /// SCTP.
    Sctp,
    /// ICMP query or answer.
    Query,
    /// ICMP error.
    Error,
    /// ICMP of the link.
    Link,
    /// GRE, with or without key.
    Gre,
    /// A protocol without ports.
    Bare,
    /// Group membership.
    Igmp,
    /// DHCP, of clients and servers.
    Dhcp,
    /// Duplicate address detection, or an ARP packet.
    Probe,
}

impl Shape {
    /// Every shape.
    pub const ALL: &'static [Self] = &[
        Self::Tcp,
        Self::Udp,
        Self::UdpLite,
        Self::Sctp,
        Self::Query,
        Self::Error,
        Self::Link,
        Self::Gre,
        Self::Bare,
        Self::Igmp,
        Self::Dhcp,
        Self::Probe,
    ];
}

/// A packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The whole Ethernet frame.
    pub frame: Vec<u8>,
    /// Where in it the network header begins.
    pub network: usize,
}

impl Sample {
    /// The packet without its Ethernet header.
    pub fn packet(&self) -> &[u8] {
        self.frame.get(self.network..).unwrap_or(&[])
    }
}

impl Default for Scene {
    fn default() -> Self {
        let v4 = |a, b| IpAddr::V4(Ipv4Addr::new(192, 0, a, b));
        let v6 = |a, b| IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, a, 0, 0, 0, 0, b));
        Self {
            local: Vec::from([v4(2, 1), v4(2, 2), v6(0, 1), v6(0, 2)]),
            remote: Vec::from([v4(3, 1), v4(3, 2), v6(1, 1), v6(1, 2)]),
            // Some equal numbers of ICMP types.
            ports: Vec::from([1, 8, 13, 53, 80, 128, 4000, 40_000]),
        }
    }
}

impl Scene {
    /// The hardware addresses that most frames have.
    pub const MACS: [[u8; 6]; 3] =
        [[2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2], [0x52, 0x54, 0, 0xab, 0xcd, 0xef]];

    /// A packet of any shape that goes any way.
    pub fn any(&self, random: &mut Random) -> Sample {
        let direction = random.pick(&[Direction::Out, Direction::In, Direction::Local]);
        let shape = random.pick(Shape::ALL);
        self.sample(shape.unwrap_or(Shape::Tcp), direction.unwrap_or(Direction::In), random)
    }

    /// A packet of this shape that goes this way.
    pub fn sample(&self, shape: Shape, direction: Direction, random: &mut Random) -> Sample {
        let mut frame = Vec::new();
        frame.extend(Self::mac(random));
        frame.extend(Self::mac(random));
        let tags = random.below(12).saturating_sub(8);
        for _ in 0..tags {
            frame.extend(random.pick(&[[0x81, 0x00, 0, 5], [0x88, 0xa8, 0, 7]]).unwrap_or_default());
        }
        if shape == Shape::Probe && random.once_in(2) {
            frame.extend([0x08, 0x06]);
            let network = frame.len();
            self.arp(&mut frame, random);
            return Sample { frame, network };
        }
        let packet = self.packet(shape, direction, random);
        let is_v6 = packet.first().is_some_and(|byte| byte >> 4 == 6);
        frame.extend(if is_v6 { [0x86, 0xdd] } else { [0x08, 0x00] });
        let network = frame.len();
        frame.extend(packet);
        Sample { frame, network }
    }

    /// An IP packet of this shape that goes this way.
    pub fn packet(&self, shape: Shape, direction: Direction, random: &mut Random) -> Vec<u8> {
        let (source, destination) = self.ends(direction, random);
        let v6 = source.is_ipv6();
        let ports = (self.port(random), self.port(random));
        let segment = match shape {
            Shape::Tcp => transport::tcp(ports, random),
            Shape::Udp => transport::udp(17, ports, random),
            Shape::UdpLite => transport::udp(136, ports, random),
            Shape::Sctp => transport::sctp(ports, random),
            Shape::Query => transport::query(v6, ports.0, random),
            Shape::Link if v6 && random.once_in(2) => {
                let target = one(&self.local, true, random);
                transport::neighbour(network::as_v6(target).octets(), Self::mac(random), random)
            }
            Shape::Link => transport::link(v6, random),
            Shape::Gre => transport::gre(ports.0, random),
            Shape::Bare => transport::bare(random),
            Shape::Igmp => transport::igmp(random),
            Shape::Error => {
                let quoted = self.quoted(source, destination, random);
                transport::error(v6, &quoted, random)
            }
            Shape::Dhcp => return dhcp(v6, source, random),
            Shape::Probe => return probe(source, random),
        };
        network::packet(source, destination, &segment, random)
    }

    /// The packet that an error from `source` to `destination` is about: one that went the other way, mostly.
    fn quoted(&self, source: IpAddr, destination: IpAddr, random: &mut Random) -> Vec<u8> {
        if random.once_in(8) {
            let shape = random.pick(Shape::ALL).unwrap_or(Shape::Udp);
            return self.packet(
                if shape == Shape::Error { Shape::Udp } else { shape },
                Direction::Out,
                random,
            );
        }
        let ports = (self.port(random), self.port(random));
        let segment: Segment = match random.below(5) {
            0 => transport::tcp(ports, random),
            1 | 2 => transport::udp(17, ports, random),
            3 => transport::query(source.is_ipv6(), ports.0, random),
            _ => transport::gre(ports.0, random),
        };
        network::packet(destination, source, &segment, random)
    }

    fn ends(&self, direction: Direction, random: &mut Random) -> (IpAddr, IpAddr) {
        let v6 = random.once_in(2);
        let local = one(&self.local, v6, random);
        let other = one(if direction == Direction::Local { &self.local } else { &self.remote }, v6, random);
        if direction == Direction::In { (other, local) } else { (local, other) }
    }

    /// Few hardware addresses, or now and then any, or everybody's.
    fn mac(random: &mut Random) -> [u8; 6] {
        let mut any = [0; 6];
        any.fill_with(|| random.bits() as u8);
        match random.below(12) {
            0 => any,
            1 => [0xff; 6],
            _ => random.pick(&Self::MACS).unwrap_or(any),
        }
    }

    fn port(&self, random: &mut Random) -> u16 {
        if random.once_in(16) { random.bits() as u16 } else { random.pick(&self.ports).unwrap_or(1) }
    }

    fn arp(&self, frame: &mut Vec<u8>, random: &mut Random) {
        let address = |which: IpAddr| match which {
            IpAddr::V4(v4) => v4.octets(),
            IpAddr::V6(_) => [0; 4],
        };
        let is_probe = random.once_in(2);
        frame.extend([0, 1, 8, 0, 6, 4, 0, 1 + random.below(2) as u8]);
        frame.extend(Self::mac(random));
        frame.extend(if is_probe { [0; 4] } else { address(one(&self.local, false, random)) });
        frame.extend([0; 6]);
        frame.extend(address(one(&self.local, false, random)));
    }
}

/// One of the addresses of a family; the unspecified one if there is none.
fn one(addresses: &[IpAddr], v6: bool, random: &mut Random) -> IpAddr {
    let family: Vec<IpAddr> = addresses.iter().copied().filter(|address| address.is_ipv6() == v6).collect();
    let none = if v6 { IpAddr::V6(Ipv6Addr::UNSPECIFIED) } else { IpAddr::V4(Ipv4Addr::UNSPECIFIED) };
    random.pick(&family).unwrap_or(none)
}

fn dhcp(v6: bool, local: IpAddr, random: &mut Random) -> Vec<u8> {
    let is_client = !random.once_in(4);
    let (client, server) = if v6 { (546, 547) } else { (68, 67) };
    let ports = if is_client { (client, server) } else { (server, client) };
    let segment = transport::udp(17, ports, random);
    let (source, destination) = match (v6, is_client) {
        (false, true) => (IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::BROADCAST)),
        (false, false) => (local, IpAddr::V4(Ipv4Addr::BROADCAST)),
        (true, _) => (local, IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2))),
    };
    network::packet(source, destination, &segment, random)
}

/// Duplicate address detection, or a membership report from no address.
fn probe(target: IpAddr, random: &mut Random) -> Vec<u8> {
    let octets = match target {
        IpAddr::V6(v6) => v6.octets(),
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
    };
    let [.., low] = octets;
    let group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00, u16::from(low));
    let segment = if random.once_in(2) {
        transport::neighbour_solicitation(octets)
    } else {
        transport::link(true, random)
    };
    network::packet(IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V6(group), &segment, random)
}
