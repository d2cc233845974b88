//! bind(): who may have a port, and who has it.
//!
//! Before the kernel binds, the port is held against the container's allowance and against foreign sockets; after it
//! has bound, the port is reserved, or the bind undone.

use core::ffi::c_void;

use aya_ebpf::{
    EbpfContext as _,
    bindings::bpf_sock_addr,
    helpers::generated::bpf_set_retval,
    macros::{cgroup_sock, cgroup_sock_addr},
    programs::{SockAddrContext, SockContext},
};
use berth_common::{
    abi::{
        address::Address,
        container::{Container, MAX_PORT_RANGES},
        port::{Claim, PortKey},
        reason::Reason,
        socket::Bound,
        units::{ContainerId, Port, Protocol},
    },
    engine::{
        Headers, Tables,
        headers::Kind,
        ports::Refusal,
        tables::{Found, Which},
    },
};

use crate::{
    count,
    event::{self, Incident},
    hooks::sockets,
    maps::SOCKET_PORTS,
    seams::{self, NoContext},
    socket::{self, Known},
    tables::{Maps, config},
};

const ALLOW: i32 = 1;
const DENY: i32 = 0;
const EACCES: i32 = -13;
const ENOBUFS: i32 = -105;
const EADDRINUSE: i32 = -98;

#[cgroup_sock_addr(bind4)]
pub fn berth_bind4(ctx: SockAddrContext) -> i32 {
    // SAFETY: A field of the program's context.
    let word = unsafe { (*ctx.sock_addr).user_ip4 };
    before(ctx.sock_addr, Address::v4(word))
}

#[cgroup_sock_addr(bind6)]
pub fn berth_bind6(ctx: SockAddrContext) -> i32 {
    // SAFETY: A field of the program's context.
    let [a, b, c, d] = unsafe { (*ctx.sock_addr).user_ip6 };
    before(ctx.sock_addr, Address([a, b, c, d]))
}

#[cgroup_sock(post_bind4)]
pub fn berth_bound4(ctx: SockContext) -> i32 {
    // SAFETY: A field of the program's context.
    let word = unsafe { (*ctx.sock).src_ip4 };
    after(&ctx, Address::v4(word), false)
}

#[cgroup_sock(post_bind6)]
pub fn berth_bound6(ctx: SockContext) -> i32 {
    // SAFETY: Fields of the program's context.
    let address = unsafe {
        Address([
            (*ctx.sock).src_ip6[0],
            (*ctx.sock).src_ip6[1],
            (*ctx.sock).src_ip6[2],
            (*ctx.sock).src_ip6[3],
        ])
    };
    let dual = address == Address::ANY6 && !is_v6_only(ctx.as_ptr());
    after(&ctx, address, dual)
}

#[inline(always)]
fn before(ctx: *mut bpf_sock_addr, address: Address) -> i32 {
    // SAFETY: Fields of the program's context; the port lies in its lower half in network byte order.
    let (socket, port, protocol) =
        unsafe { ((*ctx).__bindgen_anon_1.sk, u16::from_be((*ctx).user_port as u16), (*ctx).protocol) };
    if port == 0 || socket.is_null() {
        return ALLOW;
    }
    let known = match socket::known(socket.cast()) {
        Known::Nothing => sockets::owner_by_task(ctx.cast(), socket.cast()),
        known => known,
    };
    let Known::Container(id) = known else { return ALLOW };
    let maps = Maps::new(NoContext);
    let headers = arriving_at(Protocol(protocol as u8), address, Port(port));
    let Some(container) = maps.container(id) else { return ALLOW };
    if !is_allowed(&container, Port(port)) {
        return refuse(
            &maps,
            &headers,
            id,
            Refusal { reason: Reason::BindDenied, holder: ContainerId::UNOWNED },
        );
    }
    let held = maps.port_holder(&headers, Which::Destination).map_or(Found::Nothing, Found::Container);
    let found = if held == Found::Nothing { socket::find(ctx.cast(), &headers, false) } else { held };
    let holder = match found {
        Found::Nothing => return ALLOW,
        Found::Container(other) if other == id => return ALLOW,
        Found::Container(other) => other,
        Found::Other => ContainerId::HOST,
    };
    refuse(&maps, &headers, id, Refusal { reason: Reason::BindConflict, holder })
}

#[inline(always)]
fn after(ctx: &SockContext, address: Address, dual: bool) -> i32 {
    let Some(id) = owner(ctx) else { return ALLOW };
    // SAFETY: Fields of the program's context.
    let (port, protocol) = unsafe { ((*ctx.sock).src_port, (*ctx.sock).protocol) };
    let (port, protocol) = (Port(port as u16), Protocol(protocol as u8));
    let maps = Maps::new(NoContext);
    let Some(container) = maps.container(id) else { return ALLOW };
    let key = PortKey::new(protocol, address, port);
    if key.summary_index().is_none() || port.0 == 0 {
        return ALLOW;
    }
    let second = PortKey::new(protocol, Address::ANY4, port);
    let initial = Bound { key, second, owner: ContainerId::HOST, dual: dual as u32 };
    let bound = SOCKET_PORTS.get_or_insert(ctx.as_ptr(), &initial);
    if bound.is_null() {
        return refuse_call(ENOBUFS);
    }
    // One that was given a port by the kernel and then disconnected may be bound once more.
    sockets::give_up(bound);
    let claim = Claim::bound(id);
    if let Err(refusal) = reserve(&initial, claim, container.port_limit) {
        return refuse(&maps, &arriving_at(protocol, address, port), id, refusal);
    }
    // SAFETY: Checked above. The socket is locked while it is bound, so nobody else writes here.
    unsafe {
        *bound = initial;
        (*bound).owner = id;
    }
    ALLOW
}

/// Reserves one key, or both of a socket that serves both families.
#[inline(always)]
fn reserve(bound: &Bound, claim: Claim, limit: u32) -> Result<(), Refusal> {
    seams::reserve(&bound.key, claim, limit)?;
    if bound.dual == 0 {
        return Ok(());
    }
    match seams::reserve(&bound.second, claim, limit) {
        Ok(()) => Ok(()),
        Err(refusal) => {
            seams::release(&bound.key, claim);
            Err(refusal)
        }
    }
}

/// The container whose socket this is, if it lives in the node's network namespace.
#[inline(always)]
fn owner(ctx: &SockContext) -> Option<ContainerId> {
    let known = match socket::known(ctx.as_ptr()) {
        Known::Nothing => sockets::owner_by_task(ctx.as_ptr(), ctx.as_ptr()),
        known => known,
    };
    match known {
        Known::Container(id) => Some(id),
        Known::Nothing | Known::Foreign => None,
    }
}

#[inline(always)]
fn is_allowed(container: &Container, port: Port) -> bool {
    let count = container.range_count as usize;
    if count == 0 {
        return true;
    }
    let mut allowed = false;
    let mut index = 0;
    while index < MAX_PORT_RANGES {
        if let Some(range) = container.ranges.get(index) {
            allowed |= index < count && range.first <= port && port <= range.last;
        }
        index += 1;
    }
    allowed
}

/// What a first packet to the port would look like.
#[inline(always)]
fn arriving_at(protocol: Protocol, address: Address, port: Port) -> Headers {
    Headers {
        source: address.wildcard(),
        destination: address,
        destination_port: port,
        protocol,
        kind: Kind::Ports,
        ..Headers::EMPTY
    }
}

#[inline(always)]
fn refuse(maps: &Maps<NoContext>, headers: &Headers, id: ContainerId, refusal: Refusal) -> i32 {
    count::refusal(id, refusal.reason);
    let incident = Incident { owner: id, holder: refusal.holder, reason: refusal.reason, ifindex: 0 };
    event::report(maps.now(), headers, &incident);
    match refusal.reason {
        Reason::BindDenied => refuse_call(EACCES),
        Reason::PortQuota => refuse_call(ENOBUFS),
        _ => refuse_call(EADDRINUSE),
    }
}

#[inline(always)]
fn refuse_call(error: i32) -> i32 {
    // SAFETY: The helper has no preconditions.
    unsafe { bpf_set_retval(error) };
    DENY
}

/// Whether an IPv6 socket has `IPV6_V6ONLY` set: a bit of the kernel's `struct sock_common`, which no helper gives.
#[inline(always)]
fn is_v6_only(socket: *const c_void) -> bool {
    let Some(config) = config() else { return false };
    let bit = config.ipv6only_bit;
    if bit == 0 {
        return false;
    }
    let word = socket::read_kernel(socket::address_of(socket).wrapping_add((bit >> 6 << 3) as u64));
    word >> (bit & 63) & 1 != 0
}
