//! What raw sockets hear: a flow may outlive the socket it was opened by, or have had none.

use berth_common::{
    abi::units::{ContainerId, Zone},
    engine::{Trace, ingress},
    memory::Bytes,
};

use crate::support::*;

const OUT: &str = "192.0.2.1:5000";
const FAR: &str = "198.51.100.7:53";

/// Whether a raw socket may have a packet that came by an uplink.
fn hears(node: &Node, receiver: ContainerId, packet: &[u8]) -> bool {
    let (tables, headers) = (&&node.tables, Node::headers(packet));
    let verdict =
        ingress::receive(tables, (&Bytes(packet), &headers), (receiver, Zone::UPLINK), Trace::None, None);
    let heard = ingress::receive_raw(tables, &headers, verdict).passes();
    assert!(verdict.passes() || !heard);
    heard
}

#[test]
fn a_flow_without_a_socket() {
    let node = Node::new();
    node.send(B, &udp(OUT, FAR));
    assert!(hears(&node, B, &udp(FAR, OUT)));
    assert!(!hears(&node, A, &udp(FAR, OUT)));
}

#[test]
fn a_flow_with_its_owners_socket() {
    let node = Node::new();
    node.socket(B, UDP, OUT);
    node.send(B, &udp(OUT, FAR));
    assert!(hears(&node, B, &udp(FAR, OUT)));
}

#[test]
fn a_socket_that_is_anothers_by_now() {
    for owner in [A, HOST] {
        let node = Node::new();
        node.send(B, &udp(OUT, FAR));
        node.socket(owner, UDP, OUT);
        assert!(!hears(&node, B, &udp(FAR, OUT)));
        assert!(!hears(&node, A, &udp(FAR, OUT)));
    }
}

/// Where there is no port there is no socket; and a reservation is never beside another's socket.
#[test]
fn nothing_else_is_asked() {
    let node = Node::new();
    node.socket(HOST, UDP, OUT);
    node.send(B, &ping(L4, R4, 5));
    assert!(hears(&node, B, &pong(R4, L4, 5)));
    node.bind(B, UDP, "0.0.0.0:5002").unwrap();
    assert!(hears(&node, B, &udp(FAR, "192.0.2.1:5002")));
}
