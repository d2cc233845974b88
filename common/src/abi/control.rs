//! Requests of the loader to the `control` program, which carries them out with the same code as the hooks.

use super::{flow::FlowKey, port::PortKey, rules::shelf::Place, units::ContainerId};

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
    /// The first slot that is looked at, where slots are; afterwards, the one after the last.
    pub cursor: u32,
    /// How many flows are guaranteed.
    pub flows: u32,
    /// The number of the set it is about.
    pub set: u32,
    /// Not used.
    pub padding: u32,
    /// Where what is published is.
    pub place: Place,
}

impl Control {
    /// Reserve `key` for `container`.
    pub const RESERVE: u32 = 1;
    /// Give up the operator's reservation of `key`.
    pub const RELEASE: u32 = 2;
    /// Free slots of `container` whose flows have expired, and add to the result how many: those that nobody has looked at for
    /// longest, a few at a time.
    pub const SWEEP_FLOWS: u32 = 3;
    /// End the flows of `container` in a few slots, and add to the result how many.
    pub const FLUSH_FLOWS: u32 = 4;
    /// Delete all reservations of `container`, or those that nobody holds, for [`ContainerId::UNOWNED`].
    pub const FLUSH_PORTS: u32 = 5;
    /// Delete what rules keep no longer.
    pub const SWEEP_GUARDS: u32 = 6;
    /// The same of lists of recent addresses alone, where each is named.
    pub const SWEEP_LISTS: u32 = 7;
    /// The same of flows that connlimits count.
    pub const SWEEP_COUNTED: u32 = 8;
    /// The same of how many there are.
    pub const SWEEP_COUNTS: u32 = 9;

    /// End the flow that is named.
    pub const END_FLOW: u32 = 10;

    /// Carry the entries of a few slots over to the new side of a table that grows, and add to the result how many stay for now.
    pub const CARRY_FLOWS: u32 = 11;
    /// Carry free slots over, a few at a time, and add to the result how many.
    pub const DRAIN_SLOTS: u32 = 12;

    /// Guarantee `container` so many flows; the result is zero if others were quicker each time.
    pub const GUARANTEE: u32 = 13;

    /// Forget what `container` has used, but for the flows that it has: it is no more.
    pub const FORGET_USAGE: u32 = 14;

    /// Have `container` meet the rules that are at `place`. Here, since the kernel copies what user space writes to an array byte by byte.
    pub const PUBLISH_RULES: u32 = 15;

    /// Have rules that name `set` meet the one that is at `place`.
    pub const PUBLISH_SET: u32 = 16;

    /// How many slots are looked at, at most, by what looks at a few.
    pub const LOOKS: u32 = 64;

    /// Flag of [`Control::RESERVE`]: for a user-space stack.
    pub const RAW: u32 = 1;
}

/// A flow that a request is about: the packet begins with it.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamedFlow {
    /// The number of its slot.
    pub slot: u32,
    /// Its key: the slot may be another's by now.
    pub key: FlowKey,
}
