//! What is kept with sockets and cgroups.

use super::{nat::NatEnd, port::PortKey, units::ContainerId};

/// Value of the `CGROUPS` map (key: cgroup id, which is its inode number).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CgroupEntry {
    /// The container whose cgroup this is.
    pub container: ContainerId,
    /// Its generation when the entry was made.
    pub generation: u32,
}

/// Value of the `SOCKET_OWNERS` socket storage; accepted children inherit it.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketOwner {
    /// The container the socket was made for.
    pub container: ContainerId,
    /// Its generation then.
    pub generation: u32,
    /// Cookie of the socket's network namespace.
    pub netns: u64,
}

/// Value of the `SOCKET_PORTS` socket storage, which children do not inherit: the reservation the socket counts in.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// The reservation's key.
    pub key: PortKey,
    /// The second key, for a socket that serves both families.
    pub second: PortKey,
    /// The owner, whose quota it counts in; zero while nothing is reserved.
    pub owner: ContainerId,
    /// One if `second` is held too.
    pub dual: u32,
}

/// What a socket has asked for, and what it was given in its place.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alias {
    /// An address and published port of the node's.
    pub asked: NatEnd,
    /// The container's end to which that leads.
    pub reached: NatEnd,
}

impl Alias {
    /// None.
    pub const NONE: Self = Self { asked: NatEnd::NOWHERE, reached: NatEnd::NOWHERE };
}

/// Value of the `SOCKET_ALIASES` socket storage: what a socket calls the containers' ends that it talks to
/// ([`crate::engine::nat::ask`]).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aliases {
    /// In no order; [`Alias::NONE`] where there is none.
    pub places: [Alias; Aliases::PLACES],
    /// The place that the next one gets if none is free, modulo [`Aliases::PLACES`].
    pub next: u32,
}

impl Aliases {
    /// As many ends a socket that is not connected may talk to at once. A power of two.
    pub const PLACES: usize = 4;

    /// Of a socket that has none.
    pub const NONE: Self = Self { places: [Alias::NONE; Self::PLACES], next: 0 };
}

/// Value of the `ADOPTIONS` map (key: socket cookie): what the loader found out about a socket that was there before
/// its container was known. The iterators take it over into socket storage.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adoption {
    /// Where the socket is bound; port zero if it is not, or is connected from a port that the kernel chose.
    pub key: PortKey,
    /// The container.
    pub container: ContainerId,
    /// Its generation.
    pub generation: u32,
    /// One if the socket serves IPv4 and IPv6.
    pub dual: u32,
    /// Unused.
    pub padding: u32,
}
