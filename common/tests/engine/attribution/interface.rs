//! A container's own interface.

use berth_common::{
    abi::{container::Mode, reason::Reason, units::Zone},
    engine::Way,
};

use crate::support::*;

const INSIDE: &str = "10.0.0.2:5000";
const FAR: &str = "198.51.100.7:53";

#[test]
fn everything_passes_and_only_stateful_modes_track() {
    for (id, tracks) in [(A, false), (D, false), (S, true), (F, true)] {
        let node = Node::new();
        // Addresses are not the node's business there: no spoof checks, no reservations, no sockets.
        node.bind(B, UDP, "0.0.0.0:5000").unwrap();
        for (inward, packet) in [
            (false, udp(INSIDE, FAR)),
            (true, udp(FAR, INSIDE)),
            (true, tcp(FAR, "10.0.0.2:80", SYN)),
            (false, ip("10.0.0.2", R4, ESP, &[0; 8])),
            (false, ping("10.0.0.2", R4, 5)),
        ] {
            assert_eq!(node.on_interface(id, inward, &packet), Reason::None);
            assert_eq!(node.flow_in(Zone::of(id), &packet).is_some(), tracks);
            assert_eq!(node.flow(&packet), None);
        }
        assert_eq!(node.flows_held(id), if tracks { 4 } else { 0 });
        node.check();
    }
}

#[test]
fn flows_know_who_opened_them() {
    let node = Node::new();
    node.on_interface(S, false, &udp(INSIDE, FAR));
    let flow = node.flow_in(Zone::of(S), &udp(INSIDE, FAR)).unwrap();
    assert_eq!((flow.opener, flow.responder, flow.out.packets), (S, UNOWNED, 1));
    node.on_interface(S, true, &tcp(FAR, INSIDE, SYN));
    let flow = node.flow_in(Zone::of(S), &tcp(FAR, INSIDE, SYN)).unwrap();
    assert_eq!((flow.opener, flow.responder), (UNOWNED, S));
    node.on_interface(S, false, &tcp(INSIDE, FAR, SYN | ACK));
    let flow = node.flow_in(Zone::of(S), &tcp(FAR, INSIDE, SYN)).unwrap();
    assert_eq!((flow.out.packets, flow.back.packets), (1, 1));
    assert_eq!(node.flows_held(S), 2);
}

/// As one that routes does.
#[test]
fn a_container_may_speak_for_both_ends() {
    let node = Node::new();
    node.on_interface(S, false, &udp(INSIDE, FAR));
    node.on_interface(S, false, &udp(FAR, INSIDE));
    node.on_interface(S, true, &udp(INSIDE, FAR));
    let flow = node.flow_in(Zone::of(S), &udp(INSIDE, FAR)).unwrap();
    assert_eq!((flow.opener, flow.out.packets, flow.back.packets), (S, 2, 1));
}

/// Two containers may use the same addresses on their own interfaces.
#[test]
fn zones_are_apart() {
    let node = Node::new();
    for id in [S, T] {
        assert_eq!(node.on_interface(id, false, &udp(INSIDE, FAR)), Reason::None);
        assert_eq!(node.flow_in(Zone::of(id), &udp(INSIDE, FAR)).unwrap().opener, id);
    }
    assert_eq!((node.flows_held(S), node.flows_held(T)), (1, 1));
}

#[test]
fn quota_holds_both_ways() {
    let node = Node::new();
    node.container(S, Mode::Stateful, 2, 10);
    let (out, back) = (udp(INSIDE, FAR), udp(FAR, INSIDE));
    let (there, answer) = (udp("198.51.100.7:54", INSIDE), udp(INSIDE, "198.51.100.7:54"));
    for _ in 0..2 {
        for (inward, packet) in [(false, &out), (true, &back), (true, &there), (false, &answer)] {
            assert_eq!(node.on_interface(S, inward, packet), Reason::None);
        }
        // Long enough for both to be kept.
        node.wait(3);
    }
    assert_eq!(node.on_interface(S, true, &udp("198.51.100.7:55", INSIDE)), Reason::FlowQuota);
    assert_eq!(node.on_interface(S, false, &udp(INSIDE, "198.51.100.7:56")), Reason::FlowQuota);
    // Known flows go on.
    assert_eq!(node.on_interface(S, true, &udp(FAR, INSIDE)), Reason::None);
    let quota = node.usage(S).flows;
    assert_eq!((quota.held.count(), quota.maxheld, quota.failcnt), (2, 2, 2));
}

/// As nf_conntrack: errors are about another flow, discovery is about none.
#[test]
fn what_is_no_conversation_opens_no_flow() {
    let node = Node::new();
    for packet in [
        unreachable_to(R4, "10.0.0.2", &udp(INSIDE, FAR)),
        icmp("fe80::7", "ff02::1", 134, [0; 4], &[0; 8]),
        icmp("fe80::7", "ff02::1:ff00:2", 135, [0; 4], &[0; 16]),
        icmp("fe80::7", "fe80::2", 136, [0; 4], &[0; 16]),
        icmp("::", "ff02::16", 143, [0; 4], &[0; 20]),
        Ip::fragment(3, false, 7).build(ip_address(R4), ip_address("10.0.0.2"), UDP, &[0; 8]),
    ] {
        assert_eq!(node.on_interface(S, true, &packet), Reason::None);
    }
    assert!(node.tables.flows().is_empty());
}

#[test]
fn a_container_that_is_gone_has_no_say() {
    let node = Node::new();
    node.tables.remove_container(S);
    assert_eq!(node.on_interface(S, false, &udp(INSIDE, FAR)), Reason::None);
    assert!(node.tables.flows().is_empty());
}

/// What the node routes between the container and an uplink is tracked, and judged, on the container's own interface alone.
#[test]
fn what_is_routed_is_tracked_once() {
    let node = Node::with_own_addresses();
    node.container(O, Mode::Full, 100, 100);
    node.own_network(O);
    for (inside, far) in
        [("192.0.2.60:80", "198.51.100.7:5000"), ("[2001:db8::60]:80", "[2001:db8:f::7]:5000")]
    {
        let held = node.flows_held(O);
        for (inward, packet) in [
            (true, tcp(far, inside, SYN)),
            (false, tcp(inside, far, SYN | ACK)),
            (true, tcp(far, inside, ACK)),
            (false, tcp(inside, far, ACK)),
        ] {
            if inward {
                assert_eq!(node.owner(&packet), (O, Way::Address));
                assert_eq!(node.on_interface(O, true, &packet), Reason::None);
            } else {
                assert_eq!(node.on_interface(O, false, &packet), Reason::None);
                assert_eq!(node.leave(&packet), (O, Way::Address));
            }
            assert_eq!((node.flow(&packet), node.flows_held(O)), (None, held + 1));
        }
    }
    node.check();
}
