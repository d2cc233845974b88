//! What rules keep beside their ruleset, so that it outlives it: buckets of hashlimit, lists of recent addresses, the flows
//! that connlimit counts.
//!
//! An *object* is what a rule names, or is: one hashlimit, one list, one connlimit. It has a number among those that its
//! container ever had, so that what was kept for an earlier one is void.

use super::{
    address::Address,
    flow::FlowKey,
    units::{ContainerId, Nanos, Port},
};

/// Key of the `OBJECTS` map: what containers' rules keep something for now. Written by the loader alone.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    /// Whose.
    pub container: ContainerId,
    /// [`super::container::Container::generation`].
    pub generation: u32,
    /// Its number.
    pub number: u32,
}

/// Key of the `BUCKETS` map: packets of one kind, as hashlimit tells kinds apart. What it leaves out is zero.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BucketKey {
    /// The hashlimit.
    pub object: ObjectKey,
    /// Source address, masked.
    pub source: Address,
    /// Destination address, masked.
    pub destination: Address,
    /// Source port.
    pub source_port: Port,
    /// Destination port.
    pub destination_port: Port,
}

/// Value of the `BUCKETS` map.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// When it will be full, as of [`super::rules::check::LIMIT`].
    pub full_at: u64,
    /// When it is forgotten unless more packets come. Zero: claimed for deletion; whoever deletes it first swaps this word.
    pub expires: Nanos,
}

/// Most addresses in a list (`ip_list_tot` in net/netfilter/xt_recent.c).
pub const RECENT_ADDRESSES: usize = 100;

/// Most times that are remembered for an address, hence the most hits that can be asked for: what `ip_pkt_list_tot` in
/// net/netfilter/xt_recent.c long was.
pub const RECENT_STAMPS: usize = 20;

/// Most lists of recent addresses among the rules of a container, both families together.
pub const MAX_RECENT_LISTS: usize = 32;

/// Value of the `RECENTS` map: a list of recent addresses. Made and deleted by the loader, changed under its lock.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecentList {
    /// The lock.
    pub lock: bpf_spin_lock,
    /// Unused.
    pub padding: u32,
    /// How often it has changed.
    pub turns: u64,
    /// The addresses, in no order.
    pub entries: [RecentEntry; RECENT_ADDRESSES],
}

/// The kernel's lock of a map value, which it knows by this name.
#[allow(non_camel_case_types, reason = "its name in the kernel")]
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct bpf_spin_lock {
    /// The kernel's.
    pub val: u32,
}

/// An address of a list.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecentEntry {
    /// The address, masked.
    pub address: Address,
    /// The list's turn when it was last added or renewed; zero where there is no address.
    pub turn: u64,
    /// When that was, in nanoseconds as of [`Nanos`].
    pub last: u64,
    /// The time to live of the packet that did it.
    pub ttl: u8,
    /// How many times are remembered.
    pub count: u8,
    /// Where the next one is remembered.
    pub next: u8,
    /// Unused.
    pub padding: [u8; 5],
    /// When it was added or renewed, as of [`Nanos`]; the last times, in a ring.
    pub stamps: [u64; RECENT_STAMPS],
}

impl RecentList {
    /// Without addresses.
    #[allow(clippy::large_stack_arrays, reason = "a constant, which goes into a map or on the heap")]
    pub const EMPTY: Self = Self {
        lock: bpf_spin_lock { val: 0 },
        padding: 0,
        turns: 0,
        entries: [RecentEntry::NONE; RECENT_ADDRESSES],
    };
}

impl RecentEntry {
    /// Of no address.
    pub const NONE: Self = Self {
        address: Address::ANY6,
        turn: 0,
        last: 0,
        ttl: 0,
        count: 0,
        next: 0,
        padding: [0; 5],
        stamps: [0; RECENT_STAMPS],
    };
}

/// Most connlimits among the rules of a container, both families together.
pub const MAX_CONNLIMITS: usize = 32;

/// Value of the `CONNLIMITS` map, by container: its connlimits. Written by the loader alone.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connlimits {
    /// How many there are.
    pub count: u32,
    /// Their numbers.
    pub numbers: [u32; MAX_CONNLIMITS],
}

impl Connlimits {
    /// None.
    pub const NONE: Self = Self { count: 0, numbers: [0; MAX_CONNLIMITS] };
}

/// Key of the `COUNTED` map: a flow that a connlimit counts, in the direction in which it came by.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CountedKey {
    /// The connlimit.
    pub object: ObjectKey,
    /// The flow.
    pub flow: FlowKey,
    /// One if the packet came from the smaller end, else zero.
    pub from_low: u32,
}

/// Value of the `COUNTED` map.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// When it was counted first. The flow is opened after that.
    pub since: Nanos,
    /// The address that it is counted for, masked.
    pub address: Address,
}

/// Key of the `COUNTS` map, whose values are how many entries of `COUNTED` there are for an address.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CountKey {
    /// The connlimit.
    pub object: ObjectKey,
    /// The address, masked.
    pub address: Address,
}
