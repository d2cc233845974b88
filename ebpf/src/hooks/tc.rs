//! TC: every frame on the uplinks, what containers send past the cgroup hooks, and containers' own interfaces.
//!
//! All return "next", so that other programs still run, or drop.

use core::hint::black_box;

use aya_ebpf::{
    bindings::{__sk_buff, TC_ACT_SHOT, TC_ACT_UNSPEC},
    macros::classifier,
    programs::TcContext,
};
use berth_common::{
    abi::{
        config::Interface,
        container::Container,
        counters::Traffic,
        nat::NatEnd,
        reason::Reason,
        units::{ContainerId, Zone},
    },
    engine::{
        Headers, Tables as _, Trace, Verdict, Way, egress, ingress, nat::own::Whose, parse, quota,
        verdict::Owner,
    },
    wire::ether::{self, EtherType},
};

use super::{nat, own};
use crate::{
    count::{self, Direction, Plane},
    echo, event, fast,
    judged::{self, Told},
    maps::INTERFACES,
    notice,
    packet::Skb,
    seams::{self, BySkb},
    sender::{self, Sender},
    tables::{Maps, config, is_current},
};

/// `PACKET_LOOPBACK`: a copy of a multicast packet of our own, without its Ethernet header.
const PACKET_LOOPBACK: u32 = 5;

#[classifier]
pub fn berth_up_in(ctx: TcContext) -> i32 {
    let skb = Skb(ctx.skb.skb);
    let (kind, offset) = payload(skb, is_bare_uplink(skb));
    uplink_ingress(skb, kind, offset)
}

#[classifier]
#[inline(always)]
pub fn berth_up_out(ctx: TcContext) -> i32 {
    let skb = Skb(ctx.skb.skb);
    let (kind, offset) = payload(skb, is_bare_uplink(skb));
    uplink_egress(skb, kind, offset)
}

#[classifier]
pub fn berth_lo_out(ctx: TcContext) -> i32 {
    let skb = Skb(ctx.skb.skb);
    let (kind, offset) = payload(skb, false);
    loopback_egress(skb, kind, offset)
}

#[classifier]
pub fn berth_if_in(ctx: TcContext) -> i32 {
    interface(Skb(ctx.skb.skb), Direction::Out)
}

#[classifier]
pub fn berth_if_out(ctx: TcContext) -> i32 {
    interface(Skb(ctx.skb.skb), Direction::In)
}

/// What comes after the interface's own header, of which some have none, and where that is.
#[inline(always)]
pub(super) fn payload(skb: Skb, is_bare: bool) -> (EtherType, u32) {
    if is_bare { (parse::version(&skb), 0) } else { ether::payload(&skb) }
}

#[inline(always)]
pub(super) fn is_bare_uplink(skb: Skb) -> bool {
    config().is_some_and(|config| config.is_bare(skb.ifindex()))
}

#[inline(always)]
fn uplink_ingress(skb: Skb, kind: EtherType, offset: u32) -> i32 {
    if is_loop_copy(skb.0) {
        return TC_ACT_UNSPEC;
    }
    if !is_ip(kind) {
        count::non_ip(Direction::In, skb.traffic(None), Reason::None);
        return TC_ACT_UNSPEC;
    }
    let maps = Maps::new(BySkb(skb));
    let mut headers = Headers::EMPTY;
    if !seams::parse_ip(skb, kind, offset, &mut headers) {
        let verdict = Verdict::pass(Owner::NOBODY);
        count::packet(&verdict, Plane::Uplink, Direction::In, skb.traffic(None));
        return TC_ACT_UNSPEC;
    }
    let trace = judged::trace(skb);
    // A notice to a container about what it sent has not been on the wire.
    let traffic = if trace == Trace::Notice { Traffic::default() } else { skb.traffic(Some(&headers)) };
    let packed = traffic.pack();
    let verdict = ingress::arrive(&maps, (&skb, &headers), Zone::UPLINK, trace, Traffic::unpack(packed));
    // Packed meanwhile, which the compiler is not to see: there is just enough of the stack.
    let traffic = Traffic::unpack(black_box(packed));
    let plane = uplink_plane(&maps, verdict.owner);
    count::packet(&verdict, plane, Direction::In, traffic);
    if verdict.passes() {
        echo::come_in(skb, &headers);
    }
    match plane {
        Plane::Forwarded if verdict.passes() => fast::send_on(skb, &headers, verdict.owner.id),
        _ => conclude(&maps, (skb, &headers), &verdict, false),
    }
}

#[inline(always)]
fn uplink_egress(skb: Skb, kind: EtherType, offset: u32) -> i32 {
    let maps = Maps::new(BySkb(skb));
    if !is_ip(kind) {
        let reason = non_ip_egress(&maps, skb, kind, offset);
        count::non_ip(Direction::Out, skb.traffic(None), reason);
        return if reason == Reason::None { TC_ACT_UNSPEC } else { TC_ACT_SHOT };
    }
    let mut headers = Headers::EMPTY;
    if !seams::parse_ip(skb, kind, offset, &mut headers) {
        return malformed_egress(skb);
    }
    let traffic = skb.traffic(Some(&headers));
    let told = judged::take(skb);
    if told.rejection != Told::NOT_REJECTED && sender::was_at_cgroup(skb.0, &headers) {
        return reject(skb, &headers, told.rejection as u8, true);
    }
    // What a packet socket sends, which the cgroup hook does not see, may bear any mark.
    let trace = match told.trace {
        Trace::Judged if sender::is_packet_socket(skb.0) => Trace::None,
        trace => trace,
    };
    // A notice may bear the socket that has sent what it is about.
    let sender =
        if trace == Trace::Notice { Sender::Unknown } else { sender::at_egress(skb.0, Some(&headers)) };
    let verdict = match sender {
        Sender::Container(id) => {
            echo::rename(&mut headers, id);
            let asks = trace == Trace::None;
            let verdict = by_container(&maps, (skb, &headers), (id, Zone::UPLINK), asks, traffic);
            if verdict.passes() && !echo::go_out(skb, &headers, id) {
                Verdict::because(verdict.owner, Reason::IcmpIdInUse)
            } else {
                verdict
            }
        }
        Sender::Host => {
            egress::by_host(&maps, &headers, Zone::UPLINK);
            Verdict::pass(Owner::new(ContainerId::HOST, Way::Socket))
        }
        Sender::Unknown => ingress::leave(&maps, (&skb, &headers), Zone::UPLINK, trace, traffic),
    };
    count::packet(&verdict, uplink_plane(&maps, verdict.owner), Direction::Out, traffic);
    conclude(&maps, (skb, &headers), &verdict, true)
}

/// On `lo` only packet sockets are policed here; all else is judged at the sockets of its two ends.
#[inline(always)]
fn loopback_egress(skb: Skb, kind: EtherType, offset: u32) -> i32 {
    let maps = Maps::new(BySkb(skb));
    if !is_ip(kind) {
        return if non_ip_egress(&maps, skb, kind, offset) == Reason::None {
            TC_ACT_UNSPEC
        } else {
            TC_ACT_SHOT
        };
    }
    let mut headers = Headers::EMPTY;
    let Told { trace, rejection } = judged::take(skb);
    let Some(id) = sender::packet_socket(skb.0) else {
        if rejection == Told::NOT_REJECTED {
            if trace == Trace::Judged || is_seen_here_first(&maps, skb, (kind, offset), &mut headers) {
                judged::passed_on_loopback(skb);
            }
            return TC_ACT_UNSPEC;
        }
        let is_parsed = seams::parse_ip(skb, kind, offset, &mut headers);
        if !sender::was_at_cgroup(skb.0, &headers) {
            return TC_ACT_UNSPEC;
        }
        if !is_parsed || !seams::make_notice(skb, &headers, rejection as u8) {
            return TC_ACT_SHOT;
        }
        // It goes on as the notice, for which the route serves as well: both ends are here.
        judged::notice(skb);
        return TC_ACT_UNSPEC;
    };
    if !seams::parse_ip(skb, kind, offset, &mut headers) {
        count::refusal(id, Reason::Malformed);
        return TC_ACT_SHOT;
    }
    let traffic = skb.traffic(Some(&headers));
    let verdict = by_container(&maps, (skb, &headers), (id, Zone::LOCAL), true, traffic);
    count::packet(&verdict, Plane::Local, Direction::Out, traffic);
    if !verdict.passes() {
        event::dropped(maps.now(), &headers, &verdict, skb.ifindex());
    } else if verdict.makes_sense {
        judged::passed_on_loopback(skb);
    }
    action(&verdict)
}

/// Whether a packet on `lo` is one that the kernel sends for a container, and that moves its flow on here: older kernels show
/// SYN/ACKs over IPv6 to no hook of the sender's.
#[inline(always)]
fn is_seen_here_first(
    maps: &Maps<BySkb>,
    skb: Skb,
    (kind, offset): (EtherType, u32),
    headers: &mut Headers,
) -> bool {
    sender::is_kernels(skb.0)
        && seams::parse_ip(skb, kind, offset, headers)
        && egress::by_kernel(maps, (&skb, headers), Zone::LOCAL, skb.traffic(Some(headers)))
}

/// A container's socket sends. What a packet socket sends is seen here alone.
#[inline(always)]
fn by_container(
    maps: &Maps<BySkb>,
    (skb, headers): (Skb, &Headers),
    from: (ContainerId, Zone),
    asks_rules: bool,
    traffic: Traffic,
) -> Verdict {
    let refused = if sender::is_packet_socket(skb.0) {
        egress::speaks_for_another(maps, headers, from)
    } else {
        Reason::None
    };
    if refused == Reason::None {
        egress::send(maps, (&skb, headers), from, asks_rules, Some(traffic))
    } else {
        Verdict::because(Owner::new(from.0, Way::Cgroup), refused)
    }
}

/// The container's interface that a packet is on.
#[inline(always)]
pub(super) fn own_interface(skb: Skb) -> Option<Interface> {
    // SAFETY: Only the loader writes these values, as whole words.
    let entry = unsafe { INTERFACES.get(skb.ifindex()) }.copied()?;
    if is_current(entry.container, entry.generation) { Some(entry) } else { None }
}

/// A container's own interface: `direction` as the container sees it.
#[inline(always)]
fn interface(skb: Skb, direction: Direction) -> i32 {
    let Some(entry) = own_interface(skb) else { return TC_ACT_UNSPEC };
    let (kind, offset) = payload(skb, entry.has(Interface::BARE));
    let maps = Maps::new(BySkb(skb));
    let inward = direction == Direction::In;
    let mut headers = Headers::EMPTY;
    if !is_ip(kind) || !seams::parse_ip(skb, kind, offset, &mut headers) {
        let whose = (entry.container, inward);
        let verdict = ingress::unread_on_interface(&maps, &skb, (kind, offset), whose);
        count::packet(&verdict, Plane::Interface, direction, skb.traffic(None));
        return action(&verdict);
    }
    let trace = judged::trace(skb);
    let whose = Whose { id: entry.container, inward, ifindex: skb.ifindex() };
    // A notice is about what has been there before, as that has come.
    let translates =
        entry.has(Interface::TRANSLATES) && trace != Trace::Notice && !own::is_left_alone(&headers);
    let mut came = NatEnd::NOWHERE;
    let refused = if translates { own::before(skb, &mut headers, whose, &mut came) } else { Reason::None };
    let traffic = skb.traffic(Some(&headers));
    let verdict = if refused == Reason::None {
        ingress::on_interface(&maps, (&skb, &headers), (whose.id, inward), trace, traffic)
    } else {
        Verdict::because(Owner::new(whose.id, Way::Interface), refused)
    };
    count::packet(&verdict, Plane::Interface, direction, traffic);
    if translates && verdict.passes() {
        let reason = own::after(skb, &mut headers, whose, &mut came);
        if reason != Reason::None {
            return nat::drop_packet(skb, &headers, whose.id, reason);
        }
    }
    if translates && verdict.reason == Reason::Rejected && !own::undo(skb, &mut headers, &came) {
        return TC_ACT_SHOT;
    }
    conclude(&maps, (skb, &headers), &verdict, inward)
}

/// Carries the verdict out: what is dropped is reported, and who has sent what is rejected is told. `leaves` says that the
/// packet is on its way out by the interface.
#[inline(always)]
fn conclude(maps: &Maps<BySkb>, (skb, headers): (Skb, &Headers), verdict: &Verdict, leaves: bool) -> i32 {
    if verdict.passes() {
        return TC_ACT_UNSPEC;
    }
    event::dropped(maps.now(), headers, verdict, skb.ifindex());
    if verdict.reason == Reason::Rejected && quota::notice_allowed(maps, verdict.owner.id) {
        return reject(skb, headers, verdict.code, leaves);
    }
    TC_ACT_SHOT
}

/// Makes the packet the notice to its sender, and sends it back.
#[inline(always)]
fn reject(skb: Skb, headers: &Headers, rejection: u8, leaves: bool) -> i32 {
    if seams::make_notice(skb, headers, rejection) { notice::send_back(skb, leaves) } else { TC_ACT_SHOT }
}

#[inline(always)]
fn non_ip_egress(maps: &Maps<BySkb>, skb: Skb, kind: EtherType, offset: u32) -> Reason {
    match sender::at_egress(skb.0, None) {
        Sender::Container(id) => {
            let reason = egress::send_non_ip(maps, &skb, kind, offset, id);
            if reason != Reason::None {
                count::refusal(id, reason);
            }
            reason
        }
        Sender::Host | Sender::Unknown => Reason::None,
    }
}

/// Headers that cannot be read: the host may send such packets, a container may not.
#[inline(always)]
fn malformed_egress(skb: Skb) -> i32 {
    let verdict = match sender::at_egress(skb.0, None) {
        Sender::Container(id) => Verdict::because(Owner::new(id, Way::Cgroup), Reason::Malformed),
        Sender::Host | Sender::Unknown => Verdict::pass(Owner::new(ContainerId::HOST, Way::None)),
    };
    count::packet(&verdict, Plane::Uplink, Direction::Out, skb.traffic(None));
    action(&verdict)
}

/// Whether the owner's own interface counts the packet too.
#[inline(always)]
fn uplink_plane(maps: &Maps<BySkb>, owner: Owner) -> Plane {
    if owner.way != Way::Address {
        return Plane::Uplink;
    }
    match maps.container(owner.id) {
        Some(container) if container.flags & Container::OWN_NETWORK != 0 => Plane::Forwarded,
        _ => Plane::Uplink,
    }
}

#[inline(always)]
fn action(verdict: &Verdict) -> i32 {
    if verdict.passes() { TC_ACT_UNSPEC } else { TC_ACT_SHOT }
}

#[inline(always)]
pub(super) fn is_ip(kind: EtherType) -> bool {
    kind == EtherType::IPV4 || kind == EtherType::IPV6
}

#[inline(always)]
pub(super) fn is_loop_copy(skb: *mut __sk_buff) -> bool {
    // SAFETY: A field of the program's context.
    unsafe { (*skb).pkt_type == PACKET_LOOPBACK }
}
