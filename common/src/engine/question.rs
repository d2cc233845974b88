//! What rules are asked about a packet: everything they may look at, as numbers.

use super::{
    classify::{Fields, Question},
    headers::{Headers, Kind, Part},
    rules::Case,
};
use crate::{
    abi::{
        rules::{BuiltIn, Dimension, Family, dimension::fragment, interface},
        units::Protocol,
    },
    wire::{Packet, lower, upper},
};

/// What rules look at and the packet's bytes do not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Circumstances {
    /// The packet's mark.
    pub mark: u32,
    /// Bytes from the IP header on, where that does not say (a jumbogram, or a packet still to be cut into segments).
    pub length: u32,
    /// The interface's number: [`crate::abi::rules::interface`].
    pub interface: u32,
    /// To whom the frame was addressed (`PACKET_HOST` and so on).
    pub packet_type: u8,
    /// What kind of address the source is (`RTN_UNICAST` and so on).
    pub source_type: u8,
    /// What kind of address the destination is.
    pub destination_type: u8,
}

impl Question {
    /// A question without meaning, to be filled.
    pub const EMPTY: Self =
        Self { family: Family::Ipv4, chain: BuiltIn::Input, mark: 0, length: 0, fields: Fields::EMPTY };

    /// Makes this the question about one packet.
    #[inline(always)]
    pub fn fill<P: Packet>(
        &mut self,
        packet: &P,
        headers: &Headers,
        case: &Case,
        circumstances: &Circumstances,
    ) {
        self.family = if headers.source.is_v4() { Family::Ipv4 } else { Family::Ipv6 };
        self.chain = case.chain.built_in();
        self.mark = circumstances.mark;
        self.fields = Fields::EMPTY;
        self.fields.set_address(Dimension::Source, self.family, &headers.source);
        self.fields.set_address(Dimension::Destination, self.family, &headers.destination);
        self.set(Dimension::Protocol, headers.protocol.0 as u32);
        self.set(Dimension::State, case.state as u32);
        self.set(Dimension::Direction, case.direction as u32);
        self.set(Dimension::Status, case.status as u32);
        self.set(Dimension::Fragment, part(headers.fragment));
        self.set(Dimension::PacketType, circumstances.packet_type as u32);
        self.set(Dimension::SourceType, circumstances.source_type as u32);
        self.set(Dimension::DestinationType, circumstances.destination_type as u32);
        let interface = if case.is_inside { interface::LOOPBACK } else { circumstances.interface };
        let (input, output) =
            if case.chain.is_inward() { (interface, interface::NONE) } else { (interface::NONE, interface) };
        self.set(Dimension::InInterface, input);
        self.set(Dimension::OutInterface, output);
        self.transport(packet, headers);
        match self.family {
            Family::Ipv4 => self.ipv4(packet, headers, circumstances),
            Family::Ipv6 => self.ipv6(packet, headers, circumstances),
        }
    }

    #[inline(always)]
    fn set(&mut self, dimension: Dimension, value: u32) {
        self.fields.set(dimension, value);
    }

    #[inline(always)]
    fn transport<P: Packet>(&mut self, packet: &P, headers: &Headers) {
        match headers.kind {
            Kind::Ports => {
                self.set(Dimension::SourcePort, headers.source_port.0 as u32);
                self.set(Dimension::DestinationPort, headers.destination_port.0 as u32);
                if headers.protocol == Protocol::TCP {
                    self.set(Dimension::TcpFlags, headers.detail as u32);
                }
            }
            Kind::Query | Kind::IcmpError | Kind::Link => {
                if let Some([word]) = packet.words::<1>(headers.transport) {
                    self.set(Dimension::DestinationPort, upper(word) as u32);
                }
            }
            Kind::Key | Kind::Bare => {}
        }
    }

    #[inline(always)]
    fn ipv4<P: Packet>(&mut self, packet: &P, headers: &Headers, circumstances: &Circumstances) {
        if let Some([first, _, third]) = packet.words::<3>(headers.network as u32) {
            self.set(Dimension::Tos, (upper(first) & 0xff) as u32);
            self.set(Dimension::Ttl, (upper(third) >> 8) as u32);
            self.set_length(length4(first, circumstances.length));
        }
    }

    #[inline(always)]
    fn ipv6<P: Packet>(&mut self, packet: &P, headers: &Headers, circumstances: &Circumstances) {
        if let Some([first, second]) = packet.words::<2>(headers.network as u32) {
            self.set(Dimension::Tos, (upper(first) >> 4 & 0xff) as u32);
            self.set(Dimension::Ttl, (lower(second) & 0xff) as u32);
            self.set_length(length6(second, circumstances.length));
        }
    }

    #[inline(always)]
    fn set_length(&mut self, length: u32) {
        self.length = length;
        self.set(Dimension::Length, length);
    }
}

/// How long a packet is, as rules count it: `whole` bytes, from the IP header on, unless that tells better. Nothing if the
/// header is cut off.
#[inline(always)]
pub fn length<P: Packet>(packet: &P, headers: &Headers, whole: u32) -> Option<u32> {
    let network = headers.network as u32;
    if headers.source.is_v4() {
        let [first] = packet.words::<1>(network)?;
        Some(length4(first, whole))
    } else {
        let [second] = packet.words::<1>(network.wrapping_add(4))?;
        Some(length6(second, whole))
    }
}

/// The length that the first word of the header tells, which leaves out what Ethernet has padded; zero tells nothing.
#[inline(always)]
const fn length4(first: u32, whole: u32) -> u32 {
    match lower(first) {
        0 => whole,
        told => told as u32,
    }
}

/// The same of the second word.
#[inline(always)]
const fn length6(second: u32, whole: u32) -> u32 {
    match upper(second) {
        0 => whole,
        told => (told as u32).wrapping_add(crate::wire::ipv6::HEADER),
    }
}

#[inline(always)]
const fn part(part: Part) -> u32 {
    match part {
        Part::Whole => fragment::WHOLE,
        Part::First => fragment::FIRST,
        Part::Later => fragment::LATER,
    }
}
