//! Flows end, are opened again in place, and are swept.

use berth_common::{
    abi::{
        container::Mode,
        reason::Reason,
        timeout::Timeout,
        units::{Nanos, Ticks, Zone},
    },
    engine::{Verdict, Way, verdict::Owner},
};

use crate::support::*;

const OUT: &str = "192.0.2.1:5000";
const FAR: &str = "198.51.100.7:53";

#[test]
fn dead_to_lookups_at_the_very_moment() {
    let node = Node::new();
    node.send(A, &udp(OUT, FAR));
    node.tables.advance(Nanos(Nanos::seconds(30).0 - 1));
    assert!(node.may_receive(A, &udp(FAR, OUT)));
    let node = Node::new();
    node.send(A, &udp(OUT, FAR));
    node.wait(30);
    assert_eq!(node.arrive(&udp(FAR, OUT)), Verdict::pass(Owner::NOBODY));
    assert_eq!(node.leave(&udp(OUT, FAR)), (HOST, Way::None));
    assert!(!node.may_receive(A, &udp(FAR, OUT)));
    assert_eq!(node.arrive(&unreachable(R4, &udp(OUT, FAR))), Verdict::pass(Owner::NOBODY));
}

#[test]
fn packets_keep_it_alive() {
    let node = Node::new();
    for _ in 0..10 {
        node.send(A, &udp(OUT, FAR));
        node.wait(29);
    }
    assert_eq!(node.owner(&udp(FAR, OUT)), (A, Way::Flow));
    assert_eq!(node.flow(&udp(OUT, FAR)).unwrap().out.packets, 10);
}

#[test]
fn opened_again_in_place() {
    let node = Node::new();
    node.send(A, &udp(OUT, FAR));
    node.owner(&udp(FAR, OUT));
    node.wait(1_000);
    assert_eq!(node.send(A, &udp(OUT, FAR)), Reason::None);
    let flow = node.flow(&udp(OUT, FAR)).unwrap();
    assert_eq!((flow.out.packets, flow.back.packets, flow.created), (1, 0, Ticks::of(node.now())));
    assert_eq!(flow.expires, node.now().after(Nanos::seconds(30)));
    assert_eq!(node.tables.flows().len(), 1);
    assert_eq!(node.flows_held(A), 1);
    assert_eq!(node.usage(A).flows.maxheld, 1, "the same flow again is no second one");
    node.check();
}

#[test]
fn opened_again_by_another_the_quota_moves() {
    let node = Node::new();
    node.send(A, &udp(OUT, FAR));
    node.wait(30);
    assert_eq!(node.send(B, &udp(OUT, FAR)), Reason::None);
    assert_eq!((node.flows_held(A), node.flows_held(B)), (0, 1));
    assert_eq!(node.send(A, &udp(OUT, FAR)), Reason::Hijack);
    node.wait(30);
    // From the other side.
    node.bind(S, UDP, OUT).unwrap();
    assert_eq!(node.owner(&udp(FAR, OUT)), (S, Way::Port));
    let flow = node.flow(&udp(OUT, FAR)).unwrap();
    assert_eq!((flow.opener, flow.responder), (UNOWNED, S));
    assert_eq!((node.flows_held(B), node.flows_held(S)), (0, 1));
    assert_eq!(node.owner(&udp(FAR, OUT)), (S, Way::Flow));
    node.check();
}

#[test]
fn not_opened_again_beyond_the_newcomers_quota() {
    let node = Node::new();
    node.container(B, Mode::Stateless, 0, 0);
    node.send(A, &udp(OUT, FAR));
    node.wait(30);
    assert_eq!(node.send(B, &udp(OUT, FAR)), Reason::FlowQuota);
    assert_eq!((node.flows_held(A), node.flows_held(B)), (1, 0));
    node.check();
}

/// A container at its limit may open again what has expired of its own: it holds no more than before.
#[test]
fn opened_again_at_the_limit() {
    let node = Node::new();
    node.container(A, Mode::Stateless, 1, 0);
    node.send(A, &udp(OUT, FAR));
    node.wait(30);
    assert_eq!(node.send(A, &udp(OUT, FAR)), Reason::None);
    let quota = node.usage(A).flows;
    assert_eq!((quota.held.count(), quota.maxheld, quota.failcnt), (1, 1, 0));
    node.check();
}

#[test]
fn swept() {
    let node = Node::new();
    node.send(A, &udp(OUT, FAR));
    node.send(A, &tcp(OUT, FAR, SYN));
    node.send_local(B, &udp("127.0.0.1:5000", "127.0.0.1:53"));
    node.wait(30);
    assert_eq!(node.flows_held(A), 2, "expired entries count until they are deleted");
    assert_eq!(node.tables.sweep(), 2);
    assert_eq!((node.flows_held(A), node.flows_held(B)), (1, 0));
    assert!(node.flow(&tcp(OUT, FAR, SYN)).is_some());
    assert!(node.flow_in(Zone::LOCAL, &udp("127.0.0.1:5000", "127.0.0.1:53")).is_none());
    assert_eq!(node.tables.sweep(), 0);
    node.check();
}

/// The place of a deleted entry serves the next one.
#[test]
fn swept_places_are_used_again() {
    let node = Node::with(berth_common::memory::Capacity {
        containers: 16,
        flows: 2,
        ports: 2,
        ..Default::default()
    });
    for port in 1..200 {
        assert_eq!(node.send(A, &udp(OUT, &format!("198.51.100.7:{port}"))), Reason::None);
        node.wait(20);
        node.tables.sweep();
        assert!(node.tables.flows().len() <= 2);
        node.check();
    }
}

/// Each container's flows last as long as it is set for them.
#[test]
fn as_long_as_the_container_s_last() {
    let node = Node::new();
    node.tables.set_timeout(A, Timeout::UDP, 7);
    node.tables.set_timeout(A, Timeout::TCP_SYN_SENT, 9);
    let others = udp("192.0.2.1:6000", FAR);
    node.send(A, &udp(OUT, FAR));
    node.send(A, &tcp(OUT, FAR, SYN));
    node.send(B, &others);
    let left = |packet: &[u8]| node.flow(packet).map(|flow| (flow.expires.0 - node.now().0) / 1_000_000_000);
    assert_eq!(
        (left(&udp(OUT, FAR)), left(&tcp(OUT, FAR, SYN)), left(&others)),
        (Some(7), Some(9), Some(30))
    );
    // A change holds from the next packet on.
    node.tables.set_timeout(A, Timeout::UDP, 20);
    assert_eq!(left(&udp(OUT, FAR)), Some(7));
    node.send(A, &udp(OUT, FAR));
    assert_eq!(left(&udp(OUT, FAR)), Some(20));
}
