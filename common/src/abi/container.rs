//! Containers as the programs see them.

use super::units::Port;

/// Most port ranges in a container's allowance.
pub const MAX_PORT_RANGES: usize = 8;

/// Ports `first..=last`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRange {
    /// First port of the range.
    pub first: Port,
    /// Last port of the range, itself included.
    pub last: Port,
}

/// Value of the `CONTAINERS` array (index: container id). Written by the loader alone.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Container {
    /// Never zero for a container that exists, and another for each container that ever had the id: what is stamped
    /// with an earlier one (sockets, cgroups, addresses) is void.
    pub generation: u32,
    /// A [`Mode`] as a number.
    pub mode: u8,
    /// Bits of [`Container::OWN_NETWORK`] and its neighbours.
    pub flags: u8,
    /// How many of `ranges` are in use; none means that every port may be bound.
    pub range_count: u8,
    /// Of how many flows user space is told when they begin and end: of none (zero), or of one in 2ⁿ⁻¹.
    pub flow_events: u8,
    /// Most flows it may hold.
    pub flow_limit: u32,
    /// Most port reservations it may hold.
    pub port_limit: u32,
    /// Ports it may bind.
    pub ranges: [PortRange; MAX_PORT_RANGES],
    /// Most addresses and flows that its rules may remember.
    pub guard_limit: u32,
    /// Most flows that it may begin in a second; zero for any number.
    pub flow_rate: u32,
}

impl Container {
    /// It has an interface of its own, on which its traffic is counted.
    pub const OWN_NETWORK: u8 = 1;
    /// It may not have packet sockets at all.
    pub const NO_PACKET_SOCKETS: u8 = 2;
    /// It has rules, which are asked about its packets.
    pub const HAS_RULES: u8 = 4;
    /// Its rules look at kinds of addresses, which are to be looked up.
    pub const ASKS_ADDRESS_TYPES: u8 = 8;
    /// Connections that its FTP control connections announce are related to them.
    pub const HELPER_FTP: u8 = 16;
    /// Its IP addresses are known: on its own interface it uses no others.
    pub const KNOWN_ADDRESSES: u8 = 32;
    /// Its hardware addresses are known: on its own interface it uses no others.
    pub const KNOWN_MACS: u8 = 64;
    /// It routes: on its own interface it may speak for those behind it, and advertise itself.
    pub const ROUTES: u8 = 128;

    /// Its mode; the strictest for a number that no mode has.
    #[inline(always)]
    pub const fn mode(&self) -> Mode {
        match self.mode {
            1 => Mode::Stateless,
            2 => Mode::Stateful,
            3 => Mode::Full,
            _ => Mode::Disabled,
        }
    }
}

/// What a container's rules may do (design §5), in Virtuozzo's words.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// No rules.
    Disabled = 0,
    /// Rules without state matches.
    Stateless = 1,
    /// All rules but NAT.
    Stateful = 2,
    /// All rules.
    Full = 3,
}

impl Mode {
    /// Whether all of the container's traffic has flow entries, rather than only what attribution needs.
    #[inline(always)]
    pub const fn tracks_everything(self) -> bool {
        match self {
            Self::Disabled | Self::Stateless => false,
            Self::Stateful | Self::Full => true,
        }
    }
}

/// Value of the `USAGE` array (index: container id): quotas in use. Changed atomically by the programs.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Usage {
    /// Flows.
    pub flows: Quota,
    /// Port reservations.
    pub ports: Quota,
    /// What its rules remember: a bucket of hashlimit is one.
    pub guards: Quota,
    /// Packets that are always allowed (DHCP, DAD, IGMP …): the second they were last sent in (upper half) and how
    /// many were sent in it (lower half).
    pub control: u64,
    /// Notices of rejected packets: the time at which the container's bucket of them is full again.
    pub notices: u64,
    /// Flows that had not expired, and had to go for newer ones of the container.
    pub evicted: u64,
    /// New flows: the time at which the container's bucket of them is full again.
    pub new_flows: u64,
}

/// How much of a countable thing is in use.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Quota {
    /// In use now.
    pub held: Held,
    /// Most ever in use at once.
    pub maxheld: u64,
    /// How many times more was asked for than the limit allows.
    pub failcnt: u64,
}

/// How many a container has of something (lower half, signed), and how many it is guaranteed of what all share (upper half): one
/// word, so that each change of the one is seen together with the other.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Held(pub u64);

impl Held {
    /// So many, of which so many are guaranteed.
    #[inline(always)]
    pub const fn new(count: u32, guaranteed: u32) -> Self {
        Self((guaranteed as u64) << 32 | count as u64)
    }

    /// How many there are. Below zero is what was counted for a container of the same id before, if something of it is left.
    #[inline(always)]
    pub const fn balance(self) -> i32 {
        (self.0 as u32).cast_signed()
    }

    /// How many there are, at least none.
    #[inline(always)]
    pub const fn count(self) -> u64 {
        if self.balance() < 0 { 0 } else { self.balance().cast_unsigned() as u64 }
    }

    /// How many are guaranteed.
    #[inline(always)]
    pub const fn guaranteed(self) -> u32 {
        // A balance below zero has borrowed from it.
        (self.0.wrapping_sub((self.balance() as i64).cast_unsigned()) >> 32) as u32
    }

    /// How many nobody else may have: those that are guaranteed, or, if there are more, all that there are.
    #[inline(always)]
    pub const fn promised(self) -> u64 {
        let guaranteed = self.guaranteed() as u64;
        if self.count() > guaranteed { self.count() } else { guaranteed }
    }

    /// As many, of which so many are guaranteed.
    #[inline(always)]
    #[must_use]
    pub const fn with_guaranteed(self, guaranteed: u32) -> Self {
        Self(((guaranteed as u64) << 32).wrapping_add((self.balance() as i64).cast_unsigned()))
    }
}
