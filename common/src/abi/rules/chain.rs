//! What has a root of its own.

/// An address family.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    Ipv4 = 0,
    /// IPv6.
    Ipv6 = 1,
}

impl Family {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Ipv4, Self::Ipv6];
}

/// A built-in chain.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BuiltIn {
    /// Filter: what the container receives.
    Input = 0,
    /// Filter: what it sends.
    Output = 1,
    /// Filter: what it routes.
    Forward = 2,
    /// Nat: where flows go that come to the container.
    NatPrerouting = 3,
    /// Nat: where flows come from that end in it.
    NatInput = 4,
    /// Nat: where flows go that it begins.
    NatOutput = 5,
    /// Nat: where flows come from that leave it.
    NatPostrouting = 6,
}

impl BuiltIn {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Input,
        Self::Output,
        Self::Forward,
        Self::NatPrerouting,
        Self::NatInput,
        Self::NatOutput,
        Self::NatPostrouting,
    ];

    /// Those of table filter.
    pub const FILTER: [Self; 3] = [Self::Input, Self::Output, Self::Forward];

    /// Those of table nat.
    pub const NAT: [Self; 4] = [Self::NatPrerouting, Self::NatInput, Self::NatOutput, Self::NatPostrouting];

    /// Whether it is one of table nat, which the first packet of a flow is asked about.
    #[inline(always)]
    pub const fn is_nat(self) -> bool {
        self as u8 >= Self::NatPrerouting as u8
    }

    /// Its number among the header's roots, and among the counters of policies.
    #[inline(always)]
    pub const fn slot(self, family: Family) -> u32 {
        (family as u32) << 3 | self as u32
    }
}

/// How many slots there are; those that no chain has are empty.
pub const SLOTS: u32 = 16;
