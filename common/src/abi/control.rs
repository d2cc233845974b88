//! Requests of the loader to the `control` program, which carries them out with the same code as the hooks.

use super::{port::PortKey, units::ContainerId};

/// Only entry of the `CONTROL` map: the request, and afterwards its answer.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Control {
    /// What to do: [`Control::RESERVE`] and its neighbours.
    pub operation: u32,
    /// The container it is about.
    pub container: ContainerId,
    /// The port it is about.
    pub key: PortKey,
    /// In: [`Control::RAW`]. Out: zero, or the [`super::reason::Reason`] for a refusal.
    pub flags: u32,
    /// Out: how many entries were changed, or the container that holds the port.
    pub result: u32,
}

impl Control {
    /// Reserve `key` for `container`.
    pub const RESERVE: u32 = 1;
    /// Give up the operator's reservation of `key`.
    pub const RELEASE: u32 = 2;
    /// Delete the flows that have expired, reservations that nobody holds, and what rules keep no longer.
    pub const SWEEP: u32 = 3;
    /// Delete all flows of `container`.
    pub const FLUSH_FLOWS: u32 = 4;
    /// Delete all reservations of `container`.
    pub const FLUSH_PORTS: u32 = 5;
    /// Delete what rules keep no longer.
    pub const SWEEP_GUARDS: u32 = 6;
    /// The same of lists of recent addresses alone, where each is named.
    pub const SWEEP_LISTS: u32 = 7;
    /// The same of flows that connlimits count.
    pub const SWEEP_COUNTED: u32 = 8;
    /// The same of how many there are.
    pub const SWEEP_COUNTS: u32 = 9;

    /// Flag of [`Control::RESERVE`]: for a user-space stack.
    pub const RAW: u32 = 1;
}
