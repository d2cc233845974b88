//! Translation of addresses: what the `NAT_` maps hold. [`crate::engine::nat`] has how they are used.

use super::{
    address::Address,
    flow::{End, FlowKey},
    units::{ContainerId, Nanos, Port},
};

/// An [`End`] without padding.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NatEnd {
    /// Its address.
    pub address: Address,
    /// Its [`Port`], or what plays that part; the upper half is zero.
    pub port: u32,
}

impl NatEnd {
    /// To be filled.
    pub const NOWHERE: Self = Self { address: Address::ANY6, port: 0 };
}

impl From<End> for NatEnd {
    #[inline(always)]
    fn from(end: End) -> Self {
        Self { address: end.address, port: end.port.0 as u32 }
    }
}

impl From<NatEnd> for End {
    #[inline(always)]
    fn from(end: NatEnd) -> Self {
        Self { address: end.address, port: Port(end.port as u16) }
    }
}

/// Value of the `NAT_PUBLISHED` map (key: [`super::port::PortKey`], with the wildcard of its family for all addresses of the node):
/// where what arrives at a published port goes. Protocols that have no port of their own, or none that can be changed, are not in it.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// An address of the container's, and a port there.
    pub end: NatEnd,
    /// Whose it is.
    pub container: ContainerId,
    /// Its generation when the entry was made.
    pub generation: u32,
}

/// Key of the `NAT_SOURCES` map: where a packet that goes out by an uplink, or to another container, has come from.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NatSource {
    /// Its source address.
    pub address: Address,
    /// Index of the interface that it came in by: the container's own, or, if it was routed, the bridge that this is a port of.
    pub ifindex: u32,
}

/// Value of the `NAT_SOURCES` map: a container in mode full that has the address on an interface of its own.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NatOwner {
    /// The container.
    pub container: ContainerId,
    /// Its generation when the entry was made.
    pub generation: u32,
    /// Where the flows that it opens come from, as seen from outside: [`NatOwner::UNTRANSLATED`] and its neighbours.
    pub masquerade: u32,
    /// That address, if it is [given](NatOwner::TO).
    pub to: Address,
}

impl NatOwner {
    /// From the container's own address.
    pub const UNTRANSLATED: u32 = 0;
    /// From the address of the uplink that they leave by.
    pub const UPLINK: u32 = 1;
    /// From one that is given.
    pub const TO: u32 = 2;
}

/// Value of the `NAT_ADDRESSES` map (key: index of an uplink, or of a container's own interface): the address of each family that flows come
/// from which leave by it; of a container's, those inside. The wildcard of the family where it has none.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NatAddresses {
    /// IPv4.
    pub v4: Address,
    /// IPv6.
    pub v6: Address,
    /// Of a container's interface that is the port of a bridge: the hardware address by which packets reach the node there; its last two
    /// bytes are unused. Zeros otherwise.
    pub router: [u8; 8],
}

/// Value of the `NAT_FLOWS` map (key: number of a slot of the flow table, and above it of a [layer](crate::engine::nat::own::Layer)): how the flow
/// in the slot is translated.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Translation {
    /// Which of the flows that the slot has had ([`crate::engine::nat::stamp`]): zero for none, [`Translation::BUSY`] while one is
    /// about to get a translation. Changed by compare-and-swap.
    pub stamp: u64,
    /// Its key as packets have it that bear the name.
    pub outer: FlowKey,
    /// Not zero if the end that is another there is the smaller one.
    pub is_low: u32,
    /// Unused.
    pub padding: u32,
}

impl Translation {
    /// Of a slot that has never had any.
    pub const NONE: Self = Self {
        stamp: 0,
        outer: FlowKey {
            low: Address::ANY6,
            high: Address::ANY6,
            low_port: Port(0),
            high_port: Port(0),
            zone_protocol: 0,
        },
        is_low: 0,
        padding: 0,
    };

    /// A bit of [`Self::stamp`]: the flow has lost its name to the node itself.
    pub const LOST: u64 = 1 << 63;

    /// Of [`Self::stamp`]: somebody is at it.
    pub const BUSY: u64 = u64::MAX;

    /// The end that is another there: on the uplinks the container's.
    #[inline(always)]
    pub const fn outer_end(&self) -> End {
        if self.is_low != 0 {
            End { address: self.outer.low, port: self.outer.low_port }
        } else {
            End { address: self.outer.high, port: self.outer.high_port }
        }
    }
}

/// Places of the `NAT_PENDING` array.
pub const PENDING_PLACES: u32 = 16_384;

/// Value of the `NAT_PENDING` array, a [table of places](crate::engine::places): what a flow is to be called outside that has come by a
/// published port.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NatPendingPlace {
    /// Odd while somebody writes there, and another each time.
    pub turn: u64,
    /// The flow's key in its container's zone.
    pub key: FlowKey,
    /// What it is to be called.
    pub pending: NatPending,
}

/// What a flow is to be called outside.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NatPending {
    /// Until when that holds.
    pub expires: Nanos,
    /// The container's end outside.
    pub end: NatEnd,
    /// The container.
    pub owner: ContainerId,
}

/// Value of the `NAT_FRAGMENTS` map (key: [`super::fragment::FragmentKey`], as the packets come): the address that later fragments
/// get in the place of the container's, as the first one has.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NatFragment {
    /// When it does not hold any more, in nanoseconds as [`super::units::Nanos`].
    pub expires: u64,
    /// The address.
    pub address: Address,
}
