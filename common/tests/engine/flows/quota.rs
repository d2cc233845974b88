//! The flow quota, and the table's own limit.

use berth_common::{
    abi::{container::Mode, reason::Reason},
    memory::Capacity,
};

use crate::support::*;

fn to(port: u16) -> Vec<u8> {
    udp("192.0.2.1:5000", &format!("198.51.100.7:{port}"))
}

#[test]
fn exactly_the_limit() {
    for limit in [0, 1, 5] {
        let node = Node::new();
        node.container(A, Mode::Stateless, limit, 0);
        for port in 1..=10 {
            let expected = if u32::from(port) <= limit { Reason::None } else { Reason::FlowQuota };
            assert_eq!(node.send(A, &to(port)), expected, "limit {limit}, flow {port}");
        }
        let quota = node.usage(A).flows;
        let limit = u64::from(limit);
        assert_eq!((quota.held, quota.maxheld, quota.failcnt), (limit, limit, 10 - limit));
        // What is there goes on, and is no failure.
        if limit > 0 {
            assert_eq!(node.send(A, &to(1)), Reason::None);
        }
        assert_eq!(node.usage(A).flows.failcnt, 10 - limit);
        // Others are not touched.
        assert_eq!(node.send(B, &udp("192.0.2.1:6000", "198.51.100.7:1")), Reason::None);
        node.check();
    }
}

#[test]
fn for_what_arrives_too() {
    let node = Node::new();
    node.container(S, Mode::Stateful, 3, 1);
    node.bind(S, UDP, "0.0.0.0:5000").unwrap();
    let from = |port| udp(&format!("198.51.100.7:{port}"), "192.0.2.1:5000");
    for port in 1..=3 {
        assert_eq!(node.arrive(&from(port)).reason, Reason::None);
    }
    let verdict = node.arrive(&from(4));
    assert_eq!((verdict.owner.id, verdict.reason), (S, Reason::FlowQuota));
    assert_eq!(node.arrive(&from(3)).reason, Reason::None);
    assert_eq!(node.usage(S).flows.failcnt, 1);
}

#[test]
fn a_lowered_limit_refuses_what_is_new() {
    let node = Node::new();
    for port in 1..=5 {
        node.send(A, &to(port));
    }
    node.container(A, Mode::Stateless, 2, 0);
    assert_eq!(node.send(A, &to(1)), Reason::None);
    assert_eq!(node.send(A, &to(6)), Reason::FlowQuota);
    let quota = node.usage(A).flows;
    assert_eq!((quota.held, quota.maxheld, quota.failcnt), (5, 5, 1));
}

#[test]
fn a_full_table_lets_nothing_through() {
    let node =
        Node::with(Capacity { containers: 16, flows: 4, ports: 4, fragments: 4, ..Capacity::default() });
    for port in 1..=4 {
        assert_eq!(node.send(A, &to(port)), Reason::None);
    }
    assert_eq!(node.send(A, &to(5)), Reason::FlowTableFull);
    assert_eq!(node.send(B, &udp("192.0.2.1:6000", "198.51.100.7:1")), Reason::FlowTableFull);
    node.bind(S, UDP, "0.0.0.0:7000").unwrap();
    let verdict = node.arrive(&udp("198.51.100.7:1", "192.0.2.1:7000"));
    assert_eq!((verdict.owner.id, verdict.reason), (S, Reason::FlowTableFull));
    // Nothing is charged for what is not there, and what is there goes on.
    assert_eq!((node.flows_held(A), node.flows_held(B), node.flows_held(S)), (4, 0, 0));
    assert_eq!(node.send(A, &to(4)), Reason::None);
    node.check();
    node.wait(31);
    node.tables.sweep();
    assert_eq!(node.send(B, &udp("192.0.2.1:6000", "198.51.100.7:1")), Reason::None);
    node.check();
}

#[test]
fn maxheld_stays() {
    let node = Node::new();
    for port in 1..=5 {
        node.send(A, &to(port));
    }
    assert_eq!(node.tables.flush_flows(A), 5);
    let quota = node.usage(A).flows;
    assert_eq!((quota.held, quota.maxheld), (0, 5));
    node.send(A, &to(1));
    assert_eq!(node.usage(A).flows.maxheld, 5);
}

#[test]
fn flushing_takes_the_flows_of_both_ends() {
    let node = Node::new();
    node.bind(B, UDP, "127.0.0.1:53").unwrap();
    node.send_local(A, &udp("127.0.0.1:5000", "127.0.0.1:53"));
    node.send(A, &to(1));
    node.send(C, &udp("192.0.2.1:6000", "198.51.100.7:1"));
    assert_eq!(node.tables.flush_flows(B), 1);
    assert_eq!(node.flows_held(A), 1);
    assert_eq!(node.tables.flush_flows(A), 1);
    assert_eq!(node.tables.flush_flows(A), 0);
    assert_eq!((node.flows_held(A), node.flows_held(C)), (0, 1));
    node.check();
}
