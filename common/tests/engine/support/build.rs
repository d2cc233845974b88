//! Packets, from etherparse's headers. All begin with the IP header unless they say otherwise.

use std::net::{IpAddr, SocketAddr};

use etherparse::{
    EtherType, Ethernet2Header, Icmpv4Header, Icmpv4Type, Icmpv6Header, Icmpv6Type, IpAuthHeader,
    IpFragOffset, IpNumber, Ipv4Header, Ipv4Options, Ipv6Header, Ipv6RawExtHeader, SingleVlanHeader,
    TcpHeader, UdpHeader, VlanId,
};

pub const ICMP: u8 = 1;
pub const IGMP: u8 = 2;
pub const TCP: u8 = 6;
pub const UDP: u8 = 17;
pub const GRE: u8 = 47;
pub const ESP: u8 = 50;
pub const ICMPV6: u8 = 58;
pub const SCTP: u8 = 132;
pub const UDPLITE: u8 = 136;

pub const FIN: u8 = 0x01;
pub const SYN: u8 = 0x02;
pub const RST: u8 = 0x04;
pub const ACK: u8 = 0x10;

/// `192.0.2.1:53` or `[2001:db8::1]:53`.
pub fn end(text: &str) -> (IpAddr, u16) {
    let end: SocketAddr = text.parse().expect("address and port");
    (end.ip(), end.port())
}

pub fn ip_address(text: &str) -> IpAddr {
    text.parse().expect("address")
}

/// An IP packet, with what may stand between its fixed header and its payload.
#[derive(Clone, Debug, Default)]
pub struct Ip {
    /// IPv4 options, in words.
    pub option_words: usize,
    /// IPv6 extension headers, first to last.
    pub extensions: Vec<Extension>,
    /// Offset (in eights), more to come, identification.
    pub fragment: Option<(u16, bool, u32)>,
}

/// An IPv6 extension header.
#[derive(Clone, Copy, Debug)]
pub enum Extension {
    /// Hop-by-hop, routing, destination options, mobility, HIP or SHIM6, with its length beyond eight bytes in eights.
    Raw(u8, usize),
    /// Authentication, with so many words of ICV.
    Authentication(usize),
    /// Fragment: offset, more to come, identification.
    Fragment(u16, bool, u32),
}

impl Extension {
    const fn number(self) -> u8 {
        match self {
            Self::Raw(number, _) => number,
            Self::Authentication(_) => 51,
            Self::Fragment(..) => 44,
        }
    }

    fn bytes(self, next: u8) -> Vec<u8> {
        let next = IpNumber(next);
        match self {
            Self::Raw(_, eights) => {
                Ipv6RawExtHeader::new_raw(next, &vec![0; 6 + eights * 8]).expect("length").to_bytes().to_vec()
            }
            Self::Authentication(words) => {
                IpAuthHeader::new(next, 1, 2, &vec![7; words * 4]).expect("length").to_bytes().to_vec()
            }
            Self::Fragment(offset, more, id) => {
                let word = offset << 3 | u16::from(more);
                [&[next.0, 0], word.to_be_bytes().as_slice(), &id.to_be_bytes()].concat()
            }
        }
    }
}

fn fragment_offset(offset: u16) -> IpFragOffset {
    IpFragOffset::try_new(offset).expect("13 bits")
}

impl Ip {
    pub fn options(words: usize) -> Self {
        Self { option_words: words, ..Self::default() }
    }

    pub fn behind(extensions: &[Extension]) -> Self {
        Self { extensions: extensions.to_vec(), ..Self::default() }
    }

    /// A fragment: offset in eights, whether more come, identification.
    pub fn fragment(offset: u16, more: bool, id: u32) -> Self {
        Self { fragment: Some((offset, more, id)), ..Self::default() }
    }

    pub fn build(&self, source: IpAddr, destination: IpAddr, protocol: u8, payload: &[u8]) -> Vec<u8> {
        match (source, destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let mut header = Ipv4Header {
                    time_to_live: 64,
                    protocol: IpNumber(protocol),
                    source: source.octets(),
                    destination: destination.octets(),
                    options: Ipv4Options::try_from(vec![1; self.option_words * 4].as_slice())
                        .expect("at most ten words"),
                    ..Ipv4Header::default()
                };
                if let Some((offset, more, id)) = self.fragment {
                    header.identification = u16::try_from(id).expect("16 bits");
                    header.fragment_offset = fragment_offset(offset);
                    header.more_fragments = more;
                    header.dont_fragment = false;
                }
                header.set_payload_len(payload.len()).expect("length");
                header.header_checksum = header.calc_header_checksum();
                [header.to_bytes().as_slice(), payload].concat()
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let mut extensions = self.extensions.clone();
                extensions
                    .extend(self.fragment.map(|(offset, more, id)| Extension::Fragment(offset, more, id)));
                let mut next = protocol;
                let mut rest = payload.to_vec();
                for extension in extensions.iter().rev() {
                    rest = [extension.bytes(next), rest].concat();
                    next = extension.number();
                }
                let header = Ipv6Header {
                    payload_length: u16::try_from(rest.len()).expect("length"),
                    next_header: IpNumber(next),
                    hop_limit: 64,
                    source: source.octets(),
                    destination: destination.octets(),
                    ..Ipv6Header::default()
                };
                [header.to_bytes().as_slice(), &rest].concat()
            }
            _ => panic!("{source} and {destination} are of two families"),
        }
    }
}

/// An IP packet without anything special.
pub fn ip(source: &str, destination: &str, protocol: u8, payload: &[u8]) -> Vec<u8> {
    Ip::default().build(ip_address(source), ip_address(destination), protocol, payload)
}

pub fn tcp_segment(source: u16, destination: u16, flags: u8) -> Vec<u8> {
    let mut header = TcpHeader::new(source, destination, 1, 1024);
    header.fin = flags & FIN != 0;
    header.syn = flags & SYN != 0;
    header.rst = flags & RST != 0;
    header.ack = flags & ACK != 0;
    header.to_bytes().to_vec()
}

pub fn udp_datagram(source: u16, destination: u16, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(8 + data.len()).expect("length");
    let header = UdpHeader { source_port: source, destination_port: destination, length, checksum: 0 };
    [header.to_bytes().as_slice(), data].concat()
}

pub fn tcp(source: &str, destination: &str, flags: u8) -> Vec<u8> {
    let (from, to) = (end(source), end(destination));
    Ip::default().build(from.0, to.0, TCP, &tcp_segment(from.1, to.1, flags))
}

/// A TCP segment without data.
pub fn segment(source: &str, destination: &str, flags: u8, sequence: u32, acknowledgement: u32) -> Vec<u8> {
    numbered((source, destination), flags, (sequence, acknowledgement), &[])
}

/// A TCP segment with data.
pub fn data(source: &str, destination: &str, sequence: u32, acknowledgement: u32, data: &[u8]) -> Vec<u8> {
    numbered((source, destination), ACK, (sequence, acknowledgement), data)
}

fn numbered(ends: (&str, &str), flags: u8, (sequence, acknowledgement): (u32, u32), data: &[u8]) -> Vec<u8> {
    let (from, to) = (end(ends.0), end(ends.1));
    let mut bytes = tcp_segment(from.1, to.1, flags);
    bytes[4..8].copy_from_slice(&sequence.to_be_bytes());
    bytes[8..12].copy_from_slice(&acknowledgement.to_be_bytes());
    bytes.extend(data);
    Ip::default().build(from.0, to.0, TCP, &bytes)
}

pub fn udp(source: &str, destination: &str) -> Vec<u8> {
    ported(UDP, source, destination)
}

/// A packet of a protocol whose header begins with two ports: UDP, UDP-Lite, SCTP.
pub fn ported(protocol: u8, source: &str, destination: &str) -> Vec<u8> {
    let (from, to) = (end(source), end(destination));
    Ip::default().build(from.0, to.0, protocol, &udp_datagram(from.1, to.1, b"data"))
}

/// An SCTP packet with this verification tag and these chunks: type, flags, and what it carries, padded.
pub fn sctp(source: &str, destination: &str, tag: u32, chunks: &[(u8, u8, &[u8])]) -> Vec<u8> {
    let (from, to) = (end(source), end(destination));
    let mut bytes = [from.1.to_be_bytes(), to.1.to_be_bytes()].concat();
    bytes.extend(tag.to_be_bytes());
    bytes.extend([0; 4]);
    for (kind, flags, body) in chunks {
        let length = u16::try_from(4 + body.len()).unwrap();
        bytes.extend([*kind, *flags]);
        bytes.extend(length.to_be_bytes());
        bytes.extend(*body);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    Ip::default().build(from.0, to.0, SCTP, &bytes)
}

/// An ICMP message of either family: type, code, the four bytes that follow the checksum, and the rest.
pub fn icmp_message(v6: bool, kind: u8, code: u8, word: [u8; 4], rest: &[u8]) -> Vec<u8> {
    let header = if v6 {
        let kind = Icmpv6Type::Unknown { type_u8: kind, code_u8: code, bytes5to8: word };
        Icmpv6Header::new(kind).to_bytes().to_vec()
    } else {
        let kind = Icmpv4Type::Unknown { type_u8: kind, code_u8: code, bytes5to8: word };
        Icmpv4Header::new(kind).to_bytes().to_vec()
    };
    [header.as_slice(), rest].concat()
}

/// An ICMP message between two addresses, whose family decides which ICMP it is.
pub fn icmp(source: &str, destination: &str, kind: u8, word: [u8; 4], rest: &[u8]) -> Vec<u8> {
    let v6 = ip_address(source).is_ipv6();
    let message = icmp_message(v6, kind, 0, word, rest);
    ip(source, destination, if v6 { ICMPV6 } else { ICMP }, &message)
}

/// An echo request.
pub fn ping(source: &str, destination: &str, id: u16) -> Vec<u8> {
    query(source, destination, if ip_address(source).is_ipv6() { 128 } else { 8 }, id)
}

/// An echo reply.
pub fn pong(source: &str, destination: &str, id: u16) -> Vec<u8> {
    query(source, destination, if ip_address(source).is_ipv6() { 129 } else { 0 }, id)
}

/// An ICMP query or reply of type `kind`.
pub fn query(source: &str, destination: &str, kind: u8, id: u16) -> Vec<u8> {
    let [high, low] = id.to_be_bytes();
    icmp(source, destination, kind, [high, low, 0, 1], b"data")
}

/// Destination unreachable from `source`, about `packet`, sent to the address that sent it.
pub fn unreachable(source: &str, packet: &[u8]) -> Vec<u8> {
    unreachable_to(source, &sender_of(packet), packet)
}

/// Destination unreachable, about `packet`, sent to whomever.
pub fn unreachable_to(source: &str, destination: &str, packet: &[u8]) -> Vec<u8> {
    let kind = if ip_address(source).is_ipv6() { 1 } else { 3 };
    icmp(source, destination, kind, [0; 4], packet)
}

fn sender_of(packet: &[u8]) -> String {
    if packet[0] >> 4 == 4 {
        IpAddr::from(<[u8; 4]>::try_from(&packet[12..16]).expect("four bytes")).to_string()
    } else {
        IpAddr::from(<[u8; 16]>::try_from(&packet[8..24]).expect("sixteen bytes")).to_string()
    }
}

pub fn gre(source: &str, destination: &str, key: Option<u32>) -> Vec<u8> {
    ip(source, destination, GRE, &gre_header(false, key))
}

pub fn gre_header(checksum: bool, key: Option<u32>) -> Vec<u8> {
    let mut header = vec![u8::from(checksum) << 7 | u8::from(key.is_some()) << 5, 0, 0x08, 0x00];
    if checksum {
        header.extend([0xaa, 0xbb, 0, 0]);
    }
    header.extend(key.into_iter().flat_map(u32::to_be_bytes));
    header
}

/// An Ethernet frame of this type behind VLAN tags with these types, outermost first.
pub fn frame(tags: &[u16], ether_type: u16, payload: &[u8]) -> Vec<u8> {
    let types: Vec<u16> = tags.iter().copied().chain([ether_type]).collect();
    let header = Ethernet2Header {
        source: [2, 0, 0, 0, 0, 1],
        destination: [2, 0, 0, 0, 0, 2],
        ether_type: EtherType(types[0]),
    };
    let mut bytes = header.to_bytes().to_vec();
    for next in &types[1..] {
        let tag = SingleVlanHeader {
            vlan_id: VlanId::try_new(5).expect("12 bits"),
            ether_type: EtherType(*next),
            ..SingleVlanHeader::default()
        };
        bytes.extend(tag.to_bytes());
    }
    bytes.extend(payload);
    bytes
}

/// An ARP packet for IPv4 over Ethernet.
pub fn arp(operation: u16, sender: &str, target: &str) -> Vec<u8> {
    let octets = |text: &str| match ip_address(text) {
        IpAddr::V4(v4) => v4.octets(),
        IpAddr::V6(_) => panic!("ARP is for IPv4"),
    };
    let packet = etherparse::ArpEthIpv4Packet {
        operation: etherparse::ArpOperation(operation),
        sender_mac: [2, 0, 0, 0, 0, 1],
        sender_ipv4: octets(sender),
        target_mac: [0; 6],
        target_ipv4: octets(target),
    };
    packet.to_bytes().to_vec()
}
