//! What containers may send by an uplink.

use berth_common::{abi::reason::Reason, engine::Way};

use crate::support::*;

const OUT: &str = "192.0.2.1:5000";
const FAR: &str = "198.51.100.7:53";

#[test]
fn the_first_sender_owns() {
    for (there, back) in [
        (udp(OUT, FAR), udp(FAR, OUT)),
        (tcp(OUT, FAR, SYN), tcp(FAR, OUT, SYN | ACK)),
        (ported(SCTP, OUT, FAR), ported(SCTP, FAR, OUT)),
        (gre(L4, R4, Some(5)), gre(R4, L4, Some(5))),
    ] {
        let node = Node::new();
        assert_eq!(node.send(A, &there), Reason::None);
        assert_eq!(node.send(B, &there), Reason::Hijack);
        assert_eq!(node.send(A, &there), Reason::None);
        assert_eq!(node.owner(&back), (A, Way::Flow));
        assert_eq!((node.flows_held(A), node.flows_held(B)), (1, 0));
        node.check();
    }
}

#[test]
fn other_destinations_are_other_flows() {
    let node = Node::new();
    assert_eq!(node.send(A, &udp(OUT, FAR)), Reason::None);
    assert_eq!(node.send(B, &udp(OUT, "198.51.100.8:53")), Reason::None);
    assert_eq!(node.owner(&udp(FAR, OUT)), (A, Way::Flow));
    assert_eq!(node.owner(&udp("198.51.100.8:53", OUT)), (B, Way::Flow));
}

#[test]
fn reserved_ports_are_only_for_their_holders() {
    for reserved in ["0.0.0.0:5000", OUT] {
        let node = Node::new();
        node.bind(A, UDP, reserved).unwrap();
        assert_eq!(node.send(B, &udp(OUT, FAR)), Reason::PortReserved);
        assert_eq!(node.send(A, &udp(OUT, FAR)), Reason::None);
        assert_eq!(node.send(B, &tcp(OUT, FAR, SYN)), Reason::None);
        assert_eq!(node.flows_held(A) + node.flows_held(B), 1);
    }
    let node = Node::new();
    node.reserve(HOST, UDP, "0.0.0.0:5000").unwrap();
    assert_eq!(node.send(A, &udp(OUT, FAR)), Reason::PortReserved);
    let node = Node::new();
    node.bind(A, UDP, "192.0.2.2:5000").unwrap();
    assert_eq!(node.send(B, &udp(OUT, FAR)), Reason::None);
}

/// Sockets that have reserved nothing (bound by the kernel on connect) and the host's, which have no flows.
#[test]
fn nobody_opens_a_flow_over_anothers_socket() {
    for (owner, expected) in [(HOST, Reason::Hijack), (B, Reason::Hijack), (A, Reason::None)] {
        for local in ["0.0.0.0:5000", OUT] {
            let node = Node::new();
            node.socket(owner, UDP, local);
            assert_eq!(node.send(A, &udp(OUT, FAR)), expected, "{owner:?} at {local}");
            assert_eq!(node.flow(&udp(OUT, FAR)).is_some(), expected == Reason::None);
            node.check();
        }
    }
}

#[test]
fn a_connected_socket_is_in_the_way_of_its_own_conversation_only() {
    let node = Node::new();
    let socket = berth_common::memory::Socket::connected(
        berth_common::abi::units::Protocol::TCP,
        flow_end(OUT),
        flow_end(FAR),
    );
    node.tables.add_socket(socket, berth_common::engine::tables::Found::Other);
    assert_eq!(node.send(A, &tcp(OUT, FAR, SYN)), Reason::Hijack);
    assert_eq!(node.send(A, &tcp(OUT, "198.51.100.7:54", SYN)), Reason::None);
}

#[test]
fn source_addresses_must_be_the_senders() {
    let cases = [
        ("the node's", udp(OUT, FAR), [Reason::None; 2]),
        ("the node's second", udp("192.0.2.2:5000", FAR), [Reason::None; 2]),
        ("its own", udp("192.0.2.60:5000", FAR), [Reason::None, Reason::SpoofedSource]),
        (
            "its own IPv6",
            udp("[2001:db8::60]:5000", "[2001:db8:f::7]:53"),
            [Reason::None, Reason::SpoofedSource],
        ),
        ("the node's IPv6", udp("[2001:db8::1]:5000", "[2001:db8:f::7]:53"), [Reason::None; 2]),
        ("the node's link-local", udp("[fe80::1]:5000", "[fe80::7]:53"), [Reason::None; 2]),
        ("another host's", udp("198.51.100.8:5000", FAR), [Reason::SpoofedSource; 2]),
        (
            "another host's IPv6",
            udp("[2001:db8:f::8]:5000", "[2001:db8:f::7]:53"),
            [Reason::SpoofedSource; 2],
        ),
        ("another link-local", udp("[fe80::2]:5000", "[fe80::7]:53"), [Reason::SpoofedSource; 2]),
        ("none", udp("0.0.0.0:5000", FAR), [Reason::SpoofedSource; 2]),
        ("none of IPv6", udp("[::]:5000", "[2001:db8:f::7]:53"), [Reason::SpoofedSource; 2]),
        ("a group", udp("224.0.0.1:5000", FAR), [Reason::SpoofedSource; 2]),
        ("broadcast", udp("255.255.255.255:5000", FAR), [Reason::SpoofedSource; 2]),
        ("loopback", udp("127.0.0.1:5000", FAR), [Reason::SpoofedSource; 2]),
        ("loopback of IPv6", udp("[::1]:5000", "[2001:db8:f::7]:53"), [Reason::SpoofedSource; 2]),
    ];
    for (what, packet, expected) in cases {
        for (sender, expected) in [O, A].into_iter().zip(expected) {
            let node = Node::with_own_addresses();
            assert_eq!(node.send(sender, &packet), expected, "{what}, from {sender:?}");
        }
    }
}

#[test]
fn every_kind_of_packet_is_checked_for_its_source() {
    let foreign = "198.51.100.8";
    for (what, packet) in [
        ("TCP", tcp("198.51.100.8:5000", FAR, SYN)),
        ("ICMP", ping(foreign, R4, 5)),
        ("ICMP error", unreachable_to(foreign, R4, &udp(FAR, OUT))),
        ("GRE", gre(foreign, R4, Some(5))),
        ("ESP", ip(foreign, R4, ESP, &[0; 8])),
        ("ICMPv6 of the link", icmp("fe80::99", "ff02::1", 136, [0; 4], &[0; 16])),
        (
            "later fragment",
            Ip::fragment(7, false, 5).build(ip_address(foreign), ip_address(R4), UDP, &[0; 8]),
        ),
        ("first fragment", Ip::fragment(0, true, 5).build(ip_address(foreign), ip_address(R4), UDP, &[0; 8])),
    ] {
        let node = Node::new();
        assert_eq!(node.send(A, &packet), Reason::SpoofedSource, "{what}");
        assert!(node.tables.flows().is_empty(), "{what}");
    }
}

#[test]
fn loopback_sources_are_for_lo() {
    let node = Node::new();
    assert_eq!(node.send_local(A, &udp("127.0.0.1:5000", "127.0.0.1:53")), Reason::None);
    assert_eq!(node.send_local(A, &udp("127.9.9.9:5000", "127.0.0.1:53")), Reason::None);
    assert_eq!(node.send_local(A, &udp("[::1]:5000", "[::1]:53")), Reason::None);
    assert_eq!(node.send_local(A, &udp("192.0.2.9:5000", "127.0.0.1:53")), Reason::SpoofedSource);
    // Unless one container has the address for itself.
    node.tables.add_address(ip_address("127.0.0.60").into(), O);
    assert_eq!(node.send_local(O, &udp("127.0.0.60:5000", "127.0.0.1:53")), Reason::None);
    assert_eq!(node.send_local(A, &udp("127.0.0.60:5001", "127.0.0.1:53")), Reason::SpoofedSource);
}

#[test]
fn a_container_that_is_gone_opens_nothing() {
    let node = Node::new();
    node.tables.remove_container(A);
    assert_eq!(node.send(A, &udp(OUT, FAR)), Reason::NotOwner);
    assert_ne!(node.send(A, &ip(L4, R4, ESP, &[0; 8])), Reason::None);
    assert!(node.tables.flows().is_empty());
    node.check();
}

/// Packets are counted in their flow by the hook that counts them, each in its direction.
#[test]
fn traffic_of_a_flow() {
    let node = Node::new();
    for _ in 0..3 {
        node.send(A, &udp(OUT, FAR));
    }
    for _ in 0..2 {
        node.owner(&udp(FAR, OUT));
    }
    node.may_receive(A, &udp(FAR, OUT));
    let flow = node.flow(&udp(OUT, FAR)).unwrap();
    assert_eq!((flow.out.packets, flow.out.bytes), (3, 300));
    assert_eq!((flow.back.packets, flow.back.bytes), (2, 200));
    assert_eq!((flow.opener, flow.responder), (A, UNOWNED));
}
