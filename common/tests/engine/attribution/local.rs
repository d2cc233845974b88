//! The local zone: one entry with an owner at each end.

use berth_common::{
    abi::{
        flow::{Flow, Phase},
        reason::Reason,
        units::{ContainerId, Zone},
    },
    engine::Way,
};

use crate::support::*;

const CLIENT: &str = "127.0.0.1:5000";
const SERVER: &str = "127.0.0.1:80";

fn there() -> Vec<u8> {
    tcp(CLIENT, SERVER, SYN)
}

fn back() -> Vec<u8> {
    tcp(SERVER, CLIENT, SYN | ACK)
}

fn owners(flow: Option<Flow>) -> (ContainerId, ContainerId) {
    flow.map(|flow| (flow.opener, flow.responder)).expect("a flow")
}

fn receivers(node: &Node, packet: &[u8]) -> Vec<ContainerId> {
    node.receivers(Zone::LOCAL, packet)
}

/// By reservation, by socket, in any mode: A speaks to B, and nobody else hears it.
#[test]
fn container_to_container() {
    for (client, server) in [(A, B), (S, T), (A, S), (S, A)] {
        for reserved in [false, true] {
            let node = Node::new();
            if reserved {
                node.bind(server, TCP, "0.0.0.0:80").unwrap();
            } else {
                node.socket(server, TCP, "0.0.0.0:80");
            }
            assert_eq!(node.send_local(client, &there()), Reason::None);
            assert_eq!(receivers(&node, &there()), [server]);
            assert_eq!(node.send_local(server, &back()), Reason::None);
            assert_eq!(receivers(&node, &back()), [client]);
            assert_eq!(owners(node.flow_in(Zone::LOCAL, &there())), (client, server));
            assert_eq!(node.flow(&there()), None, "not on an uplink");
            // A raw socket of a third one can neither speak for them nor listen.
            assert_ne!(node.send_local(C, &there()), Reason::None);
            assert_ne!(node.send_local(C, &back()), Reason::None);
            assert_eq!((node.flows_held(client), node.flows_held(server)), (1, 0));
            node.check();
        }
    }
}

/// The host's packets are not judged when they are sent; its sockets are found when they are received.
#[test]
fn host_to_container() {
    for reserved in [false, true] {
        for server in [B, S] {
            let node = Node::new();
            if reserved {
                node.bind(server, TCP, "0.0.0.0:80").unwrap();
            } else {
                node.socket(server, TCP, "0.0.0.0:80");
            }
            node.socket(HOST, TCP, CLIENT);
            assert_eq!(receivers(&node, &there()), [server]);
            assert_eq!(node.send_local(server, &back()), Reason::None);
            assert!(receivers(&node, &back()).is_empty());
            assert_eq!(receivers(&node, &tcp(CLIENT, SERVER, ACK)), [server]);
            assert_eq!(node.send_local(C, &there()), Reason::Hijack);
            node.check();
        }
    }
}

/// The host's sockets have no hook of their own: the container's sees what they send first. A container that tracks all is to
/// know that it answers.
#[test]
fn what_the_host_begins_is_tracked_where_all_is() {
    for (server, held) in [(B, 0), (S, 1)] {
        let node = Node::new();
        node.bind(server, TCP, "0.0.0.0:80").unwrap();
        node.socket(HOST, TCP, CLIENT);
        for id in [A, B, S, T] {
            assert_eq!(node.may_receive_from_host(id, &segment(CLIENT, SERVER, SYN, 100, 0)), id == server);
        }
        assert_eq!(node.send_local(server, &segment(SERVER, CLIENT, SYN | ACK, 300, 101)), Reason::None);
        assert!(node.may_receive_from_host(server, &segment(CLIENT, SERVER, ACK, 101, 301)));
        assert_eq!(node.flows_held(server), held);
        if held == 1 {
            let flow = node.flow_in(Zone::LOCAL, &there()).unwrap();
            assert_eq!(owners(Some(flow)), (UNOWNED, S));
            assert_eq!((flow.state.phase(), flow.out.packets, flow.back.packets), (Phase::Established, 2, 1));
        }
        node.check();
    }
}

/// Older kernels show SYN/ACKs over IPv6 to no hook of the sender's.
#[test]
fn what_the_kernel_answers_the_host_for_a_container() {
    let node = Node::new();
    node.bind(S, TCP, "0.0.0.0:80").unwrap();
    node.socket(HOST, TCP, CLIENT);
    let answer = segment(SERVER, CLIENT, SYN | ACK, 300, 101);
    assert!(!node.send_by_kernel(&answer), "there is no connection yet");
    assert!(node.may_receive_from_host(S, &segment(CLIENT, SERVER, SYN, 100, 0)));
    assert!(!node.send_by_kernel(&segment(CLIENT, SERVER, SYN, 100, 0)), "it is the host's");
    assert!(!node.send_by_kernel(&segment(SERVER, CLIENT, SYN | ACK, 300, 9_000)), "it makes no sense");
    assert!(node.send_by_kernel(&answer));
    assert!(node.may_receive_from_host(S, &segment(CLIENT, SERVER, ACK, 101, 301)));
    let flow = node.flow_in(Zone::LOCAL, &there()).unwrap();
    assert_eq!((flow.state.phase(), flow.out.packets, flow.back.packets), (Phase::Established, 2, 2));
}

#[test]
fn container_to_host() {
    let node = Node::new();
    node.socket(HOST, TCP, "0.0.0.0:80");
    assert_eq!(node.send_local(A, &there()), Reason::None);
    assert_eq!(owners(node.flow_in(Zone::LOCAL, &there())), (A, HOST));
    assert!(receivers(&node, &there()).is_empty());
    assert_eq!(receivers(&node, &back()), [A]);
    assert_eq!(node.send_local(C, &there()), Reason::Hijack);
    assert_eq!(node.send_local(C, &back()), Reason::Hijack, "the host's socket is there");
    assert_eq!(node.flows_held(A), 1);
    node.check();
}

#[test]
fn host_to_host() {
    let node = Node::new();
    node.socket(HOST, TCP, "0.0.0.0:80");
    node.socket(HOST, TCP, CLIENT);
    assert!(receivers(&node, &there()).is_empty());
    assert!(receivers(&node, &back()).is_empty());
    assert!(receivers(&node, &ping("127.0.0.1", "127.0.0.1", 5)).is_empty());
}

#[test]
fn container_to_itself() {
    let node = Node::new();
    node.bind(S, TCP, "0.0.0.0:80").unwrap();
    assert_eq!(node.send_local(S, &there()), Reason::None);
    assert_eq!(node.send_local(S, &back()), Reason::None);
    assert_eq!(receivers(&node, &there()), [S]);
    assert_eq!(receivers(&node, &back()), [S]);
    assert_eq!(node.flows_held(S), 1);
    // A socket connected to itself: both ends are one.
    assert_eq!(node.send_local(S, &tcp(SERVER, SERVER, SYN)), Reason::None);
    assert_eq!(receivers(&node, &tcp(SERVER, SERVER, SYN)), [S]);
    node.check();
}

#[test]
fn to_a_containers_own_address() {
    let node = Node::with_own_addresses();
    assert_eq!(node.send_local(A, &udp("192.0.2.1:5000", "192.0.2.60:53")), Reason::None);
    assert_eq!(receivers(&node, &udp("192.0.2.1:5000", "192.0.2.60:53")), [O]);
    assert_eq!(node.send_local(O, &udp("192.0.2.60:53", "192.0.2.1:5000")), Reason::None);
    assert_eq!(receivers(&node, &udp("192.0.2.60:53", "192.0.2.1:5000")), [A]);
    assert_eq!(node.send_local(C, &udp("192.0.2.60:53", "192.0.2.1:5000")), Reason::SpoofedSource);
}

#[test]
fn raw_sockets_of_another_see_nothing() {
    let node = Node::new();
    node.bind(B, UDP, "0.0.0.0:53").unwrap();
    for packet in [udp("127.0.0.1:5000", "127.0.0.1:53"), ping("127.0.0.1", "127.0.0.1", 5)] {
        assert_eq!(node.send_local(A, &packet), Reason::None);
        assert!(!node.may_receive_local(C, &packet));
    }
    assert_eq!(receivers(&node, &pong("127.0.0.1", "127.0.0.1", 5)), [A]);
    let error = unreachable("127.0.0.1", &udp("127.0.0.1:5000", "127.0.0.1:53"));
    assert_eq!(receivers(&node, &error), [A]);
}

/// Nobody was at the other end when the flow began, and somebody is now.
#[test]
fn a_responder_may_come_later() {
    for reserved in [false, true] {
        let node = Node::new();
        assert_eq!(node.send_local(A, &there()), Reason::None);
        assert_eq!(owners(node.flow_in(Zone::LOCAL, &there())), (A, UNOWNED));
        assert!(receivers(&node, &there()).is_empty());
        if reserved {
            node.bind(S, TCP, "0.0.0.0:80").unwrap();
        } else {
            node.socket(S, TCP, "0.0.0.0:80");
        }
        assert_eq!(receivers(&node, &there()), [S]);
        assert_eq!(node.send_local(S, &back()), Reason::None);
        assert_eq!(owners(node.flow_in(Zone::LOCAL, &there())), (A, S));
        assert_eq!(receivers(&node, &back()), [A]);
        assert_eq!((node.flows_held(A), node.flows_held(S)), (1, 0));
        node.check();
    }
}

/// The server's port changes hands: the flow stays its opener's, and in the opener's quota.
#[test]
fn the_responder_may_change() {
    for reserved in [false, true] {
        let node = Node::new();
        node.socket(B, TCP, "0.0.0.0:80");
        node.send_local(A, &there());
        node.close(TCP, "0.0.0.0:80");
        if reserved {
            node.bind(S, TCP, "0.0.0.0:80").unwrap();
            assert_eq!(receivers(&node, &there()), [S]);
            assert_eq!(node.send_local(B, &back()), Reason::PortReserved);
        } else {
            node.socket(S, TCP, "0.0.0.0:80");
        }
        assert_eq!(node.send_local(S, &back()), Reason::None);
        assert_eq!(owners(node.flow_in(Zone::LOCAL, &there())), (A, S));
        assert_eq!(receivers(&node, &there()), [S]);
        assert_eq!(receivers(&node, &back()), [A]);
        assert_eq!((node.flows_held(A), node.flows_held(B), node.flows_held(S)), (1, 0, 0));
        node.check();
    }
}

/// The host's end stays the host's when its socket is gone, until a socket or a reservation says otherwise.
#[test]
fn the_hosts_end_is_not_for_whoever_comes_first() {
    let node = Node::new();
    node.socket(HOST, TCP, "0.0.0.0:80");
    node.send_local(A, &there());
    node.close(TCP, "0.0.0.0:80");
    assert_eq!(node.send_local(C, &back()), Reason::Hijack);
    assert_eq!(owners(node.flow_in(Zone::LOCAL, &there())), (A, HOST));
    node.socket(C, TCP, "0.0.0.0:80");
    assert_eq!(node.send_local(C, &back()), Reason::None);
    assert_eq!(owners(node.flow_in(Zone::LOCAL, &there())), (A, C));
    node.check();
}

/// Each end is held against the reservations, whichever end speaks first after one was made.
#[test]
fn a_reservation_voids_its_own_end_only_and_whoever_speaks_first() {
    for server_first in [false, true] {
        let node = Node::new();
        node.socket(B, TCP, "0.0.0.0:80");
        node.send_local(A, &there());
        node.send_local(B, &back());
        node.bind(C, TCP, CLIENT).unwrap();
        if server_first {
            assert_eq!(node.send_local(B, &back()), Reason::None);
            assert_eq!(receivers(&node, &there()), [B]);
        }
        assert_eq!(node.send_local(A, &there()), Reason::PortReserved, "server first: {server_first}");
        assert_eq!(receivers(&node, &back()), [C], "server first: {server_first}");
        assert_eq!(node.send_local(B, &back()), Reason::None);
        node.check();
    }
}

/// Both ends change hands before anybody speaks: whoever takes the flow over speaks to whoever is there now.
#[test]
fn both_ends_may_change() {
    let node = Node::new();
    node.socket(A, TCP, CLIENT);
    node.socket(B, TCP, "0.0.0.0:80");
    node.send_local(A, &there());
    node.send_local(B, &back());
    node.close(TCP, CLIENT);
    node.close(TCP, "0.0.0.0:80");
    node.bind(S, TCP, "0.0.0.0:80").unwrap();
    node.socket(T, TCP, CLIENT);
    assert_eq!(node.send_local(T, &there()), Reason::None);
    assert_eq!(owners(node.flow_in(Zone::LOCAL, &there())), (T, S));
    assert_eq!(receivers(&node, &there()), [S]);
    assert_eq!(node.send_local(B, &back()), Reason::PortReserved);
    assert_eq!((node.flows_held(A), node.flows_held(T)), (0, 1));
    node.check();
}

#[test]
fn the_same_ends_on_an_uplink_are_another_flow() {
    let node = Node::new();
    let packet = udp("192.0.2.1:5000", "198.51.100.7:53");
    assert_eq!(node.send(A, &packet), Reason::None);
    assert_eq!(node.send_local(B, &packet), Reason::None);
    assert_eq!(node.owner(&udp("198.51.100.7:53", "192.0.2.1:5000")), (A, Way::Flow));
    assert_eq!((node.flows_held(A), node.flows_held(B)), (1, 1));
}
