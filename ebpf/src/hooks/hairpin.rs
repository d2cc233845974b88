//! Translation between containers, on their own interfaces: one reaches what another one has published by the node's address, as if it came
//! from outside. It happens where the one that has asked is: after all else has seen what it sends, and before all else sees
//! what it gets. So both know of the flow what they would if the other were on another host, and it matters not whether answers are routed or
//! come straight over a bridge.

use aya_ebpf::{
    bindings::{TC_ACT_SHOT, TC_ACT_UNSPEC},
    helpers::generated::bpf_redirect,
    macros::classifier,
    programs::TcContext,
};
use berth_common::{
    abi::{config::Interface, nat::NatEnd},
    engine::{
        Headers,
        headers::Kind,
        nat::{self, Answer, Ends, NatTables as _, Path},
        tables::Which,
    },
    wire::ether,
};

use super::{
    nat::{TRANSLATED, UNTOUCHED, action, carry_out, is_on, read, seam_about_arriving, seam_about_leaving},
    tc::own_interface,
};
use crate::{fast, packet::Skb, rewrite, seams::BySkb, tables::Maps};

#[classifier]
pub fn berth_hair_in(ctx: TcContext) -> i32 {
    let skb = Skb(ctx.skb.skb);
    let interface = if is_on() || fast::is_on() { own_interface(skb) } else { None };
    let Some(interface) = interface else { return TC_ACT_UNSPEC };
    let container = interface.container;
    let mut headers = Headers::EMPTY;
    if !read(skb, interface.has(Interface::BARE), &mut headers) {
        return TC_ACT_UNSPEC;
    }
    if headers.kind == Kind::IcmpError {
        return action(seam_about_arriving(skb.0, &raw const headers));
    }
    let (maps, mut ends) = (Maps::new(BySkb(skb)), Ends::NOWHERE);
    match nat::reflect(&maps, &mut headers, container, &mut ends) {
        Answer::AsItIs => {}
        Answer::Translated => return send_back(skb, &mut headers, &ends),
        refused @ Answer::Dropped(..) => {
            return carry_out(skb, &headers, refused, Which::Source, &ends.source);
        }
    }
    let answer = nat::arrive(&maps, &mut headers, container, &mut ends.destination);
    let action = carry_out(skb, &headers, answer, Which::Destination, &ends.destination);
    if action != TC_ACT_UNSPEC {
        return action;
    }
    if answer == Answer::Translated {
        headers.put(Which::Destination, ends.destination.into());
    }
    fast::send_on(skb, &headers, container)
}

#[classifier]
pub fn berth_hair_out(ctx: TcContext) -> i32 {
    let skb = Skb(ctx.skb.skb);
    let interface = if is_on() { own_interface(skb) } else { None };
    let Some(interface) = interface else { return TC_ACT_UNSPEC };
    let mut headers = Headers::EMPTY;
    if !read(skb, interface.has(Interface::BARE), &mut headers) {
        return TC_ACT_UNSPEC;
    }
    if headers.kind == Kind::IcmpError {
        return match seam_about_leaving(skb.0, &raw const headers) {
            TRANSLATED | UNTOUCHED => TC_ACT_UNSPEC,
            _ => TC_ACT_SHOT,
        };
    }
    let maps = Maps::new(BySkb(skb));
    let path = Path { came_by: skb.came_by(), uplink: 0 };
    let Some(sender) = maps.sender(&headers.source, path.came_by) else { return TC_ACT_UNSPEC };
    let mut outer = NatEnd::NOWHERE;
    let answer = nat::leave(&maps, &mut headers, (sender, path), &mut outer);
    carry_out(skb, &headers, answer, Which::Source, &outer)
}

/// Sends a packet back where it has come from, from and to other ends.
#[inline(always)]
fn send_back(skb: Skb, headers: &mut Headers, ends: &Ends) -> i32 {
    if !rewrite::put(skb, headers, Which::Source, &ends.source) {
        return TC_ACT_SHOT;
    }
    headers.put(Which::Source, ends.source.into());
    let is_put = rewrite::put(skb, headers, Which::Destination, &ends.destination);
    if !is_put || ((headers.network as u32) >= ether::HEADER && !rewrite::exchange_addresses(skb)) {
        return TC_ACT_SHOT;
    }
    // SAFETY: The helper has no preconditions.
    unsafe { bpf_redirect(skb.ifindex(), 0) as i32 }
}
