//! Translation, on uplinks: before anything else sees what arrives, and after all else has seen what leaves.

use aya_ebpf::{
    bindings::{__sk_buff, TC_ACT_SHOT, TC_ACT_UNSPEC},
    macros::classifier,
    programs::TcContext,
};
use berth_common::{
    abi::{config::Config, nat::NatEnd, reason::Reason, units::ContainerId},
    engine::{
        Headers, Tables as _, Verdict, Way,
        headers::Kind,
        nat::{self, Answer, NatTables as _, Path},
        parse,
        tables::Which,
        verdict::Owner,
    },
    wire::icmp,
};

use super::tc::{is_bare_uplink, is_ip, is_loop_copy, payload};
use crate::{
    count, event, nat as tables,
    packet::Skb,
    rewrite,
    seams::{self, BySkb},
    sender::{self, Sender},
    tables::{Maps, config},
};

#[classifier]
pub fn berth_nat_in(ctx: TcContext) -> i32 {
    let skb = Skb(ctx.skb.skb);
    if !is_on() || is_loop_copy(skb.0) {
        return TC_ACT_UNSPEC;
    }
    let mut headers = Headers::EMPTY;
    if !read(skb, is_bare_uplink(skb), &mut headers) {
        return TC_ACT_UNSPEC;
    }
    if headers.kind == Kind::IcmpError {
        return action(seam_about_arriving(skb.0, &raw const headers));
    }
    let mut inner = NatEnd::NOWHERE;
    let answer = nat::arrive(&Maps::new(BySkb(skb)), &mut headers, ContainerId::UNOWNED, &mut inner);
    carry_out(skb, &headers, answer, Which::Destination, &inner)
}

#[classifier]
pub fn berth_nat_out(ctx: TcContext) -> i32 {
    let skb = Skb(ctx.skb.skb);
    if !is_on() {
        return TC_ACT_UNSPEC;
    }
    let mut headers = Headers::EMPTY;
    if !read(skb, is_bare_uplink(skb), &mut headers) {
        return TC_ACT_UNSPEC;
    }
    if headers.kind == Kind::IcmpError {
        return match seam_about_leaving(skb.0, &raw const headers) {
            TRANSLATED => TC_ACT_UNSPEC,
            UNTOUCHED => about_nothing(skb, &headers),
            _ => TC_ACT_SHOT,
        };
    }
    if skb.came_by() == 0 {
        return from_node(skb, &headers);
    }
    let maps = Maps::new(BySkb(skb));
    let path = Path { came_by: skb.came_by(), uplink: skb.ifindex() };
    let Some(sender) = maps.sender(&headers.source, path.came_by) else { return TC_ACT_UNSPEC };
    let mut outer = NatEnd::NOWHERE;
    let answer = nat::leave(&maps, &mut headers, (sender, path), &mut outer);
    carry_out(skb, &headers, answer, Which::Source, &outer)
}

/// Whether there is anything to be translated.
#[inline(always)]
pub(super) fn is_on() -> bool {
    config().is_some_and(|config| config.nat & Config::NAT_ON != 0)
}

#[inline(always)]
pub(super) fn read(skb: Skb, is_bare: bool, headers: &mut Headers) -> bool {
    let (kind, offset) = payload(skb, is_bare);
    is_ip(kind) && seams::parse_ip(skb, kind, offset, headers)
}

#[inline(always)]
pub(super) fn carry_out(skb: Skb, headers: &Headers, answer: Answer, which: Which, end: &NatEnd) -> i32 {
    match answer {
        Answer::AsItIs => TC_ACT_UNSPEC,
        Answer::Translated if rewrite::put(skb, headers, which, end) => TC_ACT_UNSPEC,
        // Half of it may have been changed.
        Answer::Translated => TC_ACT_SHOT,
        Answer::Dropped(id, reason) => drop_packet(skb, headers, id, reason),
    }
}

/// What the node itself sends, its containers' sockets included.
#[inline(always)]
fn from_node(skb: Skb, headers: &Headers) -> i32 {
    let reason = tables::by_node(headers);
    if reason == Reason::None {
        return TC_ACT_UNSPEC;
    }
    let id = match sender::at_egress(skb.0, Some(headers)) {
        Sender::Container(id) => id,
        Sender::Host | Sender::Unknown => ContainerId::HOST,
    };
    drop_packet(skb, headers, id, reason)
}

/// An ICMP error about what has left for somebody. False if it can only be dropped.
#[unsafe(no_mangle)]
#[inline(never)]
pub(super) extern "C" fn seam_about_arriving(skb: *mut __sk_buff, headers: *const Headers) -> u32 {
    if headers.is_null() {
        return 0;
    }
    // SAFETY: The verifier holds callers to valid memory of the type's size.
    let (skb, headers) = (Skb(skb), unsafe { &*headers });
    let (mut quoted, mut inner) = (Headers::EMPTY, NatEnd::NOWHERE);
    if !read_quoted(skb, headers, &mut quoted)
        || quoted.source != headers.destination
        || !nat::arrive_about(&Maps::new(BySkb(skb)), &quoted, &mut inner)
    {
        return 1;
    }
    (rewrite::put_quoted(skb, headers, &quoted, Which::Source, &inner)
        && rewrite::put(skb, headers, Which::Destination, &inner)) as u32
}

/// What becomes of an ICMP error, if it is not dropped.
pub(super) const TRANSLATED: u32 = 1;
pub(super) const UNTOUCHED: u32 = 2;
const DROPPED: u32 = 0;

/// An ICMP error that leaves about nothing that is known. It would show who sends it.
#[inline(always)]
fn about_nothing(skb: Skb, headers: &Headers) -> i32 {
    match Maps::new(BySkb(skb)).sender(&headers.source, skb.came_by()) {
        Some(sender) if sender.is_masqueraded => drop_packet(skb, headers, sender.id, Reason::NotTranslated),
        _ => TC_ACT_UNSPEC,
    }
}

/// An ICMP error about what was on its way to somebody, from there or from the node: [`TRANSLATED`] or [`UNTOUCHED`], or else it can
/// only be dropped.
#[unsafe(no_mangle)]
#[inline(never)]
pub(super) extern "C" fn seam_about_leaving(skb: *mut __sk_buff, headers: *const Headers) -> u32 {
    if headers.is_null() {
        return 0;
    }
    // SAFETY: As above.
    let (skb, headers) = (Skb(skb), unsafe { &*headers });
    let (mut quoted, mut outer) = (Headers::EMPTY, NatEnd::NOWHERE);
    if !read_quoted(skb, headers, &mut quoted) {
        return UNTOUCHED;
    }
    let maps = Maps::new(BySkb(skb));
    let id = match skb.came_by() {
        0 => maps.address(&quoted.destination),
        ifindex => maps.sender(&quoted.destination, ifindex).map(|sender| sender.id),
    };
    let Some(id) = id.filter(|id| id.is_container()) else { return UNTOUCHED };
    if !tables::leave_about(&quoted, id, &mut outer) {
        return UNTOUCHED;
    }
    // The way to the container is none to the end that has been asked for, and everything else there.
    if headers.detail == icmp::REDIRECT4 && headers.source.is_v4() {
        return DROPPED;
    }
    let is_from_there = headers.source == quoted.destination
        || maps.sender(&headers.source, skb.came_by()).is_some_and(|sender| sender.id == id);
    (rewrite::put_quoted(skb, headers, &quoted, Which::Destination, &outer)
        && (!is_from_there || rewrite::put(skb, headers, Which::Source, &outer))) as u32
}

#[inline(always)]
pub fn read_quoted(skb: Skb, headers: &Headers, quoted: &mut Headers) -> bool {
    let (kind, offset) = parse::quoted_at(headers);
    seams::parse_ip(skb, kind, offset, quoted)
}

#[inline(always)]
pub(super) fn action(passes: u32) -> i32 {
    if passes != 0 { TC_ACT_UNSPEC } else { TC_ACT_SHOT }
}

#[inline(always)]
pub(super) fn drop_packet(skb: Skb, headers: &Headers, id: ContainerId, reason: Reason) -> i32 {
    seam_nat_drop(skb.0, headers, id.0, reason as u32);
    TC_ACT_SHOT
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_nat_drop(skb: *mut __sk_buff, headers: *const Headers, id: u32, reason: u32) -> u32 {
    if headers.is_null() {
        return 0;
    }
    let (skb, id, reason) = (Skb(skb), ContainerId(id), Reason::from_number(reason as u8));
    count::refusal(id, reason);
    let verdict = Verdict::because(Owner::new(id, Way::Address), reason);
    // SAFETY: As above.
    event::dropped(Maps::new(BySkb(skb)).now(), unsafe { &*headers }, &verdict, skb.ifindex());
    1
}
