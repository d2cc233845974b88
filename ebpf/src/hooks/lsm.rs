//! BPF LSM on a container's cgroup: what would let packets pass the hooks is refused on every way into the kernel.

use aya_ebpf::{
    helpers::generated::bpf_get_current_ancestor_cgroup_id, macros::lsm_cgroup, programs::LsmContext,
};
use berth_common::abi::{container::Container, reason::Reason, units::ContainerId};

use crate::{count, maps::CONTAINERS, socket};

const ALLOW: i32 = 1;
const DENY: i32 = 0;

const AF_PACKET: i32 = 17;
const AF_XDP: i32 = 44;
const SOL_PACKET: i32 = 263;
const SOL_XDP: i32 = 283;
const PACKET_QDISC_BYPASS: i32 = 20;

#[lsm_cgroup(hook = "socket_setsockopt")]
pub fn berth_lsm_opt(ctx: LsmContext) -> i32 {
    // The hook's arguments: socket, level, name.
    let (level, name): (i32, i32) = (ctx.arg(1), ctx.arg(2));
    if bypasses(level, name) {
        refused(Reason::BypassDenied);
        return DENY;
    }
    ALLOW
}

#[lsm_cgroup(hook = "socket_create")]
pub fn berth_lsm_sock(ctx: LsmContext) -> i32 {
    // The hook's arguments: family, type, protocol, kern.
    let (family, kernel): (i32, i32) = (ctx.arg(0), ctx.arg(3));
    if kernel != 0 {
        return ALLOW;
    }
    let denied = match family {
        AF_XDP => true,
        AF_PACKET => denies_packet_sockets(),
        _ => false,
    };
    if denied {
        refused(Reason::BypassDenied);
        return DENY;
    }
    ALLOW
}

/// Whether an option would let packets pass the hooks: past the queueing disciplines, or by AF_XDP.
#[inline(always)]
pub fn bypasses(level: i32, name: i32) -> bool {
    match level {
        SOL_PACKET => name == PACKET_QDISC_BYPASS,
        SOL_XDP => true,
        _ => false,
    }
}

/// Counts a refusal for the running task's container.
#[inline(always)]
pub fn refused(reason: Reason) {
    if let Some(id) = current() {
        count::refusal(id, reason);
    }
}

#[inline(always)]
fn denies_packet_sockets() -> bool {
    current()
        .and_then(|id| CONTAINERS.get(id.0))
        .is_some_and(|container| container.flags & Container::NO_PACKET_SOCKETS != 0)
}

#[inline(always)]
fn current() -> Option<ContainerId> {
    // SAFETY: The helper has no preconditions.
    socket::container_of_cgroup(|level| unsafe { bpf_get_current_ancestor_cgroup_id(level) })
        .map(|entry| entry.container)
}
