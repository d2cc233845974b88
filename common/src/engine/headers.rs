//! What the engine needs to know of a packet.

use crate::abi::{
    address::Address,
    flow::{End, FlowKey},
    fragment::FragmentKey,
    units::{Port, Protocol, Zone},
};

/// The headers of an IP packet, reduced to what decides about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Headers {
    /// Source address.
    pub source: Address,
    /// Destination address.
    pub destination: Address,
    /// Source port, or what plays its part: at the requester's end of an ICMP query its id, at the responder's the
    /// request's type; at both ends of GRE the key's lower half.
    pub source_port: Port,
    /// Destination port, likewise.
    pub destination_port: Port,
    /// Identification that fragments of one packet share.
    pub fragment_id: u32,
    /// Offset of the transport header in the packet.
    pub transport: u32,
    /// Offset of what each segment of a large packet carries: all before it is repeated on the wire.
    pub payload: u32,
    /// Transport protocol.
    pub protocol: Protocol,
    /// What the ports are.
    pub kind: Kind,
    /// Which part of a fragmented packet this is.
    pub fragment: Part,
    /// TCP: the flags. ICMP: the type.
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

/// A place in the flow table, seen from a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The flow's key, the same for both directions.
    pub key: FlowKey,
    /// Whether the packet comes from the smaller end.
    pub source_low: bool,
}

impl Headers {
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

    /// The same conversation's packet in the other direction.
    #[inline(always)]
    pub const fn reversed(&self) -> Self {
        Self {
            source: self.destination,
            destination: self.source,
            source_port: self.destination_port,
            destination_port: self.source_port,
            ..*self
        }
    }

    /// Where the packet's flow is in the flow table.
    #[inline(always)]
    pub fn place(&self, zone: Zone) -> Place {
        let (key, source_low) = FlowKey::new(zone, self.protocol, self.from(), self.to());
        Place { key, source_low }
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
