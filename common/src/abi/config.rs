//! What all programs share.

use super::{flow_table::Shape, units::ContainerId};

/// Most uplinks a node may have.
pub const MAX_UPLINKS: usize = 8;

/// At how many different depths below the root of the hierarchy there may be containers' cgroups.
pub const MAX_CGROUP_LEVELS: usize = 8;

/// Only entry of the `CONFIG` map. Written by the loader alone.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// [`super::VERSION`] of the loader that made the maps.
    pub abi: u32,
    /// What happens to packets that arrive for nobody: [`Config::UNOWNED_PASS`] or [`Config::UNOWNED_DROP`].
    pub unowned: u32,
    /// Cookie of the node's network namespace (`SO_NETNS_COOKIE`).
    pub netns: u64,
    /// Interface indices of the uplinks; zero where there is none.
    pub uplinks: [u32; MAX_UPLINKS],
    /// Those of them whose packets begin with the IP header (TUN, WireGuard, PPP), a bit for each place.
    pub bare_uplinks: u32,
    /// Number of entries of `ADDRESSES` that belong to a container alone.
    pub container_addresses: u32,
    /// Offset of `skc_net` in the kernel's `struct sock_common`, in bytes; zero where the kernel has no BTF.
    pub sock_net_offset: u32,
    /// Offset of `net_cookie` in the kernel's `struct net`, in bytes.
    pub net_cookie_offset: u32,
    /// Offset of the bit field with `skc_ipv6only` in `struct sock_common`, in bits.
    pub ipv6only_bit: u32,
    /// The four bits of packets' marks that are berth's own between two hooks.
    pub mark_mask: u32,
    /// The place of the lowest of them.
    pub mark_shift: u32,
    /// Not zero if flows keep verdicts ([`crate::engine::cached`]).
    pub keep_verdicts: u32,
    /// How strictly TCP is looked at: bits of [`Config::TCP_LIBERAL`] and its neighbours.
    pub tcp: u32,
    /// Not zero if there are containers whose flows may be translated ([`crate::engine::nat`]): bits of [`Config::NAT_ON`] and its neighbour.
    pub nat: u32,
    /// The ports that masquerading takes: the first and the last.
    pub nat_ports: [u16; 2],
    /// How many levels below the root of the hierarchy containers' cgroups are; zeros at the end.
    pub cgroup_levels: [u8; MAX_CGROUP_LEVELS],
    /// The flow table's.
    pub flows: Shape,
}

impl Config {
    /// Whether packets begin with the IP header at the interface with this index, if it is an uplink.
    #[inline(always)]
    pub fn is_bare(&self, ifindex: u32) -> bool {
        if self.bare_uplinks == 0 {
            return false;
        }
        let places = self.uplinks.iter().enumerate().filter(|(_, uplink)| **uplink == ifindex);
        places.fold(0, |bare, (place, _)| bare | self.bare_uplinks >> place & 1) != 0
    }

    /// Packets for nobody pass, counted.
    pub const UNOWNED_PASS: u32 = 0;
    /// Packets for nobody are dropped, counted.
    pub const UNOWNED_DROP: u32 = 1;

    /// On the uplinks, and between containers.
    pub const NAT_ON: u32 = 1;
    /// By containers' own rules ([`crate::engine::nat::own`]), beside that.
    pub const NAT_OWN: u32 = 2;
    /// What is established takes the fast path ([`crate::engine::fast`]), translated or not.
    pub const FAST: u32 = 4;

    /// No segment is outside of its connection's window (`nf_conntrack_tcp_be_liberal`).
    pub const TCP_LIBERAL: u32 = 1;
    /// No connection is met in mid-stream (`nf_conntrack_tcp_loose` at zero).
    pub const TCP_STRICT: u32 = 2;
}

/// Only entry of the `RUNTIME` map. Written by the programs.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Runtime {
    /// Grows with every new port reservation, so that flows made before it are looked at again.
    pub port_epoch: u64,
}

/// Value of the `INTERFACES` map (key: interface index): a container's own interface, seen from the node.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interface {
    /// The container behind the interface.
    pub container: ContainerId,
    /// Its generation when the entry was made.
    pub generation: u32,
    /// Bits of [`Interface::BARE`] and its neighbour.
    pub flags: u32,
}

impl Interface {
    /// Its packets begin with the IP header (TUN).
    pub const BARE: u32 = 1;
    /// The container's own rules translate flows, or have done so.
    pub const TRANSLATES: u32 = 2;

    /// Whether a flag is set.
    #[inline(always)]
    pub const fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }
}
