//! A socket is made, and goes.

use aya_ebpf::{
    EbpfContext as _,
    helpers::generated::{bpf_get_current_ancestor_cgroup_id, bpf_get_netns_cookie},
    macros::cgroup_sock,
    programs::SockContext,
};
use berth_common::abi::{port::Claim, units::ContainerId};

use crate::{
    maps::SOCKET_PORTS,
    seams,
    socket::{self, Known},
};

const ALLOW: i32 = 1;

/// The socket belongs to the container of the task that makes it.
#[cgroup_sock(sock_create)]
pub fn berth_create(ctx: SockContext) -> i32 {
    owner_by_task(&ctx);
    ALLOW
}

/// What the socket has reserved it gives up.
#[cgroup_sock(sock_release)]
pub fn berth_release(ctx: SockContext) -> i32 {
    let bound = SOCKET_PORTS.get(ctx.as_ptr());
    if bound.is_null() {
        return ALLOW;
    }
    let stored = bound;
    // SAFETY: Just checked; socket storage stays valid while the program runs.
    let bound = unsafe { *stored };
    if bound.owner.is_container() {
        let claim = Claim::bound(bound.owner);
        seams::release(&bound.key, claim);
        if bound.dual != 0 {
            seams::release(&bound.second, claim);
        }
    }
    // SAFETY: As above. The socket may be bound again.
    unsafe { (*stored).owner = ContainerId::HOST };
    ALLOW
}

/// Keeps the running task's container with the socket.
#[inline(always)]
pub fn owner_by_task(ctx: &SockContext) -> Known {
    // SAFETY: The helpers have no preconditions.
    let entry = socket::container_of_cgroup(|level| unsafe { bpf_get_current_ancestor_cgroup_id(level) });
    match entry {
        // SAFETY: The context is the program's.
        Some(entry) => socket::remember(ctx.as_ptr(), entry, unsafe { bpf_get_netns_cookie(ctx.as_ptr()) }),
        None => Known::Nothing,
    }
}
