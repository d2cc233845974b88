//! Protocols that have nothing but addresses: shared by all who send to the same pair.

use berth_common::{
    abi::{
        container::Mode,
        flow::FlowKey,
        reason::Reason,
        units::{ContainerId, Zone},
    },
    engine::{Verdict, Way, verdict::Owner},
};

use crate::support::*;

fn esp(from: &str, to: &str) -> Vec<u8> {
    ip(from, to, ESP, &[1; 16])
}

#[test]
fn shared_by_all_who_send() {
    for (there, back) in [
        (esp(L4, R4), esp(R4, L4)),
        (ip(L6, R6, 89, &[0; 24]), ip(R6, L6, 89, &[0; 24])),
        (gre(L4, R4, None), gre(R4, L4, None)),
        (icmp(L4, R4, 40, [0; 4], &[]), icmp(R4, L4, 40, [0; 4], &[])),
        (icmp(LINK6, "fe80::7", 136, [0; 4], &[0; 16]), icmp("fe80::7", LINK6, 136, [0; 4], &[0; 16])),
    ] {
        let node = Node::new();
        assert_eq!(node.arrive(&back), Verdict::pass(Owner::NOBODY));
        assert!(node.receivers(Zone::UPLINK, &back).is_empty());
        for (senders, receivers) in [(A, vec![A]), (B, vec![A, B]), (S, vec![A, B, S])] {
            assert_eq!(node.send(senders, &there), Reason::None);
            assert_eq!(node.receivers(Zone::UPLINK, &back), receivers);
        }
        // It is counted for the first.
        assert_eq!(node.owner(&back), (A, Way::Flow));
        assert_eq!((node.flows_held(A), node.flows_held(B), node.flows_held(S)), (1, 1, 1));
        node.check();
    }
}

#[test]
fn each_has_its_own_entry_and_its_own_traffic() {
    let node = Node::new();
    for _ in 0..3 {
        node.send(A, &esp(L4, R4));
        node.send(B, &esp(L4, R4));
    }
    let flows: Vec<_> =
        node.tables.flows().into_iter().map(|(_, flow)| (flow.opener, flow.out.packets)).collect();
    assert_eq!(flows.len(), 2);
    assert!(flows.contains(&(A, 3)) && flows.contains(&(B, 3)));
}

#[test]
fn only_on_the_same_pair() {
    let node = Node::new();
    node.send(A, &esp(L4, R4));
    node.send(B, &esp(L4, R4));
    for other in [esp("198.51.100.8", L4), esp(R4, M4), ip(R4, L4, 51, &[1; 16])] {
        assert!(node.receivers(Zone::UPLINK, &other).is_empty());
    }
    assert!(node.receivers(Zone::LOCAL, &esp(R4, L4)).is_empty());
}

#[test]
fn for_as_long_as_the_entry_lasts() {
    let node = Node::new();
    node.send(A, &esp(L4, R4));
    node.send(B, &esp(L4, R4));
    node.wait(400);
    node.send(B, &esp(L4, R4));
    node.wait(400);
    // A has been silent for 800 seconds.
    assert_eq!(node.receivers(Zone::UPLINK, &esp(R4, L4)), [B]);
    assert_eq!(node.send(B, &esp(L4, R4)), Reason::None);
    assert_eq!(node.owner(&esp(R4, L4)), (B, Way::Flow));
    node.wait(1_000);
    assert!(node.receivers(Zone::UPLINK, &esp(R4, L4)).is_empty());
    node.tables.sweep();
    node.check();
    assert!(node.tables.flows().is_empty());
}

#[test]
fn within_each_ones_quota() {
    let node = Node::new();
    node.container(A, Mode::Stateless, 0, 0);
    node.container(B, Mode::Stateless, 1, 0);
    assert_eq!(node.send(A, &esp(L4, R4)), Reason::FlowQuota);
    assert_eq!(node.send(B, &esp(L4, R4)), Reason::None);
    assert_eq!(node.send(A, &esp(L4, R4)), Reason::FlowQuota);
    // Such flows are never worth keeping: another takes the place.
    assert_eq!(node.send(B, &esp(L4, "198.51.100.8")), Reason::None);
    assert_eq!((node.flows_held(A), node.flows_held(B)), (0, 1));
    assert_eq!((node.usage(A).flows.failcnt, node.usage(B).flows.failcnt, node.usage(B).evicted), (2, 0, 1));
    node.check();
}

#[test]
fn arriving_for_a_containers_address_they_open_no_flow() {
    let node = Node::new();
    node.tables.add_address(ip_address(OWN4).into(), S);
    assert_eq!(node.owner(&esp(R4, OWN4)), (S, Way::Address));
    assert!(node.tables.flows().is_empty());
}

/// The entries beside the pair's lie where no conversation with ids or keys can.
#[test]
fn shared_entries_meet_no_others() {
    for id in [1, 7, 8, 13, 15, 17, 128, 4096, 65_528, 0x0001_0001, 0x0002_0002, 0x0012_3456] {
        let sharer = ContainerId(id);
        let link = |from, to| icmp(from, to, 40, [0; 4], &[]);
        let key = |packet: &[u8]| {
            berth_common::engine::headers::Place::shared(Zone::UPLINK, sharer).key(&Node::headers(packet))
        };
        let pair = key(&link(L4, R4));
        assert_eq!(pair, key(&link(R4, L4)));
        assert_ne!(pair, flow_key(Zone::UPLINK, &link(L4, R4)));
        // What queries and keys put at the two ends differs by the same number for every id and key: two serve for all.
        for number in [0, 65_535] {
            let queries = [(L4, R4), (R4, L4)].into_iter().flat_map(|(from, to)| {
                [8, 13, 15, 17].map(|kind| flow_key(Zone::UPLINK, &query(from, to, kind, number)))
            });
            for other in queries {
                let apart = |key: &FlowKey| key.high_port.0.wrapping_sub(key.low_port.0);
                assert_ne!(apart(&pair), apart(&other), "container {id}");
            }
            let keyed = flow_key(Zone::UPLINK, &gre(L4, R4, Some(u32::from(number))));
            assert_ne!(key(&gre(L4, R4, None)), keyed, "container {id}, key {number}");
        }
    }
}
