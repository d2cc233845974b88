//! Several threads at once: nobody gets more than the limit, and nothing is counted twice or forgotten.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use berth_common::{
    abi::{container::Mode, port::Claim, reason::Reason},
    memory::Capacity,
};

use crate::support::*;

const THREADS: u16 = 4;

fn together(work: impl Fn(u16) + Sync) {
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let work = &work;
            scope.spawn(move || work(thread));
        }
    });
}

#[test]
fn the_flow_quota_is_exact() {
    for round in 0..20_u16 {
        let node = Node::new();
        node.container(A, Mode::Stateless, 50, 0);
        let passed = AtomicU64::new(0);
        together(|thread| {
            for port in 0..40 {
                let packet = udp("192.0.2.1:5000", &format!("198.51.100.7:{}", 1 + thread * 100 + port));
                if node.send(A, &packet) == Reason::None {
                    passed.fetch_add(1, Ordering::Relaxed);
                }
                assert!(node.flows_held(A) <= 50 + u64::from(THREADS), "round {round}");
            }
        });
        node.check();
        assert!(node.flows_held(A) <= 50);
        assert_eq!(passed.into_inner(), node.flows_held(A), "whoever passed has a flow");
        let quota = node.usage(A).flows;
        assert_eq!(quota.failcnt + quota.held, 160);
    }
}

#[test]
fn the_same_flows_from_all_sides() {
    for _ in 0..20 {
        let node = Node::with(Capacity {
            containers: 16,
            flows: 24,
            ports: 16,
            fragments: 16,
            ..Capacity::default()
        });
        together(|thread| {
            let id = [A, B, S, T][usize::from(thread)];
            for turn in 0..300_u16 {
                let far = format!("198.51.100.7:{}", 1 + turn % 32);
                node.send(id, &udp("192.0.2.1:5000", &far));
                let _ = node.arrive(&udp(&far, "192.0.2.1:5000"));
                if turn % 7 == 0 {
                    node.wait(10);
                }
                if turn % 5 == thread {
                    node.tables.sweep();
                }
                if turn % 50 == thread {
                    node.tables.flush_flows(id);
                }
            }
        });
        node.wait(100_000);
        node.tables.sweep();
        node.check();
        assert!(node.tables.flows().is_empty());
    }
}

/// The flow is another's, or has expired, and all of its new owner's threads send at once.
#[test]
fn one_takes_a_flow_over() {
    let packet = udp("192.0.2.1:5000", "198.51.100.7:53");
    for round in 0..300 {
        let node = Node::new();
        node.send(A, &packet);
        node.socket(B, UDP, "0.0.0.0:5000");
        if round % 2 == 0 {
            node.wait(30);
        }
        together(|_| assert_eq!(node.send(B, &packet), Reason::None));
        assert_eq!((node.flows_held(A), node.flows_held(B)), (0, 1));
        assert_eq!(node.flow(&packet).unwrap().opener, B);
        node.check();
    }
}

#[test]
fn ports_have_one_holder() {
    for _ in 0..20 {
        let node = Node::new();
        let exact = port_key(UDP, "192.0.2.1:5000");
        let wildcard = port_key(UDP, "0.0.0.0:5000");
        let holders = AtomicU64::new(0);
        together(|thread| {
            let id = [A, B, S, T][usize::from(thread)];
            let key = if thread % 2 == 0 { exact } else { wildcard };
            for turn in 0..200 {
                if node.tables.reserve(&key, Claim::bound(id)).is_ok() {
                    assert_eq!(holders.fetch_add(1, Ordering::SeqCst), 0, "two hold the port");
                    holders.fetch_sub(1, Ordering::SeqCst);
                    node.tables.release(&key, Claim::bound(id));
                }
                if turn % 16 == 0 {
                    node.tables.sweep();
                }
            }
        });
        node.tables.sweep();
        node.check();
        let left = node.tables.export();
        assert_eq!((left.ports.len(), left.summaries.len()), (0, 0));
    }
}
