//! Sockets of the node's own network reach published ports: what they ask for is replaced before there is a packet, and what they
//! are told of it afterwards is replaced back.
//!
//! These are on the root of the hierarchy, hence run for sockets of all containers and network namespaces.

use core::ffi::c_void;

use aya_ebpf::{
    bindings::{BPF_TCP_ESTABLISHED, bpf_sock_addr},
    helpers::generated::bpf_get_netns_cookie,
    macros::cgroup_sock_addr,
    programs::SockAddrContext,
};
use berth_common::{
    abi::{
        address::Address,
        flow::End,
        nat::NatEnd,
        socket::Aliases,
        units::{Port, Protocol},
    },
    engine::nat,
};

use crate::{
    maps::SOCKET_ALIASES,
    seams::NoContext,
    tables::{Maps, config},
};

/// The only answer that the kernel takes from the hooks that tell of an address.
const ALLOW: i32 = 1;

#[cgroup_sock_addr(connect4)]
pub fn berth_connect4(ctx: SockAddrContext) -> i32 {
    ask(Call::v4(ctx.sock_addr));
    ALLOW
}

#[cgroup_sock_addr(connect6)]
pub fn berth_connect6(ctx: SockAddrContext) -> i32 {
    ask(Call::v6(ctx.sock_addr));
    ALLOW
}

#[cgroup_sock_addr(sendmsg4)]
pub fn berth_sendmsg4(ctx: SockAddrContext) -> i32 {
    send(Call::v4(ctx.sock_addr));
    ALLOW
}

#[cgroup_sock_addr(sendmsg6)]
pub fn berth_sendmsg6(ctx: SockAddrContext) -> i32 {
    send(Call::v6(ctx.sock_addr));
    ALLOW
}

#[cgroup_sock_addr(recvmsg4)]
pub fn berth_recvmsg4(ctx: SockAddrContext) -> i32 {
    tell(Call::v4(ctx.sock_addr));
    ALLOW
}

#[cgroup_sock_addr(recvmsg6)]
pub fn berth_recvmsg6(ctx: SockAddrContext) -> i32 {
    tell(Call::v6(ctx.sock_addr));
    ALLOW
}

#[cgroup_sock_addr(getpeername4)]
pub fn berth_peer4(ctx: SockAddrContext) -> i32 {
    tell(Call::v4(ctx.sock_addr));
    ALLOW
}

#[cgroup_sock_addr(getpeername6)]
pub fn berth_peer6(ctx: SockAddrContext) -> i32 {
    tell(Call::v6(ctx.sock_addr));
    ALLOW
}

/// A datagram is sent to an end. Of whom a socket hears that is connected was said when it was; and for one of IPv6 that is connected to
/// IPv4, the kernel itself names, with each datagram, the end that it has got.
#[inline(always)]
fn send(call: Call) {
    if !call.is_connected() {
        ask(call);
    } else if let Some(inner) = call.leads_to() {
        call.put(&inner);
    }
}

/// A socket asks for an end: if that is a published port, it gets the container's.
#[inline(always)]
fn ask(call: Call) {
    let to = call.end().into();
    if let Some(inner) = call.leads_to() {
        let Some(aliases) = call.aliases_or_new() else { return };
        aliases.note(&to, &inner);
        call.put(&inner);
    } else if let Some(aliases) = call.aliases() {
        aliases.forget(&to);
    }
}

/// A socket is told of an end: if it has asked for another one to reach that, it hears of the other.
#[inline(always)]
fn tell(call: Call) {
    let Some(aliases) = call.aliases() else { return };
    if let Some(asked) = aliases.asked(&call.end().into()) {
        call.put(&asked);
    }
}

/// A call that has an address in it.
#[derive(Clone, Copy)]
struct Call {
    context: *mut bpf_sock_addr,
    /// Whether the program is that of IPv4's calls. Those of IPv6 have addresses of IPv4 in their mapped form.
    is_v4: bool,
}

impl Call {
    #[inline(always)]
    const fn v4(context: *mut bpf_sock_addr) -> Self {
        Self { context, is_v4: true }
    }

    #[inline(always)]
    const fn v6(context: *mut bpf_sock_addr) -> Self {
        Self { context, is_v4: false }
    }

    /// Whether the socket lives in the node's network namespace.
    #[inline(always)]
    fn is_of_node(self) -> bool {
        // SAFETY: The context is the program's.
        let cookie = unsafe { bpf_get_netns_cookie(self.context.cast()) };
        config().is_some_and(|config| config.netns == cookie)
    }

    #[inline(always)]
    fn is_bound_to_interface(self) -> bool {
        // SAFETY: A field of the program's context, and one of the socket that it leads to.
        unsafe {
            let socket = (*self.context).__bindgen_anon_1.sk;
            !socket.is_null() && (*socket).bound_dev_if != 0
        }
    }

    #[inline(always)]
    fn is_connected(self) -> bool {
        // SAFETY: As above.
        unsafe {
            let socket = (*self.context).__bindgen_anon_1.sk;
            !socket.is_null() && (*socket).state == BPF_TCP_ESTABLISHED
        }
    }

    /// The container's end that is asked for, if one is. What is bound to an interface would leave by that one, and is left alone.
    #[inline(always)]
    fn leads_to(self) -> Option<NatEnd> {
        if !self.is_of_node() || self.is_bound_to_interface() {
            return None;
        }
        let mut inner = NatEnd::NOWHERE;
        nat::ask(&Maps::new(NoContext), self.protocol(), &self.end(), &mut inner).then_some(inner)
    }

    #[inline(always)]
    fn protocol(self) -> Protocol {
        // SAFETY: A field of the program's context.
        Protocol(unsafe { (*self.context).protocol } as u8)
    }

    #[inline(always)]
    fn end(self) -> End {
        // SAFETY: Fields of the program's context; the port lies in its lower half in network byte order.
        unsafe {
            let port = Port(u16::from_be((*self.context).user_port as u16));
            let address = if self.is_v4 {
                Address::v4((*self.context).user_ip4)
            } else {
                Address((*self.context).user_ip6)
            };
            End { address, port }
        }
    }

    #[inline(always)]
    fn put(self, end: &NatEnd) {
        let [first, second, third, last] = end.address.0;
        // SAFETY: As above. The kernel takes whole words alone, hence no two of them at once.
        unsafe {
            if self.is_v4 {
                (&raw mut (*self.context).user_ip4).write_volatile(last);
            } else {
                (&raw mut (*self.context).user_ip6[0]).write_volatile(first);
                (&raw mut (*self.context).user_ip6[1]).write_volatile(second);
                (&raw mut (*self.context).user_ip6[2]).write_volatile(third);
                (&raw mut (*self.context).user_ip6[3]).write_volatile(last);
            }
            (&raw mut (*self.context).user_port).write_volatile((end.port as u16).to_be() as u32);
        }
    }

    #[inline(always)]
    fn aliases(self) -> Option<&'static mut Aliases> {
        let socket = self.socket();
        if socket.is_null() {
            return None;
        }
        // SAFETY: Socket storage stays valid while the program runs, and the kernel has locked the socket for it.
        unsafe { SOCKET_ALIASES.get(socket).as_mut() }
    }

    /// Nothing if there is no memory for them: then it is not known either what to tell the socket afterwards.
    #[inline(always)]
    fn aliases_or_new(self) -> Option<&'static mut Aliases> {
        let socket = self.socket();
        if socket.is_null() {
            return None;
        }
        // SAFETY: As above.
        unsafe { SOCKET_ALIASES.get_or_insert(socket, &Aliases::NONE).as_mut() }
    }

    #[inline(always)]
    fn socket(self) -> *mut c_void {
        // SAFETY: A field of the program's context.
        unsafe { (*self.context).__bindgen_anon_1.sk.cast() }
    }
}
