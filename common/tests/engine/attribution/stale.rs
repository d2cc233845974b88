//! Flows whose port has changed hands: a reservation voids them, and whoever rightly sends takes them over.

use berth_common::{
    abi::{container::Mode, reason::Reason},
    engine::Way,
};

use crate::support::*;

const OUT: &str = "192.0.2.1:5000";
const FAR: &str = "198.51.100.7:53";

fn there() -> Vec<u8> {
    udp(OUT, FAR)
}

fn back() -> Vec<u8> {
    udp(FAR, OUT)
}

#[test]
fn a_reservation_voids_anothers_older_flow() {
    for reserved in [OUT, "0.0.0.0:5000"] {
        let node = Node::new();
        node.send(A, &there());
        assert_eq!(node.owner(&back()), (A, Way::Flow));
        node.bind(B, UDP, reserved).unwrap();
        assert_eq!(node.send(A, &there()), Reason::PortReserved);
        for _ in 0..2 {
            assert_eq!(node.owner(&back()), (B, Way::Port));
            assert!(node.may_receive(B, &back()));
            assert!(!node.may_receive(A, &back()));
        }
        assert_eq!(node.send(A, &there()), Reason::PortReserved);
        node.check();
    }
}

#[test]
fn other_reservations_do_not() {
    let node = Node::new();
    node.send(A, &there());
    for (protocol, local) in [
        (UDP, "192.0.2.2:5000"),
        (UDP, "0.0.0.0:5001"),
        (TCP, "0.0.0.0:5000"),
        (UDP, "[::]:5000"),
        // The far end's port is nothing to us.
        (UDP, "198.51.100.7:53"),
        (UDP, "0.0.0.0:53"),
    ] {
        node.bind(B, protocol, local).unwrap();
        assert_eq!(node.owner(&back()), (A, Way::Flow), "{protocol} {local}");
        assert_eq!(node.send(A, &there()), Reason::None, "{protocol} {local}");
    }
    node.bind(A, UDP, OUT).unwrap();
    assert_eq!(node.owner(&back()), (A, Way::Flow));
}

#[test]
fn a_flow_is_held_against_reservations_once_for_each_epoch() {
    let node = Node::new();
    node.send(A, &there());
    node.bind(B, UDP, "0.0.0.0:6000").unwrap();
    let epoch = node.tables.export().runtime.port_epoch;
    assert_ne!(u64::from(node.flow(&there()).unwrap().port_epoch), epoch);
    node.owner(&back());
    assert_eq!(u64::from(node.flow(&there()).unwrap().port_epoch), epoch);
    // Only what was refused does not count as an epoch of its own.
    node.bind(C, UDP, "0.0.0.0:6000").unwrap_err();
    node.bind(B, UDP, "0.0.0.0:6000").unwrap();
    assert_eq!(node.tables.export().runtime.port_epoch, epoch);
}

/// What arrives on a flow that is void neither keeps it alive nor counts in it.
#[test]
fn a_void_flow_is_left_alone() {
    let node = Node::new();
    node.send(A, &there());
    let before = node.flow(&there()).unwrap();
    node.bind(B, UDP, OUT).unwrap();
    node.wait(1);
    node.owner(&back());
    let after = node.tables.flow_at(&flow_key(berth_common::abi::units::Zone::UPLINK, &there())).unwrap();
    assert_eq!((after.expires, after.back), (before.expires, before.back));
    assert_eq!(after.opener, A);
    node.wait(60);
    node.tables.sweep();
    assert!(node.tables.flows().is_empty());
    node.check();
}

/// In stateful mode the packet that the reservation explains opens a flow of the new holder's.
#[test]
fn arriving_packets_take_a_void_flow_over_in_stateful_modes() {
    let node = Node::new();
    node.send(A, &there());
    node.bind(S, UDP, OUT).unwrap();
    assert_eq!(node.owner(&back()), (S, Way::Port));
    let flow = node.flow(&there()).unwrap();
    assert_eq!((flow.opener, flow.responder), (UNOWNED, S));
    assert_eq!((flow.out.packets, flow.back.packets), (1, 0));
    assert_eq!((node.flows_held(A), node.flows_held(S)), (0, 1));
    assert_eq!(node.owner(&back()), (S, Way::Flow));
    assert_eq!(node.send(S, &there()), Reason::None);
    assert_eq!(node.flow(&there()).unwrap().back.packets, 1);
    node.check();
}

/// The holder of the reservation sends: the flow is its own from then on, where its mode has flows for that.
#[test]
fn the_holder_takes_over() {
    let node = Node::new();
    node.send(A, &there());
    node.bind(S, UDP, OUT).unwrap();
    assert_eq!(node.send(S, &there()), Reason::None);
    let flow = node.flow(&there()).unwrap();
    assert_eq!((flow.opener, flow.responder, flow.out.packets), (S, UNOWNED, 1));
    assert_eq!((node.flows_held(A), node.flows_held(S)), (0, 1));
    assert_eq!(node.owner(&back()), (S, Way::Flow));
    assert_eq!(node.send(A, &there()), Reason::PortReserved);
    node.check();
}

/// What a reservation explains needs no flow in stateless modes, so it is not refused for want of one.
#[test]
fn a_holder_without_state_needs_no_flow() {
    for limit in [0, 10] {
        let node = Node::new();
        node.send(A, &there());
        node.container(B, Mode::Stateless, limit, 10);
        node.bind(B, UDP, OUT).unwrap();
        assert_eq!(node.send(B, &there()), Reason::None);
        assert_eq!(node.owner(&back()), (B, Way::Port));
        assert_eq!(node.send(A, &there()), Reason::PortReserved);
        assert_eq!(node.flows_held(B), 0);
        node.check();
    }
}

/// The kernel gave the port to another, without a reservation: the socket that is there now is the rightful one.
#[test]
fn the_socket_takes_over() {
    let node = Node::new();
    node.socket(A, UDP, "0.0.0.0:5000");
    assert_eq!(node.send(A, &there()), Reason::None);
    assert_eq!(node.send(B, &there()), Reason::Hijack);
    node.close(UDP, "0.0.0.0:5000");
    assert_eq!(node.send(B, &there()), Reason::Hijack, "nobody's socket is no reason");
    node.socket(B, UDP, "0.0.0.0:5000");
    assert_eq!(node.send(B, &there()), Reason::None);
    assert_eq!(node.owner(&back()), (B, Way::Flow));
    assert_eq!(node.flow(&there()).unwrap().out.packets, 1);
    assert_eq!((node.flows_held(A), node.flows_held(B)), (0, 1));
    assert_eq!(node.send(A, &there()), Reason::Hijack);
    node.check();
}

#[test]
fn taking_over_is_within_the_quota() {
    let node = Node::new();
    node.container(B, Mode::Stateless, 1, 10);
    node.send(A, &there());
    node.send_kept(B, &udp("192.0.2.1:6000", FAR), &udp(FAR, "192.0.2.1:6000"));
    node.socket(B, UDP, "0.0.0.0:5000");
    assert_eq!(node.send(B, &there()), Reason::FlowQuota);
    assert_eq!(node.owner(&back()), (A, Way::Flow));
    assert_eq!((node.flows_held(A), node.flows_held(B)), (1, 1));
    assert_eq!(node.usage(B).flows.failcnt, 1);
    node.check();
}

/// What is taken over takes the place of another flow of the container's.
#[test]
fn taking_over_may_cost_the_container_another_flow() {
    let node = Node::new();
    node.container(B, Mode::Stateless, 1, 10);
    node.send(A, &there());
    node.send(B, &udp("192.0.2.1:6000", FAR));
    node.socket(B, UDP, "0.0.0.0:5000");
    assert_eq!(node.send(B, &there()), Reason::None);
    assert_eq!(node.owner(&back()), (B, Way::Flow));
    assert!(node.flow(&udp("192.0.2.1:6000", FAR)).is_none());
    assert_eq!((node.flows_held(A), node.flows_held(B), node.usage(B).evicted), (0, 1, 1));
    node.check();
}

/// A flow that a remote host opened counts for the container that it came to, and moves with it.
#[test]
fn a_flow_that_a_remote_host_opened_moves_with_its_quota() {
    for reserved in [false, true] {
        let node = Node::new();
        node.socket(S, UDP, "0.0.0.0:5000");
        assert_eq!(node.owner(&back()), (S, Way::Socket));
        assert_eq!((node.flows_held(S), node.flows_held(T)), (1, 0));
        node.close(UDP, "0.0.0.0:5000");
        if reserved {
            node.bind(T, UDP, OUT).unwrap();
        } else {
            node.socket(T, UDP, "0.0.0.0:5000");
        }
        assert_eq!(node.send(T, &there()), Reason::None, "reserved: {reserved}");
        assert_eq!((node.flows_held(S), node.flows_held(T)), (0, 1), "reserved: {reserved}");
        node.check();
        assert_eq!(node.owner(&back()), (T, Way::Flow));
        node.wait(1_000);
        node.tables.sweep();
        assert_eq!((node.flows_held(S), node.flows_held(T)), (0, 0), "reserved: {reserved}");
        node.check();
    }
}

#[test]
fn giving_a_reservation_up_leaves_its_flows() {
    let node = Node::new();
    node.bind(S, UDP, OUT).unwrap();
    node.send(S, &there());
    node.unbind(S, UDP, OUT);
    assert_eq!(node.owner(&back()), (S, Way::Flow));
    assert_eq!(node.send(A, &there()), Reason::Hijack);
}
