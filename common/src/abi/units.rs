//! Numbers with a meaning.

/// A container's number. Small numbers, handed out by the loader; they index maps.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContainerId(pub u32);

impl ContainerId {
    /// The node itself.
    pub const HOST: Self = Self(0);
    /// Nobody: the packet, or the far end of a flow, has no owner on this node.
    pub const UNOWNED: Self = Self(u32::MAX);

    /// Whether this names a container, rather than the host or nobody.
    #[inline(always)]
    pub const fn is_container(self) -> bool {
        self.0 != Self::HOST.0 && self.0 != Self::UNOWNED.0
    }
}

/// Nanoseconds of the kernel's coarse monotonic clock (`CLOCK_MONOTONIC_COARSE`).
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Nanos(pub u64);

impl Nanos {
    const HELD: u64 = 1 << 63;

    /// A span of whole seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(seconds.wrapping_mul(1_000_000_000))
    }

    /// This moment, `span` later.
    #[inline(always)]
    pub const fn after(self, span: Self) -> Self {
        Self(self.0.wrapping_add(span.0))
    }

    /// This moment, as the end of a flow that is held: see [`crate::abi::flow::Flow::expires`].
    #[inline(always)]
    pub const fn held(self) -> Self {
        Self(self.0 | Self::HELD)
    }

    /// The moment as such.
    #[inline(always)]
    pub const fn released(self) -> Self {
        Self(self.0 & !Self::HELD)
    }

    /// Whether it is the end of a flow that is held.
    #[inline(always)]
    pub const fn is_held(self) -> bool {
        self.0 & Self::HELD != 0
    }
}

/// A moment in steps of 2²⁴ ns (17 ms), of which it knows the last 2³² (2.2 years).
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ticks(pub u32);

impl Ticks {
    const BITS: u32 = 24;

    /// The step that the moment is in.
    #[inline(always)]
    pub const fn of(time: Nanos) -> Self {
        Self((time.0 >> Self::BITS) as u32)
    }

    /// When the step began, if that is one of the first 2³².
    #[inline(always)]
    pub const fn start(self) -> Nanos {
        Nanos((self.0 as u64) << Self::BITS)
    }

    /// How long ago it was at the time `now`, to a step; steps that are still to come are none.
    #[inline(always)]
    pub const fn age(self, now: Nanos) -> Nanos {
        let steps = Self::of(now).0.wrapping_sub(self.0);
        // No clock goes back, but processors may see it a step or so apart.
        if steps > u32::MAX - 64 { Nanos(0) } else { Nanos((steps as u64) << Self::BITS) }
    }
}

/// A TCP, UDP, UDP-Lite or SCTP port in host byte order; for ICMP queries the id (at the end that answers: plus the
/// request's type), for GRE the low half of the key.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Port(pub u16);

/// An IP protocol number (IANA "Assigned Internet Protocol Numbers").
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Protocol(pub u8);

impl Protocol {
    /// RFC 792.
    pub const ICMP: Self = Self(1);
    /// RFC 3376.
    pub const IGMP: Self = Self(2);
    /// RFC 9293.
    pub const TCP: Self = Self(6);
    /// RFC 768.
    pub const UDP: Self = Self(17);
    /// RFC 2784.
    pub const GRE: Self = Self(47);
    /// RFC 4340.
    pub const DCCP: Self = Self(33);
    /// RFC 4303.
    pub const ESP: Self = Self(50);
    /// RFC 4443.
    pub const ICMPV6: Self = Self(58);
    /// RFC 9260.
    pub const SCTP: Self = Self(132);
    /// RFC 3828.
    pub const UDPLITE: Self = Self(136);
    /// Reserved: of entries of the flow table for connections that are awaited, in zones where no packet is ([`Zone::AWAITED`]).
    pub const EXPECTED: Self = Self(255);
}

/// The address space a flow lives in: 24 bits.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Zone(pub u32);

impl Zone {
    /// The node's uplinks.
    pub const UPLINK: Self = Self(0x00ff_ffff);
    /// `lo` and every other interface of the node's own network namespace.
    pub const LOCAL: Self = Self(0x00ff_fffe);

    /// A bit that makes another zone of each, for connections that are awaited there.
    pub const AWAITED: u32 = 1 << 23;

    /// The zone for connections that are awaited in this one, or of those the one where they are.
    #[inline(always)]
    pub const fn awaited(self) -> Self {
        Self(self.0 ^ Self::AWAITED)
    }

    /// The zone of a container's own interface.
    #[inline(always)]
    pub const fn of(container: ContainerId) -> Self {
        Self(container.0 & 0x00ff_ffff)
    }
}
