//! Echo ids and GRE keys play the part of ports.

use berth_common::{
    abi::reason::Reason,
    engine::{Verdict, Way, verdict::Owner},
};

use crate::support::*;

/// Addresses of the node and of another host, in both families.
const ENDS: [(&str, &str); 2] = [(L4, R4), (L6, R6)];

#[test]
fn an_id_is_its_first_senders_for_each_destination() {
    for (local, far) in ENDS {
        let node = Node::new();
        assert_eq!(node.send(A, &ping(local, far, 1)), Reason::None);
        assert_eq!(node.send(B, &ping(local, far, 1)), Reason::IcmpIdInUse);
        assert_eq!(node.send(B, &ping(local, far, 2)), Reason::None);
        let other = if local == L4 { "198.51.100.8" } else { "2001:db8:f::8" };
        assert_eq!(node.send(B, &ping(local, other, 1)), Reason::None);
        assert_eq!(node.owner(&pong(far, local, 1)), (A, Way::Flow));
        assert_eq!(node.owner(&pong(far, local, 2)), (B, Way::Flow));
        assert_eq!(node.owner(&pong(other, local, 1)), (B, Way::Flow));
        assert_eq!((node.flows_held(A), node.flows_held(B)), (1, 2));
        node.check();
    }
}

#[test]
fn every_kind_of_query() {
    for (request, reply) in [(8, 0), (13, 14), (15, 16), (17, 18)] {
        let node = Node::new();
        assert_eq!(node.send(A, &query(L4, R4, request, 1)), Reason::None);
        assert_eq!(node.send(B, &query(L4, R4, request, 1)), Reason::IcmpIdInUse);
        assert_eq!(node.owner(&query(R4, L4, reply, 1)), (A, Way::Flow));
        for (other, _) in [(8, 0), (13, 14), (15, 16), (17, 18)] {
            if other != request {
                assert_eq!(node.send(B, &query(L4, R4, other, 1)), Reason::None, "{request} and {other}");
            }
        }
    }
}

/// The container pings the host that pings the node with the same id: two conversations, whatever the id.
#[test]
fn pings_that_cross_stay_apart() {
    for (local, far) in ENDS {
        for id in [0, 1, 8, 13, 120, 128, 0x1234, 65_535] {
            let node = Node::new();
            node.send(A, &ping(local, far, id));
            assert_eq!(node.arrive(&ping(far, local, id)), Verdict::pass(Owner::NOBODY), "id {id}");
            assert_eq!(node.leave(&pong(local, far, id)), (HOST, Way::None), "id {id}");
            assert_eq!(node.owner(&pong(far, local, id)), (A, Way::Flow), "id {id}");
            let flow = node.flow(&ping(local, far, id)).unwrap();
            assert_eq!((flow.out.packets, flow.back.packets), (1, 1), "id {id}");
        }
    }
}

#[test]
fn a_reservation_of_an_id_is_for_who_asks() {
    for (local, far) in ENDS {
        let node = Node::new();
        let wildcard = if local == L4 { "0.0.0.0:7" } else { "[::]:7" };
        node.reserve(A, ICMP, wildcard).unwrap();
        assert_eq!(node.send(B, &ping(local, far, 7)), Reason::PortReserved);
        assert_eq!(node.owner(&pong(far, local, 7)), (A, Way::Port));
        assert_eq!(node.send(A, &ping(local, far, 7)), Reason::None);
        assert!(node.tables.flows().is_empty(), "the reservation explains it");
        assert_eq!(node.owner(&pong(far, local, 7)), (A, Way::Port));
    }
}

/// Requests that arrive have the remote host's id, which is nothing to this node's ids; nor is their type one.
#[test]
fn a_reservation_of_an_id_is_not_for_who_answers() {
    for (local, far) in ENDS {
        for reserved in [0, 7, 8, 15, 128, 135] {
            let node = Node::new();
            let local_end =
                if local == L4 { format!("0.0.0.0:{reserved}") } else { format!("[::]:{reserved}") };
            node.reserve(A, ICMP, &local_end).unwrap();
            let request = ping(far, local, 7);
            assert_eq!(node.arrive(&request), Verdict::pass(Owner::NOBODY), "id {reserved} reserved");
            assert!(!node.may_receive(A, &request));
            assert_eq!(node.leave(&pong(local, far, 7)), (HOST, Way::None), "id {reserved} reserved");
            // Nor for errors about them.
            let error = unreachable(far, &pong(local, far, 7));
            assert_eq!(node.arrive(&error), Verdict::pass(Owner::NOBODY), "id {reserved} reserved");
        }
    }
}

#[test]
fn errors_about_replies() {
    let node = Node::new();
    node.send(A, &ping(L4, R4, 7));
    // The kernel complains about the reply.
    assert_eq!(node.leave(&unreachable(L4, &pong(R4, L4, 7))), (A, Way::Related));
    // The remote host's ping is another conversation.
    assert_eq!(node.leave(&unreachable(L4, &ping(R4, L4, 7))), (HOST, Way::None));
    assert_eq!(node.arrive(&unreachable(R4, &pong(L4, R4, 7))), Verdict::pass(Owner::NOBODY));
}

#[test]
fn keys_are_like_ports() {
    let node = Node::new();
    assert_eq!(node.send(A, &gre(L4, R4, Some(7))), Reason::None);
    assert_eq!(node.send(B, &gre(L4, R4, Some(7))), Reason::Hijack);
    assert_eq!(node.send(B, &gre(L4, R4, Some(8))), Reason::None);
    assert_eq!(node.owner(&gre(R4, L4, Some(7))), (A, Way::Flow));
    assert_eq!(node.owner(&gre(R4, L4, Some(8))), (B, Way::Flow));
    node.reserve(C, GRE, "0.0.0.0:9").unwrap();
    assert_eq!(node.send(A, &gre(L4, R4, Some(9))), Reason::PortReserved);
    assert_eq!(node.owner(&gre(R4, L4, Some(9))), (C, Way::Port));
    node.check();
}

#[test]
fn a_reserved_key_is_not_for_packets_without_one() {
    let node = Node::new();
    node.reserve(A, GRE, "0.0.0.0:0").unwrap();
    assert_eq!(node.owner(&gre(R4, L4, Some(0))), (A, Way::Port));
    assert_eq!(node.arrive(&gre(R4, L4, None)), Verdict::pass(Owner::NOBODY));
    assert_eq!(node.leave(&gre(L4, R4, None)), (HOST, Way::None));
}
