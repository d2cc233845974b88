//! setsockopt() on a container's sockets, whoever calls: options that would let packets pass the hooks. 32-bit
//! compatibility calls do not come by here; those of the container's own tasks are seen by BPF LSM.

use aya_ebpf::{macros::cgroup_sockopt, programs::SockoptContext};
use berth_common::abi::reason::Reason;

use crate::hooks::lsm;

const ALLOW: i32 = 1;
const DENY: i32 = 0;

#[cgroup_sockopt(setsockopt)]
pub fn berth_sockopt(ctx: SockoptContext) -> i32 {
    // SAFETY: Fields of the program's context.
    let (level, name) = unsafe { ((*ctx.sockopt).level, (*ctx.sockopt).optname) };
    // The kernel takes the caller's own buffer, however long it is, instead of the copy that this program could change.
    // SAFETY: As above.
    unsafe { (*ctx.sockopt).optlen = 0 };
    if lsm::bypasses(level, name) {
        lsm::refused(Reason::BypassDenied);
        return DENY;
    }
    ALLOW
}
