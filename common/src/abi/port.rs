//! Port reservations.

use super::{
    address::Address,
    units::{ContainerId, Port, Protocol},
};

/// Key of the `PORTS` map.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortKey {
    /// The local address; the wildcard of its family for all of the node's.
    pub address: Address,
    /// The port, ICMP id or GRE key.
    pub port: Port,
    /// The protocol; ICMP ids of IPv6 are under ICMPv6.
    pub protocol: Protocol,
    /// Unused.
    pub padding: u8,
    /// Unused.
    pub reserved: u32,
}

impl PortKey {
    /// The key for (protocol, address, port).
    #[inline(always)]
    pub const fn new(protocol: Protocol, address: Address, port: Port) -> Self {
        Self { address, port, protocol, padding: 0, reserved: 0 }
    }

    /// Where the summary of all reservations with this protocol, family and port lies in the `PORT_SUMMARY` array;
    /// none for protocols that have no ports.
    #[inline(always)]
    pub const fn summary_index(&self) -> Option<u32> {
        let space = match self.protocol {
            Protocol::TCP => 0,
            Protocol::UDP => 1,
            Protocol::UDPLITE => 2,
            Protocol::SCTP => 3,
            Protocol::ICMP | Protocol::ICMPV6 => 4,
            Protocol::GRE => 5,
            _ => return None,
        };
        let family = if self.address.is_v4() { 0 } else { PORT_SPACES };
        Some((space + family) << 16 | self.port.0 as u32)
    }
}

const PORT_SPACES: u32 = 6;

/// Entries of `PORT_SUMMARY`: six port spaces, two families, 65,536 ports.
pub const SUMMARY_ENTRIES: u32 = PORT_SPACES * 2 * 65_536;

/// Value of the `PORTS` map. An entry that nobody holds goes with its last claim, or else is swept.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortEntry {
    /// A [`Claim`], changed by compare-and-swap.
    pub claim: u64,
}

/// Who holds a reservation, for how many sockets, and whether the operator made it: one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim(pub u64);

impl Claim {
    /// Nobody's, ready to be claimed.
    pub const FREE: Self = Self(0);
    /// Being deleted: may not be claimed.
    pub const DEAD: Self = Self(u64::MAX);

    const PERMANENT: u64 = 1 << 31;
    const RAW: u64 = 1 << 30;
    const COUNT: u64 = (1 << 30) - 1;

    /// A claim by one socket of `owner`.
    #[inline(always)]
    pub const fn bound(owner: ContainerId) -> Self {
        Self((owner.0 as u64) << 32 | 1)
    }

    /// A claim by the operator for `owner`.
    #[inline(always)]
    pub const fn permanent(owner: ContainerId, raw: bool) -> Self {
        Self((owner.0 as u64) << 32 | Self::PERMANENT | if raw { Self::RAW } else { 0 })
    }

    /// Whether nobody holds it.
    #[inline(always)]
    pub const fn is_free(self) -> bool {
        self.0 as u32 == 0
    }

    /// Whether it is being deleted.
    #[inline(always)]
    pub const fn is_dead(self) -> bool {
        self.0 == Self::DEAD.0
    }

    /// Who holds it.
    #[inline(always)]
    pub const fn owner(self) -> ContainerId {
        ContainerId((self.0 >> 32) as u32)
    }

    /// How many bound sockets hold it.
    #[inline(always)]
    pub const fn count(self) -> u32 {
        (self.0 & Self::COUNT) as u32
    }

    /// Whether the operator made it.
    #[inline(always)]
    pub const fn is_permanent(self) -> bool {
        self.0 & Self::PERMANENT != 0
    }

    /// Whether it is for a user-space stack.
    #[inline(always)]
    pub const fn is_raw(self) -> bool {
        self.0 & Self::RAW != 0
    }

    /// This claim and `other`'s kind (one more socket, or the operator) together.
    #[inline(always)]
    pub const fn and(self, other: Self) -> Self {
        let flags = (self.0 | other.0) & (Self::PERMANENT | Self::RAW);
        let count = (self.count().wrapping_add(other.count())) as u64 & Self::COUNT;
        Self(self.0 & !(u32::MAX as u64) | flags | count)
    }

    /// This claim without one of `other`'s kind.
    #[inline(always)]
    pub const fn without(self, other: Self) -> Self {
        let gone = other.0 & Self::PERMANENT;
        let gone = if gone == 0 { 0 } else { Self::PERMANENT | Self::RAW };
        let count = self.count().saturating_sub(other.count()) as u64;
        let low = self.0 & (Self::PERMANENT | Self::RAW) & !gone | count;
        if low == 0 { Self::FREE } else { Self(self.0 & !(u32::MAX as u64) | low) }
    }
}

/// Value of the `PORT_SUMMARY` array: all reservations of one protocol, family and port in one word: how many keys
/// are held (lower half) and by whom (upper half).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary(pub u64);

impl Summary {
    /// More than one container holds, or has held since the port was last free, keys of this port.
    pub const MIXED: ContainerId = ContainerId::UNOWNED;

    /// How many keys are held.
    #[inline(always)]
    pub const fn keys(self) -> u32 {
        self.0 as u32
    }

    /// The one that holds all of them, or [`Self::MIXED`].
    #[inline(always)]
    pub const fn owner(self) -> ContainerId {
        ContainerId((self.0 >> 32) as u32)
    }

    /// With one more key, held by `owner`.
    #[inline(always)]
    pub const fn with(self, owner: ContainerId) -> Self {
        let holder = if self.keys() == 0 || self.owner().0 == owner.0 { owner } else { Self::MIXED };
        Self((holder.0 as u64) << 32 | self.keys().wrapping_add(1) as u64)
    }

    /// With one key fewer.
    #[inline(always)]
    pub const fn without_one(self) -> Self {
        match self.keys() {
            0 | 1 => Self(0),
            keys => Self((self.owner().0 as u64) << 32 | keys.wrapping_sub(1) as u64),
        }
    }
}
