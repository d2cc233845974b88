//! ICMP errors: they belong to whoever's packet they quote.

use berth_common::{
    abi::{reason::Reason, units::Zone},
    engine::{Verdict, Way, verdict::Owner},
};

use crate::support::*;

const OUT: &str = "192.0.2.1:5000";
const FAR: &str = "198.51.100.7:53";
const ROUTER: &str = "203.0.113.1";

/// Packets that the container sent, and a way to make them its own.
fn conversations() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("UDP", udp(OUT, FAR)),
        ("TCP", tcp(OUT, FAR, SYN)),
        ("SCTP", ported(SCTP, OUT, FAR)),
        ("echo", ping(L4, R4, 5)),
        ("GRE", gre(L4, R4, Some(5))),
        ("ESP", ip(L4, R4, ESP, &[0; 8])),
    ]
}

#[test]
fn by_the_quoted_flow() {
    for (what, packet) in conversations() {
        let node = Node::new();
        let error = unreachable(ROUTER, &packet);
        assert_eq!(node.arrive(&error), Verdict::pass(Owner::NOBODY), "{what}");
        node.send(A, &packet);
        assert_eq!(node.owner(&error), (A, Way::Related), "{what}");
        assert_eq!(node.receivers(Zone::UPLINK, &error), [A], "{what}");
        assert_eq!(node.flow(&packet).unwrap().back.packets, 0, "{what}: an error is no reply");
    }
    let packet = udp("[2001:db8::1]:5000", "[2001:db8:f::7]:53");
    let node = Node::new();
    node.send(A, &packet);
    assert_eq!(node.owner(&unreachable("2001:db8:f::1", &packet)), (A, Way::Related));
}

#[test]
fn by_the_quoted_flow_that_a_remote_host_opened() {
    let node = Node::new();
    node.bind(S, TCP, "0.0.0.0:5000").unwrap();
    node.owner(&tcp(FAR, OUT, SYN));
    node.unbind(S, TCP, "0.0.0.0:5000");
    assert_eq!(node.owner(&unreachable(ROUTER, &tcp(OUT, FAR, SYN | ACK))), (S, Way::Related));
}

#[test]
fn by_the_quoted_port() {
    let node = Node::new();
    node.bind(A, UDP, "0.0.0.0:5000").unwrap();
    assert_eq!(node.owner(&unreachable(ROUTER, &udp(OUT, FAR))), (A, Way::Related));
    node.reserve(B, ICMP, "192.0.2.1:5").unwrap();
    assert_eq!(node.owner(&unreachable(ROUTER, &ping(L4, R4, 5))), (B, Way::Related));
    node.reserve(C, GRE, "0.0.0.0:5").unwrap();
    assert_eq!(node.owner(&unreachable(ROUTER, &gre(L4, R4, Some(5)))), (C, Way::Related));
}

#[test]
fn by_the_quoted_socket() {
    let node = Node::new();
    node.socket(A, UDP, "0.0.0.0:5000");
    assert_eq!(node.owner(&unreachable(ROUTER, &udp(OUT, FAR))), (A, Way::Related));
    node.socket(HOST, TCP, "0.0.0.0:5000");
    assert_eq!(node.owner(&unreachable(ROUTER, &tcp(OUT, FAR, ACK))), (HOST, Way::Related));
    assert!(node.receivers(Zone::UPLINK, &unreachable(ROUTER, &tcp(OUT, FAR, ACK))).is_empty());
}

#[test]
fn about_nothing_known() {
    let node = Node::new();
    node.send(A, &udp(OUT, FAR));
    for (what, error) in [
        ("another flow", unreachable(ROUTER, &udp(OUT, "198.51.100.8:53"))),
        ("a packet that came in", unreachable_to(ROUTER, L4, &udp(FAR, OUT))),
        ("too little of a packet", unreachable_to(ROUTER, L4, &udp(OUT, FAR)[..23])),
        ("nothing", unreachable_to(ROUTER, L4, &[])),
        ("an error", unreachable(ROUTER, &unreachable_to(L4, ROUTER, &udp(FAR, OUT)))),
    ] {
        assert_eq!(node.arrive(&error), Verdict::pass(Owner::NOBODY), "{what}");
    }
}

/// What goes to another address than the quoted packet came from is about nothing, and tells nobody anything.
#[test]
fn errors_to_another_address() {
    let node = Node::with_own_addresses();
    node.send(A, &udp(OUT, FAR));
    let error = unreachable_to(ROUTER, OWN4, &udp(OUT, FAR));
    assert_eq!(node.owner(&error), (O, Way::Address));
    assert!(!node.may_receive(A, &error));
}

/// But a container cannot shoot at another's conversation by sending the error somewhere else.
#[test]
fn errors_of_containers_to_another_address() {
    let node = Node::new();
    node.send(A, &udp(OUT, FAR));
    for to in [R4, "198.51.100.8"] {
        let error = unreachable_to(L4, to, &udp(FAR, OUT));
        assert_eq!(node.send(B, &error), Reason::Hijack, "to {to}");
        assert_eq!(node.send(A, &error), Reason::None, "to {to}");
        assert_eq!(node.leave(&error), (A, Way::Related), "to {to}");
    }
}

/// Messages of the link have no ids and errors have none: neither's entry may attract the other.
#[test]
fn entries_for_link_messages_attract_no_errors() {
    let node = Node::new();
    node.send(A, &udp(OUT, FAR));
    // A container that sends the router anything without an id would else get everybody's errors from it.
    assert_eq!(node.send(B, &icmp(L4, ROUTER, 40, [0; 4], &[])), Reason::None);
    assert_eq!(node.owner(&unreachable(ROUTER, &udp(OUT, FAR))), (A, Way::Related));
    assert_eq!(node.receivers(Zone::UPLINK, &unreachable(ROUTER, &udp(OUT, FAR))), [A]);
    assert_eq!(node.arrive(&unreachable_to(ROUTER, L4, &[])), Verdict::pass(Owner::NOBODY));
    // Nor the kernel's errors to it.
    assert_eq!(node.leave(&unreachable_to(L4, ROUTER, &[])), (HOST, Way::None));
    let node = Node::new();
    node.reserve(B, ICMP, "0.0.0.0:0").unwrap();
    assert_eq!(node.arrive(&unreachable_to(ROUTER, L4, &[])), Verdict::pass(Owner::NOBODY));
    assert_eq!(node.leave(&unreachable_to(L4, ROUTER, &[])), (HOST, Way::None));
    assert_eq!(node.arrive(&icmp(ROUTER, L4, 9, [0; 4], &[])), Verdict::pass(Owner::NOBODY));
}

#[test]
fn errors_open_no_flow() {
    let node = Node::new();
    // In stateful mode, and by each way of finding the owner.
    node.tables.add_address(ip_address(OWN4).into(), S);
    assert_eq!(node.owner(&unreachable_to(ROUTER, OWN4, &[])), (S, Way::Address));
    node.bind(S, UDP, "0.0.0.0:5000").unwrap();
    assert_eq!(node.owner(&unreachable(ROUTER, &udp(OUT, FAR))), (S, Way::Related));
    assert_eq!(node.send(S, &unreachable_to(L4, R4, &udp(FAR, OUT))), Reason::None);
    assert!(node.tables.flows().is_empty());
}

#[test]
fn of_the_kernel() {
    let node = Node::new();
    node.bind(A, UDP, "0.0.0.0:5000").unwrap();
    node.send(B, &tcp(OUT, FAR, SYN));
    node.socket(C, UDP, "0.0.0.0:6000");
    node.socket(HOST, UDP, "0.0.0.0:7000");
    for (about, owner, way) in [
        (udp(FAR, OUT), A, Way::Related),
        (tcp(FAR, OUT, SYN | ACK), B, Way::Related),
        (udp(FAR, "192.0.2.1:6000"), C, Way::Related),
        (udp(FAR, "192.0.2.1:7000"), HOST, Way::Related),
        (udp(FAR, "192.0.2.1:8000"), HOST, Way::None),
        (tcp(FAR, "192.0.2.1:8000", SYN), HOST, Way::None),
    ] {
        assert_eq!(node.leave(&unreachable(L4, &about)), (owner, way));
    }
}

/// A container may send errors about what it could have received itself.
#[test]
fn of_containers() {
    let cases: [(&str, Vec<u8>, Reason); 7] = [
        ("its port", udp(FAR, OUT), Reason::None),
        ("its flow", tcp(FAR, "192.0.2.1:5001", SYN | ACK), Reason::None),
        ("its socket", udp(FAR, "192.0.2.1:5002"), Reason::None),
        ("nobody's port", udp(FAR, "192.0.2.1:9999"), Reason::None),
        ("another's port", udp(FAR, "192.0.2.1:6000"), Reason::Hijack),
        ("another's flow", tcp(FAR, "192.0.2.1:6001", SYN | ACK), Reason::Hijack),
        ("the host's socket", udp(FAR, "192.0.2.1:7000"), Reason::Hijack),
    ];
    for (what, about, expected) in cases {
        let node = Node::new();
        node.bind(A, UDP, "0.0.0.0:5000").unwrap();
        node.send(A, &tcp("192.0.2.1:5001", FAR, SYN));
        node.socket(A, UDP, "0.0.0.0:5002");
        node.bind(B, UDP, "0.0.0.0:6000").unwrap();
        node.send(B, &tcp("192.0.2.1:6001", FAR, SYN));
        node.socket(HOST, UDP, "0.0.0.0:7000");
        let error = unreachable(L4, &about);
        assert_eq!(node.send(A, &error), expected, "{what}");
    }
}
