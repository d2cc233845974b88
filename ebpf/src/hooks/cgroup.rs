//! cgroup_skb: where a container's sockets send and receive. Only sockets of the node's own network namespace count;
//! the hooks fire for those of others too.

use aya_ebpf::{macros::cgroup_skb, programs::SkBuffContext};
use berth_common::{
    abi::{reason::Reason, rules::interface, units::Zone},
    engine::{Headers, Trace, Verdict, Way, egress, ingress, parse, quota, verdict::Owner},
};

use crate::{
    count::{self, Direction, Plane},
    echo, event, judged,
    packet::Skb,
    seams::{self, BySkb},
    sender,
    tables::{Maps, config},
};

const PASS: i32 = 1;
const DROP: i32 = 0;

/// A socket of the container sends: the sender gets EPERM for what is dropped.
#[cgroup_skb(egress)]
pub fn berth_send(ctx: SkBuffContext) -> i32 {
    let skb = Skb(ctx.skb.skb);
    let Some(id) = sender::at_cgroup(skb.0) else { return PASS };
    let mut headers = Headers::EMPTY;
    if !seams::parse_ip(skb, parse::version(&skb), 0, &mut headers) {
        count::refusal(id, Reason::Malformed);
        return DROP;
    }
    let zone = zone_of(skb.ifindex());
    let maps = Maps::new(BySkb(skb));
    // On an uplink, TC counts what really leaves.
    let counted = if zone == Zone::LOCAL { Some(skb.traffic(Some(&headers))) } else { None };
    let refused = if sender::is_raw(skb.0) {
        seams::speaks_for_another(skb, &headers, (id, zone))
    } else {
        Reason::None
    };
    let verdict = if refused == Reason::None {
        egress::send(&maps, (&skb, &headers), (id, zone), true, counted)
    } else {
        Verdict::because(Owner::new(id, Way::Cgroup), refused)
    };
    if verdict.reason == Reason::IcmpIdInUse && zone == Zone::UPLINK {
        // It goes by another id, which the next hook gives it, and judges it then.
        judged::clear(skb);
        return PASS;
    }
    match (verdict.passes(), zone) {
        (_, Zone::LOCAL) => {
            // Reckoned anew: there is no stack to keep it on.
            count::packet(&verdict, Plane::Local, Direction::Out, skb.traffic(Some(&headers)));
        }
        (false, _) => count::refusal(id, verdict.reason),
        (true, _) => {}
    }
    judged::clear(skb);
    if verdict.passes() {
        // On `lo` the receiver's hook is the next one, which is to hold what makes no sense against the flow itself.
        if zone == Zone::UPLINK || (verdict.makes_sense && skb.ifindex() == interface::LOOPBACK) {
            judged::passed(skb);
        }
        return PASS;
    }
    event::dropped(maps.now(), &headers, &verdict, skb.ifindex());
    // Where TC makes the notice, the packet must get there. Elsewhere the sender has its error.
    if verdict.reason == Reason::Rejected
        && (zone == Zone::UPLINK || skb.ifindex() == interface::LOOPBACK)
        && quota::notice_allowed(&maps, id)
    {
        judged::rejected(skb, verdict.code);
        return PASS;
    }
    DROP
}

/// A socket of the container is offered a packet: what is dropped is withheld from this socket only.
#[cgroup_skb(ingress)]
pub fn berth_receive(ctx: SkBuffContext) -> i32 {
    let skb = Skb(ctx.skb.skb);
    let Some(id) = sender::at_cgroup(skb.0) else { return PASS };
    let mut headers = Headers::EMPTY;
    if !seams::parse_ip(skb, parse::version(&skb), 0, &mut headers) {
        count::refusal(id, Reason::NotOwner);
        return DROP;
    }
    let zone = zone_of(skb.ifindex());
    let maps = Maps::new(BySkb(skb));
    if zone == Zone::UPLINK {
        echo::as_it_came(skb, &mut headers);
    }
    let is_raw = sender::is_raw(skb.0);
    // Raw sockets get copies.
    let trace = match judged::trace_at_socket(skb) {
        Trace::None if is_raw => Trace::Judged,
        trace => trace,
    };
    // Nobody else has counted it in its flow.
    let is_first = zone == Zone::LOCAL && trace == Trace::None;
    let counted = if is_first { Some(skb.traffic(Some(&headers))) } else { None };
    let mut verdict = ingress::receive(&maps, (&skb, &headers), (id, zone), trace, counted);
    if is_raw {
        verdict = ingress::receive_raw(&maps, &headers, verdict);
    }
    match (verdict.passes(), zone) {
        (true, Zone::LOCAL) => {
            count::packet(&verdict, Plane::Local, Direction::In, skb.traffic(Some(&headers)));
        }
        (false, _) => count::refusal(id, verdict.reason),
        (true, _) => {}
    }
    if verdict.passes() { PASS } else { DROP }
}

/// The zone of traffic on an interface of the node's own namespace.
#[inline(always)]
fn zone_of(ifindex: u32) -> Zone {
    let Some(config) = config() else { return Zone::LOCAL };
    let is_uplink = ifindex != 0 && config.uplinks.contains(&ifindex);
    if is_uplink { Zone::UPLINK } else { Zone::LOCAL }
}
