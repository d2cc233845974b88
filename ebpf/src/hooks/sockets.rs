//! A socket is made, and goes.

use core::ffi::c_void;

use aya_ebpf::{
    EbpfContext as _,
    helpers::generated::{bpf_get_current_ancestor_cgroup_id, bpf_get_netns_cookie},
    macros::cgroup_sock,
    programs::SockContext,
};
use berth_common::abi::{port::Claim, socket::Bound, units::ContainerId};

use crate::{
    maps::SOCKET_PORTS,
    seams,
    socket::{self, Known},
};

const ALLOW: i32 = 1;

/// The socket belongs to the container of the task that makes it.
#[cgroup_sock(sock_create)]
pub fn berth_create(ctx: SockContext) -> i32 {
    owner_by_task(ctx.as_ptr(), ctx.as_ptr());
    ALLOW
}

/// What the socket has reserved it gives up.
#[cgroup_sock(sock_release)]
pub fn berth_release(ctx: SockContext) -> i32 {
    give_up(SOCKET_PORTS.get(ctx.as_ptr()));
    ALLOW
}

/// Gives up what `stored`, a value of [`SOCKET_PORTS`] or null, says that its socket has reserved.
#[inline(always)]
pub fn give_up(stored: *mut Bound) {
    if stored.is_null() {
        return;
    }
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
}

/// Keeps the running task's container with the socket. The context is the program's.
#[inline(always)]
pub fn owner_by_task(context: *mut c_void, socket: *mut c_void) -> Known {
    // SAFETY: The helpers have no preconditions.
    let entry = socket::container_of_cgroup(|level| unsafe { bpf_get_current_ancestor_cgroup_id(level) });
    match entry {
        // SAFETY: The context is the program's.
        Some(entry) => socket::remember(socket, entry, unsafe { bpf_get_netns_cookie(context) }),
        None => Known::Nothing,
    }
}
