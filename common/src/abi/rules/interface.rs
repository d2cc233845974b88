//! Numbers of interfaces, as rules compare them: indexes, but for the container's own.

/// The container's own interface: no interface has this index.
pub const OWN: u32 = 0;
/// `lo`, in every network namespace.
pub const LOOPBACK: u32 = 1;
