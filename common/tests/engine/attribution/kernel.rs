//! What the kernel or the host sends: by flow, related, port, address; else the host's. It is never a hijack.

use berth_common::engine::Way;

use crate::support::*;

const OUT: &str = "192.0.2.1:5000";
const FAR: &str = "198.51.100.7:53";

#[test]
fn by_flow() {
    let node = Node::new();
    node.send(A, &tcp(OUT, FAR, SYN));
    // The last ACK of a socket in TIME_WAIT, a RST for one that is closed.
    assert_eq!(node.leave(&tcp(OUT, FAR, ACK)), (A, Way::Flow));
    assert_eq!(node.leave(&tcp(OUT, FAR, RST)), (A, Way::Flow));
    assert_eq!(node.flow(&tcp(OUT, FAR, ACK)).unwrap().out.packets, 3);
}

#[test]
fn by_the_flow_that_a_remote_host_opened() {
    let node = Node::new();
    node.bind(S, TCP, "0.0.0.0:5000").unwrap();
    node.owner(&tcp(FAR, OUT, SYN));
    assert_eq!(node.leave(&tcp(OUT, FAR, SYN | ACK)), (S, Way::Flow));
    assert_eq!(node.flow(&tcp(OUT, FAR, ACK)).unwrap().back.packets, 1);
}

#[test]
fn by_port() {
    let node = Node::new();
    node.bind(A, TCP, "0.0.0.0:5000").unwrap();
    node.owner(&tcp(FAR, OUT, SYN));
    // A SYN cookie.
    assert_eq!(node.leave(&tcp(OUT, FAR, SYN | ACK)), (A, Way::Port));
    assert!(node.tables.flows().is_empty());
}

#[test]
fn by_address() {
    let node = Node::with_own_addresses();
    assert_eq!(node.leave(&pong(OWN4, R4, 5)), (O, Way::Address));
    assert_eq!(node.leave(&tcp("192.0.2.60:5000", FAR, RST | ACK)), (O, Way::Address));
}

#[test]
fn else_the_hosts() {
    let node = Node::new();
    for packet in [
        tcp(OUT, FAR, RST | ACK),
        pong(L4, R4, 5),
        ip(L4, R4, ESP, &[0; 8]),
        udp("10.0.0.2:5000", FAR),
        icmp(LINK6, "ff02::1", 136, [0; 4], &[0; 16]),
    ] {
        assert_eq!(node.leave(&packet), (HOST, Way::None));
    }
    assert!(node.tables.flows().is_empty());
}

/// A listener that was never bound has no reservation, and its SYN cookies carry no socket.
#[test]
fn by_tcp_socket() {
    for (owner, expected) in [(A, (A, Way::Socket)), (HOST, (HOST, Way::None))] {
        let node = Node::with_own_addresses();
        node.socket(owner, TCP, "0.0.0.0:5000");
        assert_eq!(node.leave(&tcp(OUT, FAR, SYN | ACK)), expected);
        assert_eq!(node.leave(&tcp("192.0.2.1:5001", FAR, SYN | ACK)), (HOST, Way::None));
        assert_eq!(node.leave(&tcp("192.0.2.60:5000", FAR, SYN | ACK)), (O, Way::Address));
        // Somebody else's, forwarded.
        assert_eq!(node.leave(&tcp("10.0.0.2:5000", FAR, SYN | ACK)), (HOST, Way::None));
        assert!(node.tables.flows().is_empty());
    }
    let node = Node::new();
    node.socket(A, UDP, "0.0.0.0:5000");
    assert_eq!(node.leave(&udp(OUT, FAR)), (HOST, Way::None));
}

/// A reservation voids older flows on its port for what the kernel sends, too.
#[test]
fn reservations_void_older_flows() {
    let node = Node::new();
    node.send(A, &udp(OUT, FAR));
    node.bind(B, UDP, OUT).unwrap();
    assert_eq!(node.leave(&udp(OUT, FAR)), (B, Way::Port));
    assert_eq!(node.flow(&udp(OUT, FAR)).unwrap().out.packets, 1);
}
