//! A packet as netfilter sees it, and what the classifier is told of it.

use berth_common::abi::rules::{
    dimension::{direction, fragment, state},
    interface,
};

use crate::{
    compile::{
        input::{BuiltIn, Dimension, Family},
        tests::world,
    },
    lower::Names,
    rules::matches::{
        addrtype::AddressType,
        conntrack::{CtState, Direction},
        pkttype::PacketType,
    },
};

/// A packet.
#[derive(Clone, Debug)]
pub(super) struct Packet {
    pub(super) family: Family,
    pub(super) chain: BuiltIn,
    pub(super) source: u128,
    pub(super) destination: u128,
    pub(super) input: Option<&'static str>,
    pub(super) output: Option<&'static str>,
    pub(super) protocol: u8,
    pub(super) part: Part,
    pub(super) upper: Upper,
    pub(super) length: u32,
    pub(super) tos: u8,
    pub(super) ttl: u8,
    pub(super) mark: u32,
    pub(super) mac: Option<[u8; 6]>,
    pub(super) kind: PacketType,
    /// Nothing is an address of none of these types.
    pub(super) source_type: Option<AddressType>,
    pub(super) destination_type: Option<AddressType>,
    pub(super) tracking: Tracking,
}

/// Which part of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Whole,
    First,
    Later,
    Last,
    Atomic,
}

/// What stands behind the IP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Upper {
    /// Nothing that rules look at.
    Bare,
    Ports(u16, u16),
    Tcp {
        source: u16,
        destination: u16,
        flags: u8,
        /// Kinds of options below 8, as bits.
        options: u8,
    },
    /// Type and code.
    Icmp(u8, u8),
}

/// What is known of the packet's flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tracking {
    Untracked,
    Invalid,
    /// The state is NEW, ESTABLISHED or RELATED.
    Flow {
        state: CtState,
        direction: Direction,
        status: u8,
    },
}

impl Packet {
    /// A TCP segment that opens a flow from 10.0.0.1:1000 to 10.0.0.2:80, or the same of IPv6.
    pub(super) fn new(family: Family) -> Self {
        let network = match family {
            Family::Ipv4 => 0x0a00_0000,
            Family::Ipv6 => 0x2001_0db8 << 96,
        };
        Self {
            family,
            chain: BuiltIn::Input,
            source: network | 1,
            destination: network | 2,
            input: Some("eth0"),
            output: None,
            protocol: 6,
            part: Part::Whole,
            upper: Upper::Tcp { source: 1000, destination: 80, flags: 0x02, options: 1 << 2 },
            length: 60,
            tos: 0,
            ttl: 64,
            mark: 0,
            mac: Some([2, 0, 0, 0, 0, 1]),
            kind: PacketType::Unicast,
            source_type: Some(AddressType::Unicast),
            destination_type: Some(AddressType::Local),
            tracking: Tracking::Flow { state: CtState::New, direction: Direction::Original, status: 0 },
        }
    }

    /// The ports, as far as there are any.
    pub(super) fn ports(&self) -> Option<(u16, u16)> {
        match self.upper {
            Upper::Ports(source, destination) | Upper::Tcp { source, destination, .. } => {
                Some((source, destination))
            }
            Upper::Bare | Upper::Icmp(..) => None,
        }
    }

    /// Whether its protocol is the family's ICMP.
    pub(super) fn is_icmp(&self) -> bool {
        self.protocol == if self.family == Family::Ipv4 { 1 } else { 58 }
    }

    /// As whoever asks the classifier describes it.
    pub(super) fn described(&self, names: &Names) -> world::Packet {
        let number = |name: Option<&str>| {
            let known = names.interfaces.iter().find(|(known, _)| Some(known.as_str()) == name);
            known.map_or(interface::NONE, |(_, number)| *number)
        };
        let part = match self.part {
            Part::Whole => fragment::WHOLE,
            Part::First => fragment::FIRST,
            Part::Later => fragment::LATER,
            Part::Last => fragment::LAST,
            Part::Atomic => fragment::ATOMIC,
        };
        let (state, direction, status) = match self.tracking {
            Tracking::Untracked => (state::UNTRACKED, direction::ORIGINAL, 0),
            Tracking::Invalid => (state::INVALID, direction::ORIGINAL, 0),
            Tracking::Flow { state, direction, status } => {
                (state_number(state), direction_number(direction), status)
            }
        };
        let mut packet = world::Packet::new(self.family, self.chain)
            .with(Dimension::Source, self.source)
            .with(Dimension::Destination, self.destination)
            .with(Dimension::InInterface, number(self.input))
            .with(Dimension::OutInterface, number(self.output))
            .with(Dimension::Protocol, self.protocol)
            .with(Dimension::Fragment, part)
            .with(Dimension::Length, self.length)
            .with(Dimension::Tos, self.tos)
            .with(Dimension::Ttl, self.ttl)
            .with(Dimension::PacketType, kind_number(self.kind))
            .with(Dimension::SourceType, type_number(self.source_type))
            .with(Dimension::DestinationType, type_number(self.destination_type))
            .with(Dimension::State, state)
            .with(Dimension::Direction, direction)
            .with(Dimension::Status, status);
        if let Some((source, destination)) = self.ports() {
            packet = packet.with(Dimension::SourcePort, source).with(Dimension::DestinationPort, destination);
        }
        match self.upper {
            Upper::Tcp { flags, options, .. } => {
                packet = packet.with(Dimension::TcpFlags, flags);
                packet.tcp_options = Some(options);
            }
            Upper::Icmp(kind, code) => {
                packet = packet.with(Dimension::DestinationPort, u32::from(kind) << 8 | u32::from(code));
            }
            Upper::Bare | Upper::Ports(..) => {}
        }
        let bytes = |mac: [u8; 6]| mac.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        packet.source_mac = self.mac.map(bytes);
        packet.mark = self.mark;
        packet.length = self.length;
        packet
    }
}

fn state_number(state: CtState) -> u32 {
    match state {
        CtState::New => state::NEW,
        CtState::Established => state::ESTABLISHED,
        CtState::Related => state::RELATED,
        other => panic!("{other:?} is no flow's state"),
    }
}

fn direction_number(direction: Direction) -> u32 {
    match direction {
        Direction::Original => direction::ORIGINAL,
        Direction::Reply => direction::REPLY,
    }
}

/// `PACKET_HOST` and so on.
fn kind_number(kind: PacketType) -> u32 {
    match kind {
        PacketType::Unicast => 0,
        PacketType::Broadcast => 1,
        PacketType::Multicast => 2,
    }
}

/// `RTN_UNICAST` and so on.
fn type_number(kind: Option<AddressType>) -> u32 {
    match kind {
        None => 0,
        Some(AddressType::Unicast) => 1,
        Some(AddressType::Local) => 2,
        Some(AddressType::Broadcast) => 3,
        Some(AddressType::Multicast) => 5,
    }
}
