//! Packets as the model sees them, and as bytes.

use std::net::IpAddr;

use crate::support::*;

/// What stands beside an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    /// A port.
    Port(u16),
    /// The id of a query, at the end that asks.
    Asks(u16),
    /// The same at the end that answers.
    Answers(u16),
    /// A GRE key.
    Key(u16),
    /// Nothing.
    Nothing,
}

pub type End = (IpAddr, Tag);

/// A packet.
#[derive(Clone, Debug)]
pub struct Talk {
    pub protocol: u8,
    pub from: End,
    pub to: End,
    /// What an ICMP error quotes.
    pub quotes: Option<Box<Talk>>,
}

/// What kind of packet, with numbers for its ports, id or key.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    Udp(u16, u16),
    Request(u16),
    Reply(u16),
    Gre(u16),
    Esp,
    /// ICMP without id.
    Link,
}

impl Talk {
    pub fn new(from: IpAddr, to: IpAddr, shape: Shape) -> Self {
        let icmp = if from.is_ipv6() { ICMPV6 } else { ICMP };
        let (protocol, source, destination) = match shape {
            Shape::Udp(a, b) => (UDP, Tag::Port(a), Tag::Port(b)),
            Shape::Request(id) => (icmp, Tag::Asks(id), Tag::Answers(id)),
            Shape::Reply(id) => (icmp, Tag::Answers(id), Tag::Asks(id)),
            Shape::Gre(key) => (GRE, Tag::Key(key), Tag::Key(key)),
            Shape::Esp => (ESP, Tag::Nothing, Tag::Nothing),
            Shape::Link => (icmp, Tag::Nothing, Tag::Nothing),
        };
        Self { protocol, from: (from, source), to: (to, destination), quotes: None }
    }

    /// An error about `quoted`, from anybody to anybody.
    pub fn error(from: IpAddr, to: IpAddr, quoted: Self) -> Self {
        let protocol = if from.is_ipv6() { ICMPV6 } else { ICMP };
        Self { protocol, from: (from, Tag::Nothing), to: (to, Tag::Nothing), quotes: Some(Box::new(quoted)) }
    }

    pub fn is_bare(&self) -> bool {
        self.quotes.is_none() && self.from.1 == Tag::Nothing
    }

    pub fn bytes(&self) -> Vec<u8> {
        let v6 = self.from.0.is_ipv6();
        let query = |kind: u8, id: u16| {
            let [high, low] = id.to_be_bytes();
            icmp_message(v6, kind, 0, [high, low, 0, 1], b"")
        };
        let payload = match (&self.quotes, self.from.1, self.to.1) {
            (Some(quoted), ..) => icmp_message(v6, if v6 { 1 } else { 3 }, 0, [0; 4], &quoted.bytes()),
            (None, Tag::Port(a), Tag::Port(b)) => udp_datagram(a, b, b""),
            (None, Tag::Asks(id), _) => query(if v6 { 128 } else { 8 }, id),
            (None, Tag::Answers(id), _) => query(if v6 { 129 } else { 0 }, id),
            (None, Tag::Key(key), _) => gre_header(false, Some(u32::from(key))),
            (None, ..) if self.protocol == ESP => vec![0; 8],
            (None, ..) => query(if v6 { 200 } else { 40 }, 0),
        };
        Ip::default().build(self.from.0, self.to.0, self.protocol, &payload)
    }
}
