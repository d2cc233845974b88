//! Iterators over the kernel's sockets: those that the loader has found to belong to a container, which was not known
//! when they were made, get its mark.

use core::ffi::c_void;

use aya_ebpf::helpers::generated::bpf_get_socket_cookie;
use berth_common::{
    abi::{
        port::Claim,
        socket::{Bound, CgroupEntry},
        units::{ContainerId, Nanos},
    },
    engine::Tables as _,
};

use crate::{
    maps::{ADOPTIONS, SOCKET_PORTS},
    seams::{self, NoContext},
    socket,
    tables::{Maps, config},
};

/// `struct bpf_iter__tcp` and `struct bpf_iter__udp` as far as they are alike.
#[repr(C)]
pub struct SocketIteration {
    meta: *mut c_void,
    socket: *mut c_void,
}

#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/tcp")]
pub extern "C" fn berth_adopt_tcp(ctx: *mut SocketIteration) -> i32 {
    // SAFETY: The program's context.
    adopt(unsafe { (*ctx).socket });
    0
}

#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/udp")]
pub extern "C" fn berth_adopt_udp(ctx: *mut SocketIteration) -> i32 {
    // SAFETY: The program's context.
    adopt(unsafe { (*ctx).socket });
    0
}

#[inline(always)]
fn adopt(socket: *mut c_void) {
    if socket.is_null() {
        return;
    }
    // SAFETY: The iterator's socket, just checked.
    let cookie = unsafe { bpf_get_socket_cookie(socket) };
    // SAFETY: The loader wrote it before it started the iteration.
    let Some(adoption) = (unsafe { ADOPTIONS.get(cookie) }).copied() else { return };
    let Some(config) = config() else { return };
    let entry = CgroupEntry { container: adoption.container, generation: adoption.generation };
    if socket::known(socket) == socket::Known::Nothing {
        let _ = socket::remember(socket, entry, config.netns);
    }
    if adoption.key.port.0 == 0 {
        return;
    }
    let second = berth_common::abi::port::PortKey::new(
        adoption.key.protocol,
        berth_common::abi::address::Address::ANY4,
        adoption.key.port,
    );
    let initial = Bound { key: adoption.key, second, owner: ContainerId::HOST, dual: adoption.dual };
    let bound = SOCKET_PORTS.get_or_insert(socket, &initial);
    // SAFETY: Checked first.
    if bound.is_null() || unsafe { (*bound).owner }.is_container() {
        return;
    }
    let maps = Maps::at(NoContext, Nanos(0));
    let Some(container) = maps.container(adoption.container) else { return };
    let claim = Claim::bound(adoption.container);
    if seams::reserve(&initial.key, claim, container.port_limit).is_err() {
        return;
    }
    let dual = adoption.dual != 0 && seams::reserve(&second, claim, container.port_limit).is_ok();
    // SAFETY: Checked above; the iterator holds the socket.
    unsafe {
        *bound = initial;
        (*bound).dual = dual as u32;
        (*bound).owner = adoption.container;
    }
}
