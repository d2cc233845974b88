//! What sockets say against flows: the host's, and those of others that raw and packet sockets would speak for.

use berth_common::{abi::reason::Reason, engine::Way};

use crate::support::*;

const OUT: &str = "192.0.2.1:5000";
const FAR: &str = "198.51.100.7:53";

#[test]
fn the_hosts_socket_ends_a_containers_flow() {
    for remote_opened in [false, true] {
        let node = Node::new();
        node.socket(S, UDP, OUT);
        if remote_opened {
            assert_eq!(node.owner(&udp(FAR, OUT)), (S, Way::Socket));
        } else {
            assert_eq!(node.send(S, &udp(OUT, FAR)), Reason::None);
        }
        node.close(UDP, OUT);
        node.socket(HOST, UDP, OUT);
        assert_eq!(node.owner(&udp(FAR, OUT)), (S, Way::Flow), "the host has not spoken yet");
        node.send_by_host(&udp(OUT, FAR));
        assert_eq!(node.owner(&udp(FAR, OUT)), (HOST, Way::Socket));
        assert!(!node.may_receive(S, &udp(FAR, OUT)));
        assert_eq!(node.send(S, &udp(OUT, FAR)), Reason::Hijack);
        // The entry goes as others do.
        assert_eq!(node.flows_held(S), 1);
        node.check();
        assert_eq!(node.tables.sweep(), 1);
        assert_eq!(node.flows_held(S), 0);
        node.check();
    }
}

#[test]
fn the_hosts_socket_ends_nothing_else() {
    let node = Node::new();
    for packet in [udp(OUT, FAR), ping(L4, R4, 5), gre(L4, R4, Some(5)), ip(L4, R4, ESP, &[0; 8])] {
        assert_eq!(node.send(A, &packet), Reason::None);
    }
    for packet in [
        udp("192.0.2.1:5001", FAR),
        udp(OUT, "198.51.100.7:54"),
        udp("192.0.2.2:5000", FAR),
        tcp(OUT, FAR, SYN),
        // What the remote host sends is not what the host sends.
        udp(FAR, OUT),
        // These have no ports, so the host's may be beside others'.
        ping(L4, R4, 5),
        gre(L4, R4, Some(5)),
        ip(L4, R4, ESP, &[0; 8]),
    ] {
        node.send_by_host(&packet);
    }
    for packet in [udp(FAR, OUT), pong(R4, L4, 5), gre(R4, L4, Some(5)), ip(R4, L4, ESP, &[0; 8])] {
        assert_eq!(node.owner(&packet), (A, Way::Flow));
    }
}

/// The container has a flow, but the port is somebody else's by now.
#[test]
fn a_flow_is_no_excuse_for_raw_sockets() {
    for (what, owner, reserved, expected) in [
        ("nobody's", None, false, Reason::None),
        ("its own socket", Some(A), false, Reason::None),
        ("its own reservation", Some(A), true, Reason::None),
        ("another's socket", Some(B), false, Reason::Hijack),
        ("the host's socket", Some(HOST), false, Reason::Hijack),
        ("another's reservation", Some(B), true, Reason::PortReserved),
        ("the host's reservation", Some(HOST), true, Reason::PortReserved),
    ] {
        let node = Node::new();
        node.send(A, &udp(OUT, FAR));
        match owner {
            Some(owner) if reserved => node.reserve(owner, UDP, OUT).unwrap(),
            Some(owner) => node.socket(owner, UDP, OUT),
            None => {}
        }
        assert_eq!(node.speaks(A, &udp(OUT, FAR)), expected, "{what}");
        assert_eq!(node.speaks(A, &udp("192.0.2.1:5001", FAR)), Reason::None, "{what}");
        node.check();
    }
}

#[test]
fn only_ports_of_local_addresses_are_looked_up() {
    let node = Node::with_own_addresses();
    for protocol in [UDP, TCP] {
        node.socket(HOST, protocol, "0.0.0.0:5000");
        node.reserve(B, protocol, "0.0.0.0:6000").unwrap();
    }
    let later = Ip::fragment(3, false, 7).build(ip_address(L4), ip_address(R4), UDP, &[0; 8]);
    // All of these are for the ordinary rules to refuse, or not.
    for packet in [
        udp("198.51.100.8:5000", FAR),
        udp("0.0.0.0:6000", FAR),
        udp("192.0.2.60:5000", FAR),
        udp("127.0.0.1:5000", FAR),
        ping(L4, R4, 5000),
        gre(L4, R4, Some(6000)),
        later,
    ] {
        assert_eq!(node.speaks(A, &packet), Reason::None);
    }
    assert_eq!(node.speaks(O, &udp("192.0.2.60:5000", FAR)), Reason::Hijack);
    assert_eq!(node.speaks(O, &tcp("192.0.2.60:6000", FAR, SYN)), Reason::PortReserved);
}

/// The kernel lets others bind a port beside connections that were made from it.
#[test]
fn a_connection_outlives_anothers_reservation_of_its_port() {
    let node = Node::new();
    node.socket(A, TCP, OUT);
    assert_eq!(node.send(A, &tcp(OUT, FAR, SYN)), Reason::None);
    node.reserve(B, TCP, OUT).unwrap();
    assert_eq!(node.send(A, &tcp(OUT, FAR, SYN)), Reason::None);
    assert_eq!(node.speaks(A, &tcp(OUT, FAR, SYN)), Reason::None);
    assert_eq!(node.owner(&tcp(FAR, OUT, SYN)), (A, Way::Flow));
    // What is no connection of A's is B's.
    assert_eq!(node.owner(&tcp("198.51.100.7:54", OUT, SYN)), (B, Way::Port));

    node.close(TCP, OUT);
    assert_eq!(node.owner(&tcp(FAR, OUT, SYN)), (B, Way::Port));
    assert_eq!(node.send(A, &tcp(OUT, FAR, SYN)), Reason::PortReserved);
    assert_eq!(node.send(B, &tcp(OUT, FAR, SYN)), Reason::None);
    node.check();
}

/// One that was accepted has a flow as soon as it sends once its listener's reservation is gone.
#[test]
fn a_connection_without_a_flow_outlives_anothers_reservation_too() {
    let node = Node::new();
    node.socket(A, TCP, OUT);
    node.reserve(B, TCP, OUT).unwrap();
    assert_eq!(node.send(A, &tcp(OUT, FAR, SYN)), Reason::None);
    assert_eq!(node.owner(&tcp(FAR, OUT, SYN)), (A, Way::Flow));
    node.check();
}

/// A flow that was opened by a socket on another's port was believed until the next reservation, socket or not.
#[test]
fn a_flow_on_anothers_port_ends_with_its_socket() {
    let node = Node::new();
    node.socket(A, UDP, OUT);
    node.bind(B, UDP, OUT).unwrap();
    assert_eq!(node.send(A, &udp(OUT, FAR)), Reason::None);
    node.close(UDP, OUT);
    assert_eq!(node.send(A, &udp(OUT, FAR)), Reason::PortReserved);
    assert_eq!(node.owner(&udp(FAR, OUT)), (B, Way::Port));
}
