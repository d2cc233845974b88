//! Several threads at once: nobody gets more than the limit, and nothing is counted twice or forgotten.

use std::{
    sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    thread,
};

use berth_common::{
    abi::{
        container::Mode,
        flow::{Flow, Phase, State},
        port::Claim,
        reason::Reason,
        units::Zone,
    },
    engine::{
        Trace,
        connection::{self, Meeting},
        flow,
        headers::Place,
        tables::Beginning,
        tables::FlowEntry as _,
        tcp::{Connection, Decision, Facts, Parts, Segment},
    },
    memory::{Bytes, Capacity, FlowCell},
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
                assert!(node.flows_held(A) <= 50, "round {round}");
            }
        });
        node.check();
        assert!(node.flows_held(A) <= 50);
        let usage = node.usage(A);
        let gone = usage.evicted + usage.flows.held.count();
        assert_eq!(passed.into_inner(), gone, "whoever passed has a flow, or had one");
        assert_eq!(usage.flows.failcnt + gone, 160);
    }
}

#[test]
fn the_same_flows_from_all_sides() {
    for _ in 0..20 {
        let node = Node::with(Capacity { containers: 16, flows: 24, ports: 16, ..Capacity::default() });
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

/// A segment in the only flow of a node: what it is to that.
fn met(node: &Node, packet: &[u8]) -> Meeting {
    let (tables, headers) = (&node.tables, Node::headers(packet));
    let hit = flow::find(&tables, &headers, Place::in_zone(Zone::UPLINK)).expect("a flow");
    flow::touch(&tables, &hit, (&Bytes(packet), &headers), (Trace::None, None))
}

/// One end sends and the other acknowledges, each from a thread of its own, as far as the window goes: all of it makes sense,
/// and nothing of it is forgotten.
#[test]
fn a_connection_has_one_segment_at_a_time() {
    const OUT: &str = "192.0.2.1:5000";
    const FAR: &str = "198.51.100.7:80";
    /// Bytes of a segment, and of the window that segments of these tests offer.
    const SIZE: u32 = 10;
    const WINDOW: u32 = 1_000;
    const SEGMENTS: u32 = 20_000;
    let node = Node::new();
    assert_eq!(node.send(A, &segment(OUT, FAR, SYN, 100, 0)), Reason::None);
    assert_eq!(met(&node, &segment(FAR, OUT, SYN | ACK, 300, 101)), Meeting::GoesOn);
    assert_eq!(met(&node, &segment(OUT, FAR, ACK, 101, 301)), Meeting::GoesOn);
    let (sent, acknowledged) = (AtomicU32::new(101), AtomicU32::new(101));
    let failed = AtomicBool::new(false);
    let expect = |packet: &[u8], number: u32| {
        let meeting = met(&node, packet);
        failed.fetch_or(meeting != Meeting::GoesOn, Ordering::SeqCst);
        assert_eq!(meeting, Meeting::GoesOn, "{number}");
    };
    thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..SEGMENTS {
                let next = 101 + number * SIZE;
                while next + SIZE > acknowledged.load(Ordering::SeqCst) + WINDOW {
                    assert!(!failed.load(Ordering::SeqCst), "the other end has failed");
                    thread::yield_now();
                }
                let packet = data(OUT, FAR, next, 301, &[0; SIZE as usize]);
                expect(&packet, number);
                sent.store(next + SIZE, Ordering::SeqCst);
            }
        });
        scope.spawn(|| {
            let mut last = 101;
            while last < 101 + SEGMENTS * SIZE {
                assert!(!failed.load(Ordering::SeqCst), "the other end has failed");
                last = sent.load(Ordering::SeqCst);
                expect(&segment(FAR, OUT, ACK, 301, last), last);
                acknowledged.store(last, Ordering::SeqCst);
            }
        });
    });
    let flow = node.flow(&tcp(OUT, FAR, 0)).expect("a flow");
    assert!(!flow.state.has(State::LOCKED));
    assert_eq!(flow.state.phase(), Phase::Established);
    // A thread that had to wait too long was not heard.
    if !flow.state.has(State::MISSED) {
        let end = 101 + SEGMENTS * SIZE;
        let Flow { numbers: [opener, _, _, responder, _], .. } = flow;
        assert_eq!((opener & 0xffff_ffff, responder >> 32), (end.into(), end.into()));
    }
}

/// One who has interrupted who holds the lock cannot wait. What his segment said is not known, so no window holds from then on.
#[test]
fn a_segment_that_cannot_wait_is_missed() {
    const OUT: &str = "192.0.2.1:5000";
    const FAR: &str = "198.51.100.7:80";
    let node = Node::new();
    assert_eq!(node.send(A, &segment(OUT, FAR, SYN, 100, 0)), Reason::None);
    assert_eq!(met(&node, &segment(FAR, OUT, SYN | ACK, 300, 101)), Meeting::GoesOn);
    assert_eq!(met(&node, &segment(OUT, FAR, ACK, 101, 301)), Meeting::GoesOn);
    let far_on = segment(OUT, FAR, ACK, 1_000_000, 301);
    assert_eq!(met(&node, &far_on), Meeting::Invalid);
    let (tables, headers) = (&node.tables, Node::headers(&far_on));
    let entry = flow::find(&tables, &headers, Place::in_zone(Zone::UPLINK)).expect("a flow").entry;
    let state = entry.state();
    assert!(entry.change_state(state, state.with(State::LOCKED)));
    assert_eq!(met(&node, &far_on), Meeting::GoesOn);
    assert_eq!(entry.state(), state.with(State::LOCKED | State::MISSED));
    assert!(entry.change_state(entry.state(), state.with(State::MISSED)));
    assert_eq!(met(&node, &far_on), Meeting::GoesOn);
    assert!(!entry.state().has(State::LOCKED));
}

/// Another processor begins the entry anew, as another's flow, while a segment of the old one is looked at.
struct BegunAnew<'a>(&'a FlowCell, Beginning);

impl Parts for BegunAnew<'_> {
    fn decide(&self, connection: &mut Connection, segment: &Segment, facts: Facts) -> Decision {
        self.0.begin(&self.1);
        connection.decide(segment, facts)
    }
}

#[test]
fn a_late_segment_leaves_a_flow_alone_that_has_been_begun_anew() {
    const OUT: &str = "192.0.2.1:5000";
    const FAR: &str = "198.51.100.7:80";
    let node = Node::new();
    assert_eq!(node.send(A, &segment(OUT, FAR, SYN, 100, 0)), Reason::None);
    let late = segment(FAR, OUT, SYN | ACK, 300, 101);
    let (tables, headers) = (&node.tables, Node::headers(&late));
    let hit = flow::find(&tables, &headers, Place::in_zone(Zone::UPLINK)).expect("a flow");
    let Flow { created, out, responder, port_epoch, .. } = hit.entry.get();
    let another = Beginning { created, out, opener: B, responder, port_epoch, state: State(0) };
    let read = Segment::read(&Bytes(&late), &headers, 0).expect("a segment");
    let parts = BegunAnew(hit.entry, another);
    let meeting = connection::meet(&tables, &parts, (&headers, read), (&hit.entry, hit.from_opener));
    assert_eq!(meeting, Meeting::GoesOn);
    let after = hit.entry.get();
    assert_eq!((after.opener, after.state, after.numbers), (B, State(0), Connection::NO_NUMBERS));
}
