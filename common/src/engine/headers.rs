//! What the engine needs to know of a packet.

use super::tables::Which;
use crate::{
    abi::{
        address::Address,
        flow::{End, FlowKey},
        fragment::FragmentKey,
        units::{ContainerId, Port, Protocol, Zone},
    },
    wire::icmp::{self, Class},
};

/// The headers of an IP packet, reduced to what decides about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Headers {
    /// Source address.
    pub source: Address,
    /// Destination address.
    pub destination: Address,
    /// Source port, or what plays its part: at the requester's end of an ICMP query its id, at the responder's the
    /// sum of id and request's type; at both ends of GRE the key's lower half.
    pub source_port: Port,
    /// Destination port, likewise.
    pub destination_port: Port,
    /// Identification that fragments of one packet share.
    pub fragment_id: u32,
    /// Offset of the transport header in the packet.
    pub transport: u32,
    /// Offset of what each segment of a large packet carries: all before it is repeated on the wire. That of the transport header
    /// if this [goes on](Self::is_cut_off) in another fragment.
    pub payload: u16,
    /// Offset of the IP header.
    pub network: u16,
    /// Transport protocol.
    pub protocol: Protocol,
    /// What the ports are.
    pub kind: Kind,
    /// Which part of a fragmented packet this is.
    pub fragment: Part,
    /// TCP: the flags. ICMP: the type. SCTP: one if an association can begin with it.
    pub detail: u8,
}

/// What stands where the ports stand.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Ports.
    Ports = 0,
    /// ICMP query: id and type.
    Query = 1,
    /// GRE key.
    Key = 2,
    /// Nothing: an ICMP error, which is about another packet.
    IcmpError = 3,
    /// Nothing: ICMP of the link.
    Link = 4,
    /// Nothing: a protocol known by its addresses only, or a later fragment.
    Bare = 5,
}

/// Which part of a packet.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    Whole = 0,
    /// The first fragment, which has the transport header.
    First = 1,
    /// A fragment without transport header.
    Later = 2,
}

/// Where in the flow table a packet's flow is, beyond what its headers say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The zone.
    pub zone: Zone,
    /// [`ContainerId::HOST`], or the container whose own entry is meant where several share a pair of addresses that
    /// has no ports (see [`super::bare`]). Or, with a bit that no container's id has, the port of a connection that is awaited.
    pub sharer: ContainerId,
}

/// Of [`Place::sharer`]: a connection is awaited; and at the packet's source, not its destination; and some bits of whose it is,
/// above the port.
const AWAITED: u32 = 1 << 31;
const AT_SOURCE: u32 = 1 << 30;
const OWNER: u32 = (1 << 14) - 1;

impl Place {
    /// The flow in `zone`.
    #[inline(always)]
    pub const fn in_zone(zone: Zone) -> Self {
        Self { zone, sharer: ContainerId::HOST }
    }

    /// The entry of `sharer` beside the flow in `zone`.
    #[inline(always)]
    pub const fn shared(zone: Zone, sharer: ContainerId) -> Self {
        Self { zone, sharer }
    }

    /// The connection of `owner`'s that is awaited (see [`super::ftp`]) at this port of one `end` of a packet, from the other one's
    /// address.
    #[inline(always)]
    pub const fn awaited(zone: Zone, port: Port, end: Which, owner: ContainerId) -> Self {
        let at_source = matches!(end, Which::Source) as u32;
        let owner = (owner.0 & OWNER) << 16;
        Self {
            zone,
            sharer: ContainerId(AWAITED | at_source.wrapping_mul(AT_SOURCE) | owner | port.0 as u32),
        }
    }

    /// Whether it is that of a connection that is awaited.
    #[inline(always)]
    pub const fn is_awaited(self) -> bool {
        self.sharer.0 & AWAITED != 0
    }

    /// The key of the entry for packets with these headers, in either direction; not of what is [awaited](Self::is_awaited).
    #[inline(always)]
    pub fn key(self, headers: &Headers) -> FlowKey {
        let zone_protocol = self.zone.0.wrapping_shl(8) | headers.protocol.0 as u32;
        let mut key = if headers.source_is_low() {
            FlowKey {
                low: headers.source,
                high: headers.destination,
                low_port: headers.source_port,
                high_port: headers.destination_port,
                zone_protocol,
            }
        } else {
            FlowKey {
                low: headers.destination,
                high: headers.source,
                low_port: headers.destination_port,
                high_port: headers.source_port,
                zone_protocol,
            }
        };
        if self.sharer != ContainerId::HOST {
            // The difference is 1 modulo 256: that of no query (its type), nor of two equal GRE keys.
            let low = self.sharer.0 as u16;
            key.low_port = Port(low);
            key.high_port = Port(low.wrapping_add(1).wrapping_add((self.sharer.0 >> 16 << 8) as u16));
        }
        key
    }

    /// That of what is awaited. Where both addresses are the same, whoever awaits it comes first.
    #[inline(always)]
    pub fn awaited_key(self, headers: &Headers) -> FlowKey {
        let at_source = self.sharer.0 & AT_SOURCE != 0;
        let (here, there) = if at_source {
            (headers.source, headers.destination)
        } else {
            (headers.destination, headers.source)
        };
        let zone_protocol = self.zone.awaited().0.wrapping_shl(8) | Protocol::EXPECTED.0 as u32;
        let (port, owner) = (Port(self.sharer.0 as u16), Port((self.sharer.0 >> 16 & OWNER) as u16));
        if here <= there {
            FlowKey { low: here, high: there, low_port: port, high_port: owner, zone_protocol }
        } else {
            FlowKey { low: there, high: here, low_port: owner, high_port: port, zone_protocol }
        }
    }

    /// Whichever it is.
    #[inline(always)]
    pub fn any_key(self, headers: &Headers) -> FlowKey {
        if self.is_awaited() { self.awaited_key(headers) } else { self.key(headers) }
    }
}

impl Headers {
    /// Those of no packet.
    pub const EMPTY: Self = Self {
        source: Address::ANY6,
        destination: Address::ANY6,
        source_port: Port(0),
        destination_port: Port(0),
        fragment_id: 0,
        transport: 0,
        payload: 0,
        network: 0,
        protocol: Protocol(0),
        kind: Kind::Bare,
        fragment: Part::Whole,
        detail: 0,
    };

    /// Whether it is the first fragment of a packet whose header goes on in another one: what rules ask for may be there, so that
    /// they cannot be asked (RFC 1858 §3, RFC 3128). Nobody means well who sends such.
    #[inline(always)]
    pub fn is_cut_off(&self) -> bool {
        self.fragment == Part::First && self.kind == Kind::Ports && self.payload == self.transport as u16
    }

    /// The end that sent the packet.
    #[inline(always)]
    pub const fn from(&self) -> End {
        End { address: self.source, port: self.source_port }
    }

    /// The end it is for.
    #[inline(always)]
    pub const fn to(&self) -> End {
        End { address: self.destination, port: self.destination_port }
    }

    /// Of an ICMP query: whether `end` is the one that asks, whose port is the id.
    #[inline(always)]
    pub const fn is_requester(&self, end: Which) -> bool {
        let class = if self.source.is_v4() { icmp::class4(self.detail) } else { icmp::class6(self.detail) };
        matches!((class, end), (Class::Request, Which::Source) | (Class::Reply(_), Which::Destination))
    }

    /// Whether the sender is the smaller end of the packet's flow.
    #[inline(always)]
    pub fn source_is_low(&self) -> bool {
        self.source < self.destination
            || self.source == self.destination && self.source_port <= self.destination_port
    }

    /// Key of what all fragments of this packet share.
    #[inline(always)]
    pub const fn fragment_key(&self, zone: Zone) -> FragmentKey {
        FragmentKey {
            source: self.source,
            destination: self.destination,
            id: self.fragment_id,
            zone_protocol: zone.0 << 8 | self.protocol.0 as u32,
        }
    }
}
