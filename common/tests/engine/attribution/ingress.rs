//! What arrives at an uplink: by flow, then related, port, address, socket; then the host's or nobody's.

use berth_common::{
    abi::reason::Reason,
    engine::{Tables as _, Verdict, Way, verdict::Owner},
};

use crate::support::*;

const OUT: &str = "192.0.2.1:5000";
const FAR: &str = "198.51.100.7:53";

#[test]
fn replies_follow_the_flow() {
    for (protocol, there, back) in [
        (UDP, udp(OUT, FAR), udp(FAR, OUT)),
        (TCP, tcp(OUT, FAR, SYN), tcp(FAR, OUT, SYN | ACK)),
        (UDPLITE, ported(UDPLITE, OUT, FAR), ported(UDPLITE, FAR, OUT)),
        (SCTP, ported(SCTP, OUT, FAR), ported(SCTP, FAR, OUT)),
        (ICMP, ping(L4, R4, 9), pong(R4, L4, 9)),
        (ICMPV6, ping(L6, R6, 9), pong(R6, L6, 9)),
        (GRE, gre(L4, R4, Some(9)), gre(R4, L4, Some(9))),
        (ESP, ip(L4, R4, ESP, &[1; 8]), ip(R4, L4, ESP, &[2; 8])),
        (
            UDP,
            udp("[2001:db8::1]:5000", "[2001:db8:f::7]:53"),
            udp("[2001:db8:f::7]:53", "[2001:db8::1]:5000"),
        ),
    ] {
        let node = Node::new();
        assert_eq!(node.arrive(&back), Verdict::pass(Owner::NOBODY), "protocol {protocol}");
        assert_eq!(node.send(A, &there), Reason::None, "protocol {protocol}");
        assert_eq!(node.owner(&back), (A, Way::Flow), "protocol {protocol}");
        assert_eq!(node.receivers(berth_common::abi::units::Zone::UPLINK, &back), [A], "protocol {protocol}");
        node.check();
    }
}

#[test]
fn a_flow_is_its_five_tuple() {
    let node = Node::new();
    node.send(A, &udp(OUT, FAR));
    for other in [
        udp(FAR, "192.0.2.1:5001"),
        udp("198.51.100.7:54", OUT),
        udp("198.51.100.8:53", OUT),
        udp(FAR, "192.0.2.2:5000"),
        tcp(FAR, OUT, ACK),
        ported(UDPLITE, FAR, OUT),
    ] {
        assert_eq!(node.arrive(&other), Verdict::pass(Owner::NOBODY));
    }
}

/// Zones are address spaces of their own.
#[test]
fn a_flow_is_of_its_zone() {
    let node = Node::new();
    node.send(A, &udp(OUT, FAR));
    assert!(node.may_receive(A, &udp(FAR, OUT)));
    assert!(!node.may_receive_local(A, &udp(FAR, OUT)));
}

#[test]
fn reserved_ports_are_their_holders() {
    for protocol in [TCP, UDP, UDPLITE, SCTP] {
        let node = Node::new();
        let packet = if protocol == TCP { tcp(FAR, OUT, SYN) } else { ported(protocol, FAR, OUT) };
        node.bind(A, protocol, "0.0.0.0:5000").unwrap();
        assert_eq!(node.owner(&packet), (A, Way::Port), "protocol {protocol}");
        node.unbind(A, protocol, "0.0.0.0:5000");
        assert_eq!(node.arrive(&packet), Verdict::pass(Owner::NOBODY), "protocol {protocol}");
        node.bind(B, protocol, OUT).unwrap();
        assert_eq!(node.owner(&packet), (B, Way::Port), "protocol {protocol}");
    }
}

#[test]
fn exact_address_before_wildcard() {
    let node = Node::new();
    node.reserve(HOST, UDP, "192.0.2.2:5000").unwrap();
    node.bind(A, UDP, OUT).unwrap();
    assert_eq!(node.owner(&udp(FAR, OUT)), (A, Way::Port));
    assert_eq!(node.owner(&udp(FAR, "192.0.2.2:5000")), (HOST, Way::Port));
    // One container may hold both; the wildcard serves the addresses that are left.
    let node = Node::new();
    node.bind(A, UDP, OUT).unwrap();
    node.bind(A, UDP, "0.0.0.0:5000").unwrap();
    node.unbind(A, UDP, OUT);
    assert_eq!(node.owner(&udp(FAR, OUT)), (A, Way::Port));
    assert_eq!(node.owner(&udp(FAR, "192.0.2.2:5000")), (A, Way::Port));
}

#[test]
fn families_are_apart() {
    let node = Node::new();
    node.bind(A, UDP, "0.0.0.0:5000").unwrap();
    node.bind(B, UDP, "[::]:5000").unwrap();
    assert_eq!(node.owner(&udp(FAR, OUT)), (A, Way::Port));
    assert_eq!(node.owner(&udp("[2001:db8:f::7]:53", "[2001:db8::1]:5000")), (B, Way::Port));
}

#[test]
fn protocols_are_apart() {
    let node = Node::new();
    node.bind(A, UDP, "0.0.0.0:5000").unwrap();
    node.bind(B, TCP, "0.0.0.0:5000").unwrap();
    node.bind(C, SCTP, "0.0.0.0:5000").unwrap();
    assert_eq!(node.owner(&udp(FAR, OUT)), (A, Way::Port));
    assert_eq!(node.owner(&tcp(FAR, OUT, SYN)), (B, Way::Port));
    assert_eq!(node.owner(&ported(SCTP, FAR, OUT)), (C, Way::Port));
    assert_eq!(node.arrive(&ported(UDPLITE, FAR, OUT)), Verdict::pass(Owner::NOBODY));
}

#[test]
fn flow_before_port() {
    let node = Node::new();
    node.send(S, &udp(OUT, FAR));
    node.bind(S, UDP, OUT).unwrap();
    assert_eq!(node.owner(&udp(FAR, OUT)), (S, Way::Flow));
    assert_eq!(node.owner(&udp("198.51.100.7:54", OUT)), (S, Way::Port));
}

#[test]
fn own_addresses_are_their_containers() {
    let node = Node::with_own_addresses();
    for packet in [
        udp(FAR, "192.0.2.60:5000"),
        tcp(FAR, "192.0.2.60:80", SYN),
        ping(R4, OWN4, 5),
        ping(R6, OWN6, 5),
        ip(R4, OWN4, ESP, &[0; 8]),
        unreachable_to(R4, OWN4, &[]),
    ] {
        assert_eq!(node.owner(&packet), (O, Way::Address));
    }
    assert_eq!(node.arrive(&ping(R4, L4, 5)), Verdict::pass(Owner::NOBODY));
    // The container is gone, its address with it; another one with the same id is another.
    let mut container = (&node.tables).container(O).unwrap();
    container.generation += 1;
    node.tables.add_container(O, container);
    assert_eq!(node.arrive(&ping(R4, OWN4, 5)), Verdict::pass(Owner::NOBODY));
}

#[test]
fn port_before_address() {
    let node = Node::with_own_addresses();
    node.bind(O, UDP, "192.0.2.60:5000").unwrap();
    assert_eq!(node.owner(&udp(FAR, "192.0.2.60:5000")), (O, Way::Port));
}

/// A wildcard means the node's addresses, not those of other containers' own networks.
#[test]
fn a_wildcard_does_not_reach_into_other_networks() {
    let node = Node::with_own_addresses();
    node.bind(A, UDP, "0.0.0.0:5000").unwrap();
    node.bind(O, UDP, "0.0.0.0:6000").unwrap();
    // While the container shares the node's network, its addresses are the node's, too.
    assert_eq!(node.owner(&udp(FAR, "192.0.2.60:5000")), (A, Way::Port));
    node.own_network(O);
    assert_eq!(node.owner(&udp(FAR, "192.0.2.60:5000")), (O, Way::Address));
    assert_eq!(node.owner(&udp(FAR, "192.0.2.60:6000")), (O, Way::Port));
    assert_eq!(node.owner(&udp(FAR, OUT)), (A, Way::Port));
    assert_eq!(node.leave(&udp("192.0.2.60:5000", FAR)), (O, Way::Address));
    // A reservation of the very address does.
    node.reserve(HOST, TCP, "192.0.2.60:80").unwrap();
    assert_eq!(node.owner(&tcp(FAR, "192.0.2.60:80", SYN)), (HOST, Way::Port));
}

#[test]
fn sockets_come_last() {
    let node = Node::new();
    node.socket(A, UDP, "0.0.0.0:5000");
    assert_eq!(node.owner(&udp(FAR, OUT)), (A, Way::Socket));
    node.socket(B, UDP, OUT);
    assert_eq!(node.owner(&udp(FAR, OUT)), (B, Way::Socket));
    node.bind(C, UDP, OUT).unwrap();
    assert_eq!(node.owner(&udp(FAR, OUT)), (C, Way::Port));
}

#[test]
fn host_or_nobody() {
    let node = Node::new();
    node.socket(HOST, TCP, "0.0.0.0:22");
    assert_eq!(node.owner(&tcp(FAR, "192.0.2.1:22", SYN)), (HOST, Way::Socket));
    node.reserve(HOST, UDP, "0.0.0.0:5000").unwrap();
    assert_eq!(node.owner(&udp(FAR, OUT)), (HOST, Way::Port));
    assert_eq!(node.arrive(&tcp(FAR, "192.0.2.1:23", SYN)), Verdict::pass(Owner::NOBODY));
    // Neither is a container, so neither's packets are for a container's sockets.
    assert!(
        node.receivers(berth_common::abi::units::Zone::UPLINK, &tcp(FAR, "192.0.2.1:22", SYN)).is_empty()
    );
    assert!(
        node.receivers(berth_common::abi::units::Zone::UPLINK, &tcp(FAR, "192.0.2.1:23", SYN)).is_empty()
    );
}

#[test]
fn strict_nodes_drop_what_is_nobodys() {
    let cases = [
        ("UDP", udp(FAR, OUT), true),
        ("TCP", tcp(FAR, OUT, SYN), true),
        ("ESP", ip(R4, L4, ESP, &[0; 8]), true),
        ("GRE", gre(R4, L4, Some(5)), true),
        ("DHCP", udp("198.51.100.7:67", "192.0.2.1:68"), false),
        ("DHCPv6", udp("[fe80::7]:547", "[fe80::1]:546"), false),
        ("to a DHCP server", udp("0.0.0.0:68", "255.255.255.255:67"), true),
        ("TCP to the same port", tcp("198.51.100.7:67", "192.0.2.1:68", SYN), true),
        ("IGMP", ip(R4, "224.0.0.1", IGMP, &[0x11; 8]), false),
        ("MLD", icmp("fe80::7", "ff02::1", 130, [0; 4], &[0; 16]), false),
        ("neighbour solicitation", icmp("fe80::7", LINK6, 135, [0; 4], &[0; 16]), false),
        ("router advertisement", icmp("fe80::7", "ff02::1", 134, [0; 4], &[0; 8]), false),
        ("echo to the node", ping(R4, L4, 5), false),
        ("ICMP error", unreachable(R4, &udp(OUT, FAR)), false),
        (
            "later fragment",
            Ip::fragment(7, true, 5).build(ip_address(R4), ip_address(L4), UDP, &[0; 8]),
            false,
        ),
    ];
    for strict in [false, true] {
        let node = Node::new();
        node.tables.set_drops_unowned(strict);
        for (what, packet, goes) in &cases {
            let reason = if strict && *goes { Reason::Unowned } else { Reason::None };
            assert_eq!(node.arrive(packet), Verdict::because(Owner::NOBODY, reason), "{what}");
        }
    }
    let node = Node::new();
    node.tables.set_drops_unowned(true);
    node.socket(HOST, UDP, "0.0.0.0:5000");
    assert_eq!(node.owner(&udp(FAR, OUT)), (HOST, Way::Socket));
}

/// What a remote host sends opens no flow where a reservation explains it, or in a mode without state.
#[test]
fn arriving_packets_open_no_flows_in_stateless_modes() {
    for id in [A, D] {
        let node = Node::with_own_addresses();
        node.bind(id, UDP, "0.0.0.0:5000").unwrap();
        node.socket(id, TCP, "0.0.0.0:80");
        for packet in [udp(FAR, OUT), tcp(FAR, "192.0.2.1:80", SYN), ping(R4, OWN4, 5)] {
            node.owner(&packet);
        }
        assert!(node.tables.flows().is_empty());
    }
}
