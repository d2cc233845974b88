//! Who sends a packet: the container of its socket, where that socket says anything about it.

use core::ffi::c_void;

use aya_ebpf::{
    bindings::{__sk_buff, bpf_sock},
    helpers::generated::{bpf_sk_ancestor_cgroup_id, bpf_sk_fullsock, bpf_skb_ancestor_cgroup_id},
};
use berth_common::{
    abi::units::{ContainerId, Protocol},
    engine::Headers,
};

use crate::{
    packet::Skb,
    socket::{self, Known},
};

const AF_PACKET: u32 = 17;
const SOCK_RAW: u32 = 3;

/// Who a packet at TC egress comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// A container's socket.
    Container(ContainerId),
    /// A socket of the host that the packet is really from.
    Host,
    /// The kernel, or somebody behind it: no socket says.
    Unknown,
}

/// The container whose socket a cgroup hook runs for; nothing for sockets of other network namespaces.
#[inline(always)]
pub fn at_cgroup(skb: *mut __sk_buff) -> Option<ContainerId> {
    // SAFETY: A field of the program's context.
    let socket: *mut bpf_sock = unsafe { (*skb).__bindgen_anon_2.sk };
    if socket.is_null() {
        return None;
    }
    let known = match socket::known(socket.cast()) {
        Known::Nothing => {
            // SAFETY: The helper takes any socket.
            let ancestor = |level| unsafe { bpf_sk_ancestor_cgroup_id(socket.cast(), level) };
            adopt(socket.cast(), ancestor)
        }
        known => known,
    };
    match known {
        Known::Container(id) => Some(id),
        Known::Nothing | Known::Foreign => None,
    }
}

/// Whether a cgroup hook runs for a raw socket.
#[inline(always)]
pub fn is_raw(skb: *mut __sk_buff) -> bool {
    let socket = full_socket(skb);
    // SAFETY: A field of a full socket.
    !socket.is_null() && unsafe { (*socket).type_ } == SOCK_RAW
}

/// Whether a packet at TC egress comes from the kernel itself, or for a connection that nobody has accepted yet.
#[inline(always)]
pub fn is_kernels(skb: *mut __sk_buff) -> bool {
    full_socket(skb).is_null()
}

/// Whether a packet at TC egress was sent by a packet socket.
#[inline(always)]
pub fn is_packet_socket(skb: *mut __sk_buff) -> bool {
    let socket = full_socket(skb);
    // SAFETY: A field of a full socket.
    !socket.is_null() && unsafe { (*socket).family } == AF_PACKET
}

/// Who a packet at TC egress comes from. `headers` are missing for frames that are not IP.
#[inline(always)]
pub fn at_egress(skb: *mut __sk_buff, headers: Option<&Headers>) -> Sender {
    let socket = full_socket(skb);
    // What has come in, and not through the stack, may have brought a socket of another network along.
    if socket.is_null() || Skb(skb).came_by() != 0 {
        return Sender::Unknown;
    }
    // SAFETY: Fields of a full socket.
    let (family, kind) = unsafe { ((*socket).family, (*socket).type_) };
    let known = match socket::known(socket.cast()) {
        // The cgroup hook has seen every other socket of a container before its packet comes here.
        Known::Nothing if family == AF_PACKET => {
            // SAFETY: The helper takes any context of this kind.
            let ancestor = |level| unsafe { bpf_skb_ancestor_cgroup_id(skb, level) };
            adopt(socket.cast(), ancestor)
        }
        known => known,
    };
    let raw = family == AF_PACKET || kind == SOCK_RAW;
    match known {
        Known::Container(id) if raw || is_own(socket, headers) => Sender::Container(id),
        Known::Nothing if !raw && is_own(socket, headers) => Sender::Host,
        // Of a container's: the outside of a tunnel, or ESP, around its packet.
        Known::Container(_) | Known::Nothing | Known::Foreign => Sender::Unknown,
    }
}

/// Whether a packet at TC egress can have met a container's cgroup hook, whose mark then means something. What has no full
/// socket, as a SYN-ACK has none, may be a container's.
///
/// A function of its own in the kernel, too, since it is there twice.
#[inline(never)]
pub fn was_at_cgroup(skb: *mut __sk_buff, headers: &Headers) -> bool {
    // SAFETY: A field of the program's context.
    let has_socket = unsafe { !(*skb).__bindgen_anon_2.sk.is_null() };
    has_socket && !is_packet_socket(skb) && at_egress(skb, Some(headers)) != Sender::Host
}

/// The container whose packet socket sent this.
#[inline(always)]
pub fn packet_socket(skb: *mut __sk_buff) -> Option<ContainerId> {
    if !is_packet_socket(skb) {
        return None;
    }
    match at_egress(skb, None) {
        Sender::Container(id) => Some(id),
        Sender::Host | Sender::Unknown => None,
    }
}

/// The socket of a packet, or null if it has none that is full.
#[inline(always)]
fn full_socket(skb: *mut __sk_buff) -> *mut bpf_sock {
    // SAFETY: A field of the program's context.
    let socket: *mut bpf_sock = unsafe { (*skb).__bindgen_anon_2.sk };
    // SAFETY: The helper takes any socket, and gives null for one that is not full.
    if socket.is_null() { socket } else { unsafe { bpf_sk_fullsock(socket) } }
}

/// Whether the packet's protocol and source port are its socket's.
#[inline(always)]
fn is_own(socket: *mut bpf_sock, headers: Option<&Headers>) -> bool {
    let Some(headers) = headers else { return false };
    // SAFETY: Fields of a full socket.
    let (protocol, port) = unsafe { ((*socket).protocol, (*socket).src_port) };
    if protocol != headers.protocol.0 as u32 {
        return false;
    }
    match headers.protocol {
        // A later fragment has no port.
        Protocol::TCP | Protocol::UDP => headers.source_port.0 == 0 || port == headers.source_port.0 as u32,
        _ => true,
    }
}

/// Finds out the container of a socket that nothing is kept with yet, and keeps it.
#[inline(always)]
fn adopt(socket: *mut c_void, ancestor: impl Fn(i32) -> u64) -> Known {
    match socket::container_of_cgroup(ancestor) {
        Some(entry) => socket::remember(socket, entry, socket::netns_of(socket)),
        None => Known::Nothing,
    }
}
