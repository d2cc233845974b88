//! The flow quota, and the table's own limit.

use berth_common::{
    abi::{
        container::{Held, Mode},
        reason::Reason,
        units::Nanos,
    },
    memory::Capacity,
};

use crate::support::*;

fn to(port: u16) -> Vec<u8> {
    udp("192.0.2.1:5000", &format!("198.51.100.7:{port}"))
}

fn back(port: u16) -> Vec<u8> {
    udp(&format!("198.51.100.7:{port}"), "192.0.2.1:5000")
}

#[test]
fn exactly_the_limit() {
    for limit in [0, 1, 5] {
        let node = Node::new();
        node.container(A, Mode::Stateless, limit, 0);
        for port in 1..=10 {
            if u32::from(port) <= limit {
                node.send_kept(A, &to(port), &back(port));
            } else {
                assert_eq!(node.send(A, &to(port)), Reason::FlowQuota, "limit {limit}, flow {port}");
            }
        }
        let quota = node.usage(A).flows;
        let limit = u64::from(limit);
        assert_eq!((quota.held.count(), quota.maxheld, quota.failcnt), (limit, limit, 10 - limit));
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
    for port in 1..=3 {
        assert_eq!(node.arrive(&back(port)).reason, Reason::None);
        assert_eq!(node.send(S, &to(port)), Reason::None);
        node.wait(3);
        assert_eq!(node.arrive(&back(port)).reason, Reason::None);
    }
    let verdict = node.arrive(&back(4));
    assert_eq!((verdict.owner.id, verdict.reason), (S, Reason::FlowQuota));
    assert_eq!(node.arrive(&back(3)).reason, Reason::None);
    assert_eq!(node.usage(S).flows.failcnt, 1);
}

/// One too many takes the place of the one that was looked at least lately, of those that nobody would miss.
#[test]
fn the_oldest_that_is_not_assured_goes() {
    let node = Node::new();
    node.container(A, Mode::Stateless, 3, 0);
    node.send_kept(A, &to(1), &back(1));
    for port in 2..=5 {
        assert_eq!(node.send(A, &to(port)), Reason::None);
    }
    let is_there = |port| node.flow(&to(port)).is_some();
    assert_eq!([1, 2, 3, 4, 5].map(is_there), [true, false, false, true, true]);
    let usage = node.usage(A);
    assert_eq!((usage.flows.held.count(), usage.flows.failcnt, usage.evicted), (3, 0, 2));
    node.check();
}

/// One that has expired goes before all that have not, wherever it is.
#[test]
fn what_has_expired_goes_first() {
    let node = Node::new();
    node.container(A, Mode::Stateless, 3, 0);
    node.send(A, &to(1));
    node.send(A, &to(2));
    node.send(A, &to(3));
    node.wait(20);
    node.send(A, &to(1));
    node.send(A, &to(3));
    node.wait(20);
    node.send(A, &to(4));
    assert_eq!([1, 2, 3, 4].map(|port| node.flow(&to(port)).is_some()), [true, false, true, true]);
    assert_eq!((node.usage(A).flows.held.count(), node.usage(A).evicted), (3, 0));
    node.check();
}

/// Without a sweep: what has ended makes room by itself.
#[test]
fn ended_flows_make_room_for_ever() {
    let node = Node::with(Capacity { containers: 16, flows: 8, ..Capacity::default() });
    node.container(A, Mode::Stateless, 4, 0);
    for round in 0..500 {
        assert_eq!(node.send(A, &to(1 + round)), Reason::None);
        node.wait(31);
    }
    assert_eq!(
        (node.usage(A).flows.held.count(), node.usage(A).flows.failcnt, node.usage(A).evicted),
        (4, 0, 0)
    );
    node.check();
}

#[test]
fn a_lowered_limit_is_come_to_one_by_one() {
    let node = Node::new();
    for port in 1..=5 {
        node.send(A, &to(port));
    }
    node.container(A, Mode::Stateless, 3, 0);
    assert_eq!(node.send(A, &to(1)), Reason::None);
    for (port, reason, held) in [(6, Reason::FlowQuota, 4), (7, Reason::FlowQuota, 3), (8, Reason::None, 3)] {
        assert_eq!((node.send(A, &to(port)), node.flows_held(A)), (reason, held));
    }
    let quota = node.usage(A).flows;
    assert_eq!((quota.maxheld, quota.failcnt), (5, 2));
    node.check();
}

#[test]
fn a_full_table_lets_nothing_through() {
    let node = Node::with(Capacity { containers: 16, flows: 4, ports: 4, ..Capacity::default() });
    for port in 1..=4 {
        node.send_kept(A, &to(port), &back(port));
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
    // What has expired is anybody's, without a sweep.
    node.wait(121);
    for port in 1..=4_u64 {
        assert_eq!(node.send(B, &udp("192.0.2.1:6000", &format!("198.51.100.7:{port}"))), Reason::None);
        assert_eq!((node.flows_held(A), node.flows_held(B)), (4 - port, port));
    }
    node.check();
    // They are B's altogether, which can have one go for another.
    node.container(B, Mode::Stateless, 4, 0);
    assert_eq!(node.send(B, &udp("192.0.2.1:6000", "198.51.100.7:5")), Reason::None);
    assert_eq!((node.flows_held(B), node.usage(B).evicted), (4, 1));
    node.check();
}

/// At a full table a container has its own flows go, never another's.
#[test]
fn a_full_table_costs_nobody_else_a_flow() {
    let node = Node::with(Capacity { containers: 16, flows: 4, ..Capacity::default() });
    node.send(B, &udp("192.0.2.1:6000", "198.51.100.7:1"));
    for port in 1..=50 {
        assert_eq!(node.send(A, &to(port)), Reason::None);
    }
    assert_eq!((node.flows_held(A), node.flows_held(B), node.usage(A).evicted), (3, 1, 47));
    assert!(node.flow(&udp("192.0.2.1:6000", "198.51.100.7:1")).is_some());
    node.check();
}

/// However many others would have, and in whatever order.
#[test]
fn what_is_guaranteed_is_there() {
    let node = Node::with(Capacity { containers: 16, flows: 8, ..Capacity::default() });
    assert!(node.tables.guarantee(A, 3));
    assert!(node.tables.guarantee(B, 2));
    for port in 1..=50 {
        assert_eq!(node.send(B, &to(port)), Reason::None);
    }
    // Two of its own, and the three that are nobody's.
    assert_eq!((node.flows_held(B), node.usage(B).evicted), (5, 45));
    let of_a = |port| udp("192.0.2.1:6000", &format!("198.51.100.7:{port}"));
    for port in 1..=3 {
        assert_eq!(node.send(A, &of_a(port)), Reason::None);
    }
    assert_eq!((node.flows_held(A), node.flows_held(B), node.usage(A).evicted), (3, 5, 0));
    // One more is beyond, as all are of who is guaranteed none.
    assert_eq!(node.send(A, &of_a(4)), Reason::None);
    assert_eq!((node.flows_held(A), node.usage(A).evicted), (3, 1));
    assert_eq!(node.send(C, &udp("192.0.2.1:7000", "198.51.100.7:1")), Reason::FlowTableFull);
    assert_eq!(node.usage(C).flows.failcnt, 0);
    node.check();
    // What B gives back is for all.
    assert_eq!(node.tables.flush_flows(B), 5);
    node.tables.sweep();
    node.wait(1);
    assert_eq!(node.send(A, &of_a(5)), Reason::None);
    assert_eq!(node.send(C, &udp("192.0.2.1:7000", "198.51.100.7:1")), Reason::None);
    assert_eq!((node.flows_held(A), node.flows_held(C)), (4, 1));
    node.check();
}

/// What is guaranteed when all is in use is there as flows end.
#[test]
fn guarantees_change_while_flows_are_there() {
    let node = Node::with(Capacity { containers: 16, flows: 4, ..Capacity::default() });
    for port in 1..=4 {
        node.send(B, &to(port));
    }
    assert!(node.tables.guarantee(A, 2));
    let of_a = udp("192.0.2.1:6000", "198.51.100.7:1");
    assert_eq!(node.send(A, &of_a), Reason::FlowTableFull);
    node.wait(31);
    assert_eq!(node.send(A, &of_a), Reason::None);
    node.check();
    // More than are for all: B has its own go, and A has a second one.
    for port in 5..=9 {
        assert_eq!(node.send(B, &to(port)), Reason::None);
    }
    assert_eq!(node.send(A, &udp("192.0.2.1:6000", "198.51.100.7:2")), Reason::None);
    assert_eq!((node.flows_held(A), node.flows_held(B)), (2, 2));
    for (id, flows) in [(A, 0), (B, 1), (A, 1), (B, 4), (B, 0), (A, 0)] {
        assert!(node.tables.guarantee(id, flows));
        node.check();
    }
}

/// A container that is no more has given back all but the flows that it still has.
#[test]
fn what_was_used_is_forgotten() {
    let node = Node::new();
    assert!(node.tables.guarantee(A, 1));
    for port in 1..=3 {
        node.send(A, &to(port));
    }
    node.tables.forget_usage(A);
    let usage = node.usage(A);
    assert_eq!((usage.flows.held.count(), usage.flows.held.guaranteed(), usage.flows.maxheld), (3, 1, 0));
    node.check();
}

/// Count and guarantee are one word, and the one may fall below zero.
#[test]
fn a_count_below_zero_leaves_the_guarantee() {
    let held = Held::new(1, 5);
    assert_eq!((held.count(), held.guaranteed(), held.promised()), (1, 5, 5));
    let below = Held(held.0.wrapping_sub(3));
    assert_eq!((below.balance(), below.count(), below.guaranteed(), below.promised()), (-2, 0, 5, 5));
    let changed = below.with_guaranteed(0);
    assert_eq!((changed.balance(), changed.guaranteed(), changed.promised()), (-2, 0, 0));
    assert_eq!(Held(changed.0.wrapping_add(5)), Held::new(3, 0));
    assert_eq!(Held::new(7, 5).promised(), 7);
}

#[test]
fn maxheld_stays() {
    let node = Node::new();
    for port in 1..=5 {
        node.send(A, &to(port));
    }
    assert_eq!(node.tables.flush_flows(A), 5);
    let quota = node.usage(A).flows;
    assert_eq!((quota.held.count(), quota.maxheld), (0, 5));
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

/// So many at once, and then one by one as time goes by.
#[test]
fn so_many_new_ones_in_a_second() {
    let node = Node::new();
    node.container(A, Mode::Stateless, 1_000, 0);
    node.flow_rate(A, 10);
    let begun = |from: u16| (from..from + 50).filter(|port| node.send(A, &to(*port)) == Reason::None).count();
    assert_eq!(begun(1), 10);
    assert_eq!(node.send(A, &to(99)), Reason::FlowRate);
    // What is there goes on, and is not counted.
    assert_eq!(node.send(A, &to(1)), Reason::None);
    node.tables.advance(Nanos(300_000_000));
    assert_eq!(begun(100), 3);
    node.wait(60);
    assert_eq!(begun(200), 10);
    // Others are not held to it, and it is no failure of the quota.
    assert_eq!(node.send(B, &udp("192.0.2.1:6000", "198.51.100.7:1")), Reason::None);
    assert_eq!(node.usage(A).flows.failcnt, 0);
    node.check();
}
