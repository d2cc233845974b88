//! What else is known of a packet and its flow, to what looks at a connection from between its ends.

/// Facts: bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts(pub u32);

impl Facts {
    /// The packet comes from the opener.
    pub const FROM_OPENER: u32 = 1;
    /// The other end has answered before.
    pub const ANSWERED: u32 = 2;
    /// The flow has gone far enough to be worth keeping.
    pub const ASSURED: u32 = 4;
    /// Nothing that only the ends can know is held against it (`nf_conntrack_tcp_be_liberal`).
    pub const LIBERAL: u32 = 8;
    /// SCTP: there is data in the packet.
    pub const WITH_DATA: u32 = 16;
    /// SCTP: a chunk before this one in its packet does not keep the association alive.
    pub const KEPT: u32 = 32;

    /// Whether a bit is set.
    #[inline(always)]
    pub const fn has(self, fact: u32) -> bool {
        self.0 & fact != 0
    }

    /// With this one if it `holds`.
    #[inline(always)]
    pub const fn with(self, fact: u32, holds: bool) -> Self {
        Self(self.0 | (holds as u32).wrapping_mul(fact))
    }
}
