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

/// A built-in chain of the filter table.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BuiltIn {
    /// What the container receives.
    Input = 0,
    /// What it sends.
    Output = 1,
    /// What it routes.
    Forward = 2,
}

impl BuiltIn {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Input, Self::Output, Self::Forward];

    /// Its number among the header's roots, and among the counters of policies.
    #[inline(always)]
    pub const fn slot(self, family: Family) -> u32 {
        (family as u32) << 2 | self as u32
    }
}

/// How many slots there are; those that no chain has are empty.
pub const SLOTS: u32 = 8;
