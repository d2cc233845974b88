//! What of a packet rules look at: the one list of it.
//!
//! A dimension's value is a number. Addresses are numbers as they are read (10.0.0.1 is 0x0a000001). Tables see a value
//! as one or more parts of 32 bits, the most significant first; every part has its own place in
//! [`Fields`](crate::engine::classify::Fields).

use super::chain::Family;

/// The value of a dimension that a packet does not have, as a later fragment has no ports. It is above all values, so
/// that a set of values and its complement among the values both leave it out, as iptables' matches on ports do,
/// negated or not.
pub const ABSENT: u32 = u32::MAX;

/// What is known of a dimension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Bits of an IPv4 packet's value.
    pub bits4: u32,
    /// Bits of an IPv6 packet's value.
    pub bits6: u32,
    /// Whether a packet may lack it ([`ABSENT`]).
    pub optional: bool,
    /// Whether all unfragmented packets of one flow, direction and state have the same value (see
    /// [`Outcome::constant`](crate::engine::classify::Outcome::constant)).
    pub constant: bool,
    /// Most bits by which a condition on it is expected to narrow traffic down.
    pub weight: u32,
}

impl Shape {
    const fn parts(self) -> u32 {
        self.bits6.div_ceil(32)
    }
}

macro_rules! dimensions {
    ($($(#[$doc:meta])* $name:ident = $shape:expr),+ $(,)?) => {
        /// What of a packet a rule may look at.
        #[repr(u8)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Dimension { $($(#[$doc])* $name),+ }

        impl Dimension {
            /// All of them, in the order of their parts.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// What is known of it.
            #[inline(always)]
            pub const fn shape(self) -> Shape {
                match self { $(Self::$name => $shape),+ }
            }
        }
    };
}

const fn flow(bits: u32, weight: u32) -> Shape {
    Shape { bits4: bits, bits6: bits, optional: false, constant: true, weight }
}

const fn packet(bits: u32, weight: u32) -> Shape {
    Shape { constant: false, ..flow(bits, weight) }
}

const fn optional(shape: Shape) -> Shape {
    Shape { optional: true, ..shape }
}

const ADDRESS: Shape = Shape { bits6: 128, ..flow(32, 32) };

dimensions! {
    /// Source address.
    Source = ADDRESS,
    /// Destination address.
    Destination = ADDRESS,
    /// Source port. Absent for protocols without ports, for ICMP, and in later fragments.
    SourcePort = optional(flow(16, 8)),
    /// Destination port; for ICMP and ICMPv6 the type times 256 plus the code, so that the complement of one type and
    /// code is a plain set. Absent as the source port is.
    DestinationPort = optional(flow(16, 12)),
    /// Protocol; in IPv6 that of the header behind the extension headers.
    Protocol = flow(8, 2),
    /// State of the flow: [`state`].
    State = flow(4, 2),
    /// Direction in the flow: [`direction`].
    Direction = flow(4, 1),
    /// Which part of a packet this is: [`fragment`]. Constant, since only whole packets share an answer.
    Fragment = flow(4, 1),
    /// The interface it came in by: [`interface`](super::interface).
    InInterface = flow(32, 1),
    /// The interface it goes out by, likewise.
    OutInterface = flow(32, 1),
    /// To whom the frame was addressed: `PACKET_HOST` and so on (`linux/if_packet.h`). A copy that was looped back counts
    /// as multicast or broadcast, whichever its destination is (net/netfilter/xt_pkttype.c).
    PacketType = packet(4, 1),
    /// What kind of address the source is: `RTN_UNICAST` and so on (`linux/rtnetlink.h`). In IPv6 `RTN_LOCAL` is a unicast
    /// address that is local too, and what is neither unicast nor multicast (`::`, IPv4-mapped) is `RTN_UNSPEC`.
    SourceType = packet(4, 1),
    /// What kind of address the destination is, likewise.
    DestinationType = packet(4, 1),
    /// The byte of TCP flags (RFC 9293 §3.1), CWR first. Absent where there is no TCP header.
    TcpFlags = optional(packet(8, 3)),
    /// Length from the IP header on, in bytes; of a packet that is still to be cut into segments, that of the whole.
    Length = packet(32, 6),
    /// The byte that has DSCP and ECN (RFC 2474, RFC 3168).
    Tos = packet(8, 3),
    /// Time to live, or hop limit.
    Ttl = packet(8, 4),
    /// What is known of the flow: [`status`](super::status).
    Status = packet(8, 1),
}

impl Dimension {
    /// Bits of its value.
    #[inline(always)]
    pub const fn bits(self, family: Family) -> u32 {
        match family {
            Family::Ipv4 => self.shape().bits4,
            Family::Ipv6 => self.shape().bits6,
        }
    }

    /// Parts of its value.
    #[inline(always)]
    pub const fn parts(self, family: Family) -> u32 {
        self.bits(family).div_ceil(32)
    }

    /// The number of its first part.
    #[inline(always)]
    pub const fn first_part(self) -> u32 {
        let mut part = 0;
        let mut rest = Self::ALL;
        while let [first, others @ ..] = rest {
            if *first as u8 == self as u8 {
                break;
            }
            part += first.shape().parts();
            rest = others;
        }
        part
    }
}

/// Parts that all dimensions have together.
pub const PARTS: usize = {
    let mut parts = 0;
    let mut rest = Dimension::ALL;
    while let [first, others @ ..] = rest {
        parts += first.shape().parts();
        rest = others;
    }
    parts as usize
};

/// Parts that a [reference](super::reference) can name.
pub const PART_NUMBERS: usize = 32;

const _: () = assert!(PARTS <= PART_NUMBERS);

/// Values of [`Dimension::State`].
pub mod state {
    /// A flow that no reply has come for.
    pub const NEW: u32 = 0;
    /// A flow that has seen both directions.
    pub const ESTABLISHED: u32 = 1;
    /// An ICMP error for a flow, or the first packet of one that another flow announced.
    pub const RELATED: u32 = 2;
    /// A packet that can belong to no flow.
    pub const INVALID: u32 = 3;
    /// A packet that is not tracked.
    pub const UNTRACKED: u32 = 4;
}

/// Values of [`Dimension::Direction`].
pub mod direction {
    /// As the flow's first packet.
    pub const ORIGINAL: u32 = 0;
    /// The other way.
    pub const REPLY: u32 = 1;
}

/// Values of [`Dimension::SourceType`] and [`Dimension::DestinationType`]: `RTN_UNICAST` and its neighbours
/// (`linux/rtnetlink.h`).
pub mod address_type {
    /// Somebody else's.
    pub const UNICAST: u8 = 1;
    /// This node's.
    pub const LOCAL: u8 = 2;
    /// All on the link.
    pub const BROADCAST: u8 = 3;
    /// A group.
    pub const MULTICAST: u8 = 5;
}

/// Values of [`Dimension::Fragment`].
pub mod fragment {
    /// Not a fragment.
    pub const WHOLE: u32 = 0;
    /// The first fragment, which has the transport header.
    pub const FIRST: u32 = 1;
    /// A fragment without it that is not the last; or any without it, where nobody looks whether it is.
    pub const LATER: u32 = 2;
    /// The last fragment.
    pub const LAST: u32 = 3;
    /// All of an IPv6 packet that has a fragment header all the same (RFC 6946).
    pub const ATOMIC: u32 = 4;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_follow_one_another() {
        let mut next = 0;
        for dimension in Dimension::ALL {
            assert_eq!(dimension.first_part(), next);
            next += dimension.parts(Family::Ipv6);
            assert!(dimension.parts(Family::Ipv4) <= dimension.parts(Family::Ipv6));
        }
        assert_eq!(next as usize, PARTS);
    }
}
