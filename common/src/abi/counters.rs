//! Traffic and drop counters.

use super::reason::{REASONS, Reason};

/// Packets and bytes. Traffic is counted in segments (`max(1, gso_segs)`) and bytes on the wire.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Segments.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}

impl Traffic {
    /// Of one packet, whose segments and bytes are below 2³²: a number that takes less of a small stack.
    #[inline(always)]
    pub const fn pack(self) -> u64 {
        self.packets << 32 | self.bytes & u32::MAX as u64
    }

    /// As it was before [`Self::pack`].
    #[inline(always)]
    pub const fn unpack(packed: u64) -> Self {
        Self { packets: packed >> 32, bytes: packed & u32::MAX as u64 }
    }
}

/// Both directions, as seen from the container.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Both {
    /// To the owner.
    pub inward: Traffic,
    /// From the owner.
    pub outward: Traffic,
}

/// Value of the per-CPU arrays `COUNTERS` (index: container id, 0 the host) and `NODE_COUNTERS` (index:
/// [`Counters::UNOWNED`], [`Counters::NON_IP`]).
///
/// `uplink` + `forwarded`, over all owners, the host, the unowned and the non-IP frames, is every frame that the
/// uplinks' TC hooks saw. `dropped` is the part of `uplink` + `forwarded` that berth dropped there.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counters {
    /// On uplinks.
    pub uplink: Both,
    /// In the node's own network namespace, but on no uplink.
    pub local: Both,
    /// On the container's own interface.
    pub interface: Both,
    /// On uplinks, but counted in `interface` too.
    pub forwarded: Both,
    /// Dropped at an uplink after being counted.
    pub dropped: Both,
    /// Packets dropped, wherever, by [`Reason`].
    pub drops: [u64; REASONS],
}

impl Counters {
    /// Index into `NODE_COUNTERS`: frames for nobody.
    pub const UNOWNED: u32 = 0;
    /// Index into `NODE_COUNTERS`: frames that are neither IPv4 nor IPv6.
    pub const NON_IP: u32 = 1;
    /// Entries of `NODE_COUNTERS`.
    pub const NODE_ENTRIES: u32 = 2;

    /// Packets dropped for `reason`.
    pub fn drops_for(&self, reason: Reason) -> u64 {
        self.drops.get(reason as usize).copied().unwrap_or(0)
    }
}
