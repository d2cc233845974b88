//! Sockets: whose they are, and which one a packet would reach.

use core::{
    ffi::c_void,
    mem::{MaybeUninit, size_of},
};

use aya_ebpf::{
    bindings::{
        BPF_TCP_NEW_SYN_RECV, bpf_sock, bpf_sock_tuple, bpf_sock_tuple__bindgen_ty_1__bindgen_ty_1 as Tuple4,
        bpf_sock_tuple__bindgen_ty_1__bindgen_ty_2 as Tuple6,
    },
    helpers::generated::{
        bpf_probe_read_kernel, bpf_sk_lookup_tcp, bpf_sk_lookup_udp, bpf_sk_release, bpf_skc_lookup_tcp,
    },
};
use berth_common::{
    abi::{
        socket::{CgroupEntry, SocketOwner},
        units::{ContainerId, Protocol},
    },
    engine::{Headers, tables::Found},
};

use crate::{
    maps::{CGROUPS, SOCKET_OWNERS},
    tables::{config, is_current},
};

/// `BPF_F_CURRENT_NETNS`: the network namespace of the packet's device, or of the calling socket.
const CURRENT_NETNS: u64 = u64::MAX;

/// What is known of a socket's owner.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// Nothing is kept with the socket, or it is from a container that is gone.
    Nothing,
    /// It is a container's, in the node's network namespace.
    Container(ContainerId),
    /// It lives in another network namespace.
    Foreign,
}

/// What is kept with `socket` about its owner.
#[inline(always)]
pub fn known(socket: *mut c_void) -> Known {
    let owner = SOCKET_OWNERS.get(socket);
    if owner.is_null() {
        return Known::Nothing;
    }
    // SAFETY: Just checked; socket storage stays valid while the program runs.
    let owner = unsafe { *owner };
    if !is_current(owner.container, owner.generation) {
        return Known::Nothing;
    }
    let Some(config) = config() else { return Known::Foreign };
    if owner.netns == config.netns { Known::Container(owner.container) } else { Known::Foreign }
}

/// Finds the container among a socket's (or task's) cgroup and its ancestors: `ancestor` gives the id of the one at a
/// level.
#[inline(always)]
pub fn container_of_cgroup(ancestor: impl Fn(i32) -> u64) -> Option<CgroupEntry> {
    let config = config()?;
    for level in config.cgroup_levels {
        if level == 0 {
            return None;
        }
        let id = ancestor(level as i32);
        // SAFETY: Only the loader writes these values, as whole words.
        if let Some(entry) = unsafe { CGROUPS.get(id) } {
            let entry = *entry;
            return is_current(entry.container, entry.generation).then_some(entry);
        }
    }
    None
}

/// Keeps with `socket` that it belongs to the container of `entry`, and tells what that makes it.
#[inline(always)]
pub fn remember(socket: *mut c_void, entry: CgroupEntry, netns: u64) -> Known {
    let owner = SocketOwner { container: entry.container, generation: entry.generation, netns };
    let kept = SOCKET_OWNERS.get_or_insert(socket, &owner);
    if !kept.is_null() {
        // SAFETY: Just checked. An owner from a container that is gone is replaced.
        unsafe { *kept = owner };
    }
    match config() {
        Some(config) if config.netns == netns => Known::Container(entry.container),
        _ => Known::Foreign,
    }
}

/// The network namespace's cookie, read from the kernel's `struct sock`: for hooks and kernels without
/// `bpf_get_netns_cookie`. The node's own where the kernel describes no layout.
#[inline(always)]
pub fn netns_of(socket: *const c_void) -> u64 {
    let Some(config) = config() else { return 0 };
    if config.sock_net_offset == 0 {
        return config.netns;
    }
    let namespace = read_kernel(address_of(socket).wrapping_add(config.sock_net_offset as u64));
    read_kernel(namespace.wrapping_add(config.net_cookie_offset as u64))
}

/// A socket's address as a mere number, which the verifier lets nobody compute from the pointer.
#[inline(always)]
pub fn address_of(socket: *const c_void) -> u64 {
    let pointer = socket;
    read_kernel((&raw const pointer) as u64)
}

/// A word of kernel memory; zero if it cannot be read.
#[inline(always)]
pub fn read_kernel(address: u64) -> u64 {
    let mut word = 0_u64;
    // SAFETY: The helper checks the address and fills the eight bytes.
    unsafe { bpf_probe_read_kernel((&raw mut word).cast(), 8, address as *const c_void) };
    word
}

/// Whose TCP or UDP socket would get the packet `headers`, or its answer, if it arrived now.
#[inline(always)]
pub fn find(context: *mut c_void, headers: &Headers, answer: bool) -> Found {
    // As much of it is written as the size says, and no more is read.
    let mut tuple = MaybeUninit::<bpf_sock_tuple>::uninit();
    let tuple = tuple.as_mut_ptr();
    let (from, to, sport, dport) = if answer {
        (&headers.destination, &headers.source, headers.destination_port, headers.source_port)
    } else {
        (&headers.source, &headers.destination, headers.source_port, headers.destination_port)
    };
    let (sport, dport) = (sport.0.to_be(), dport.0.to_be());
    let size = if headers.source.is_v4() {
        // SAFETY: A field of a local.
        unsafe { (*tuple).__bindgen_anon_1.ipv4 = Tuple4 { saddr: from.0[3], daddr: to.0[3], sport, dport } };
        size_of::<Tuple4>() as u32
    } else {
        // SAFETY: As above.
        unsafe { (*tuple).__bindgen_anon_1.ipv6 = Tuple6 { saddr: from.0, daddr: to.0, sport, dport } };
        size_of::<Tuple6>() as u32
    };
    match headers.protocol {
        Protocol::TCP => find_tcp(context, tuple, size),
        Protocol::UDP => {
            // SAFETY: The context is the program's, the tuple is initialised as far as its size says.
            owner_of_reference(unsafe { bpf_sk_lookup_udp(context, tuple, size, CURRENT_NETNS, 0) })
        }
        _ => Found::Nothing,
    }
}

#[inline(always)]
fn find_tcp(context: *mut c_void, tuple: *mut bpf_sock_tuple, size: u32) -> Found {
    // SAFETY: As for UDP.
    let socket = unsafe { bpf_skc_lookup_tcp(context, tuple, size, CURRENT_NETNS, 0) };
    // SAFETY: A field of a socket.
    if socket.is_null() || unsafe { (*socket).state } != BPF_TCP_NEW_SYN_RECV {
        return owner_of_reference(socket);
    }
    // A request, with which nothing is kept. The other lookup finds its listener.
    // SAFETY: The lookup took the reference, which is given back here.
    unsafe { bpf_sk_release(socket.cast()) };
    // SAFETY: As above.
    let listener = unsafe { bpf_sk_lookup_tcp(context, tuple, size, CURRENT_NETNS, 0) };
    if listener.is_null() { Found::Other } else { owner_of_reference(listener) }
}

/// The owner of a socket that was looked up, whose reference it gives back.
#[inline(always)]
fn owner_of_reference(socket: *mut bpf_sock) -> Found {
    if socket.is_null() {
        return Found::Nothing;
    }
    let known = known(socket.cast());
    // SAFETY: The lookup took the reference, and this is the only place that gives it back.
    unsafe { bpf_sk_release(socket.cast()) };
    match known {
        Known::Container(id) => Found::Container(id),
        Known::Nothing | Known::Foreign => Found::Other,
    }
}
