//! What happened, for the `EVENTS` ring buffer.

use super::{
    address::Address,
    units::{ContainerId, Nanos, Port},
};

/// One record of the ring buffer.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub time: Nanos,
    /// Source address.
    pub source: Address,
    /// Destination address.
    pub destination: Address,
    /// Whose packet or call it was.
    pub container: ContainerId,
    /// For [`super::reason::Reason::BindConflict`]: the container that holds the port.
    pub holder: ContainerId,
    /// Source port.
    pub source_port: Port,
    /// Destination port.
    pub destination_port: Port,
    /// IP protocol.
    pub protocol: u8,
    /// The [`super::reason::Reason`] as a number.
    pub reason: u8,
    /// Unused.
    pub padding: u16,
    /// How many like it were not reported since the last that was.
    pub suppressed: u64,
    /// Interface index.
    pub ifindex: u32,
    /// Unused.
    pub reserved: u32,
}
