//! What user space is told of flows.

use std::collections::BTreeSet;

use berth_common::{
    abi::{container::Mode, flow_event::Change},
    memory::Capacity,
};

use crate::support::*;

const OUT: &str = "192.0.2.1:5000";

/// What has become of flows since this was last asked, with their remote ports and the packets of either side.
fn told(node: &Node) -> Vec<(Change, u16, u64, u64)> {
    let events = node.tables.told().into_iter();
    events
        .map(|event| {
            let flow = event.flow;
            let ports = [flow.key.low_port.0, flow.key.high_port.0];
            let port = ports.into_iter().find(|port| *port != 5000).unwrap();
            (Change::from_number(event.change), port, flow.out.packets, flow.back.packets)
        })
        .collect()
}

fn far(port: u16) -> String {
    format!("198.51.100.7:{port}")
}

#[test]
fn all_ways_to_end() {
    let node = Node::new();
    node.container(A, Mode::Stateful, 3, 10);
    node.flow_events(A, 1);
    let out = |port| udp(OUT, &far(port));
    node.send(A, &out(1));
    node.send(A, &out(1));
    node.owner(&udp(&far(1), OUT));
    assert_eq!(told(&node), [(Change::Begun, 1, 1, 0)]);
    node.send(A, &out(2));
    node.send(A, &out(3));
    told(&node);
    // At the limit, one goes.
    node.send(A, &out(4));
    assert_eq!(told(&node), [(Change::Evicted, 1, 2, 1), (Change::Begun, 4, 1, 0)]);
    // The same ends again, when it has expired.
    node.wait(31);
    node.send(A, &out(2));
    assert_eq!(told(&node), [(Change::Expired, 2, 1, 0), (Change::Begun, 2, 1, 0)]);
    node.tables.sweep();
    assert_eq!(told(&node), [(Change::Expired, 3, 1, 0), (Change::Expired, 4, 1, 0)]);
    node.tables.flush_flows(A);
    assert_eq!(told(&node), [(Change::Flushed, 2, 1, 0)]);
}

#[test]
fn a_connection_is_replaced_by_the_next() {
    let node = Node::new();
    node.container(A, Mode::Stateful, 3, 10);
    node.flow_events(A, 1);
    node.send(A, &tcp(OUT, &far(80), SYN));
    node.owner(&tcp(&far(80), OUT, RST | ACK));
    node.send(A, &tcp(OUT, &far(80), SYN));
    assert_eq!(
        told(&node),
        [(Change::Begun, 80, 1, 0), (Change::Replaced, 80, 1, 1), (Change::Begun, 80, 1, 0)]
    );
}

/// Those of which one is told are told of twice, and it is about as many as are asked for.
#[test]
fn some_of_many() {
    let node = Node::with(Capacity { flows: 16_384, ..Capacity::default() });
    node.container(A, Mode::Stateful, 10_000, 10);
    node.container(B, Mode::Stateful, 10_000, 10);
    node.flow_events(A, 4);
    for port in 1..=4_000 {
        node.send(A, &udp(OUT, &far(port)));
        node.send(B, &udp("192.0.2.1:5001", &far(port)));
    }
    let ports = |events: Vec<(Change, u16, u64, u64)>, change| -> BTreeSet<u16> {
        events.into_iter().map(|(is, port, ..)| if is == change { port } else { panic!("{is:?}") }).collect()
    };
    let begun = ports(told(&node), Change::Begun);
    assert!((400..600).contains(&begun.len()), "{}", begun.len());
    node.wait(31);
    node.tables.sweep();
    assert_eq!(ports(told(&node), Change::Expired), begun);
}
