//! Numbers of interfaces, as rules compare them: their indexes, which are below 2³¹, but for the container's own.

/// No interface: the way that a packet has not come, or does not leave by.
pub const NONE: u32 = 0;
/// `lo`, in every network namespace.
pub const LOOPBACK: u32 = 1;
/// The container's own interface.
pub const OWN: u32 = 1 << 31;
