//! Two containers that use one id with one destination.

use berth_common::{
    abi::{
        reason::Reason,
        units::{ContainerId, Port, Zone},
    },
    engine::{Headers, Way, echo, egress},
    memory::Bytes,
};

use crate::support::*;

const ENDS: [(&str, &str); 2] = [(L4, R4), (L6, R6)];

/// A request of `sender`'s as the hooks have it: the id that it goes by, or why it does not go.
fn ask(node: &Node, sender: ContainerId, packet: &[u8]) -> Result<u16, Reason> {
    let tables = &&node.tables;
    let mut headers = Node::headers(packet);
    let own = headers.source_port;
    let renamed = echo::rename(tables, &mut headers, (sender, Zone::UPLINK));
    let verdict =
        egress::send(tables, (&Bytes(packet), &headers), (sender, Zone::UPLINK), true, Some(PACKET));
    if !verdict.passes() {
        return Err(verdict.reason);
    }
    if renamed {
        assert!(echo::note(tables, &headers, (sender, Zone::UPLINK), own));
    }
    assert_eq!(renamed, headers.source_port != own);
    Ok(headers.source_port.0)
}

/// Whose the reply with this id is, and which id it gets.
fn answer(node: &Node, packet: &[u8]) -> (ContainerId, u16) {
    let headers = Node::headers(packet);
    let owner = node.owner(packet);
    assert_eq!(owner.1, Way::Flow);
    let id = echo::own_id(&&node.tables, &headers, Zone::UPLINK).unwrap_or(headers.destination_port);
    (owner.0, id.0)
}

#[test]
fn the_second_goes_by_another_and_gets_its_own_back() {
    for (local, far) in ENDS {
        for id in [0, 1, 8, 0x1234, 0xbe27, 65_535] {
            let node = Node::new();
            let request = ping(local, far, id);
            assert_eq!(ask(&node, A, &request), Ok(id));
            let mut ids = vec![id];
            for other in [B, C, S, D] {
                let wire = ask(&node, other, &request).unwrap();
                assert!(!ids.contains(&wire), "{wire} of {ids:?}");
                // The same for the next one.
                assert_eq!(ask(&node, other, &request), Ok(wire));
                assert_eq!(answer(&node, &pong(far, local, wire)), (other, id));
                ids.push(wire);
            }
            assert_eq!(answer(&node, &pong(far, local, id)), (A, id));
            for other in [A, B, C, S, D] {
                assert_eq!(node.flows_held(other), 1);
            }
            node.check();
        }
    }
}

/// Another has opened a flow at the id meanwhile: its replies stay its own.
#[test]
fn only_a_flow_of_its_own_remembers_its_id() {
    let node = Node::new();
    let packet = ping(L4, R4, 9);
    let remembers =
        |sender| echo::note(&&node.tables, &Node::headers(&packet), (sender, Zone::UPLINK), Port(1));
    assert!(!remembers(B));
    assert_eq!(ask(&node, A, &packet), Ok(9));
    assert!(!remembers(B));
    assert_eq!(answer(&node, &pong(R4, L4, 9)), (A, 9));
    assert!(remembers(A));
    assert_eq!(answer(&node, &pong(R4, L4, 9)), (A, 1));
}

#[test]
fn other_destinations_are_not_concerned() {
    let node = Node::new();
    assert_eq!(ask(&node, A, &ping(L4, R4, 1)), Ok(1));
    assert_eq!(ask(&node, B, &ping(L4, "198.51.100.8", 1)), Ok(1));
    assert_eq!(ask(&node, B, &ping(L4, R4, 2)), Ok(2));
    // Nor is the answerer, nor other kinds of queries.
    assert_eq!(ask(&node, B, &query(L4, R4, 13, 1)), Ok(1));
    let mut reply = Node::headers(&pong(L4, R4, 1));
    assert!(!echo::rename(&&node.tables, &mut reply, (B, Zone::UPLINK)));
}

/// What the container uses itself is not what another of its requests goes by.
#[test]
fn its_own_ids_stay_its_own() {
    let node = Node::new();
    assert_eq!(ask(&node, A, &ping(L4, R4, 1)), Ok(1));
    let first = ask(&node, B, &ping(L4, R4, 1)).unwrap();
    let node = Node::new();
    assert_eq!(ask(&node, A, &ping(L4, R4, 1)), Ok(1));
    assert_eq!(ask(&node, B, &ping(L4, R4, first)), Ok(first));
    let second = ask(&node, B, &ping(L4, R4, 1)).unwrap();
    assert_ne!(second, first);
    assert_eq!(answer(&node, &pong(R4, L4, first)), (B, first));
    assert_eq!(answer(&node, &pong(R4, L4, second)), (B, 1));
}

#[test]
fn what_is_reserved_is_not_gone_by() {
    let node = Node::new();
    assert_eq!(ask(&node, A, &ping(L4, R4, 1)), Ok(1));
    let first = ask(&node, B, &ping(L4, R4, 1)).unwrap();
    let node = Node::new();
    node.reserve(C, ICMP, &format!("0.0.0.0:{first}")).unwrap();
    assert_eq!(ask(&node, A, &ping(L4, R4, 1)), Ok(1));
    assert_ne!(ask(&node, B, &ping(L4, R4, 1)), Ok(first));
    // Whoever has reserved the id itself goes by it, whoever was there before.
    node.reserve(B, ICMP, "0.0.0.0:1").unwrap();
    assert_eq!(ask(&node, B, &ping(L4, R4, 1)), Ok(1));
}

#[test]
fn once_the_first_is_gone_the_second_goes_by_its_own() {
    let node = Node::new();
    assert_eq!(ask(&node, A, &ping(L4, R4, 1)), Ok(1));
    let wire = ask(&node, B, &ping(L4, R4, 1)).unwrap();
    node.wait(20);
    assert_eq!(ask(&node, B, &ping(L4, R4, 1)), Ok(wire));
    node.wait(15);
    // The flow of A's has ended, and B's has not.
    assert_eq!(ask(&node, B, &ping(L4, R4, 1)), Ok(1));
    assert_eq!(answer(&node, &pong(R4, L4, wire)), (B, 1));
    assert_eq!(answer(&node, &pong(R4, L4, 1)), (B, 1));
}

#[test]
fn a_query_that_is_given_an_id_is_still_one() {
    for packet in [ping(L4, R4, 7), pong(R4, L4, 7), query(L6, R6, 128, 7)] {
        let mut headers = Node::headers(&packet);
        headers.give(Port(65_530));
        assert_eq!(headers, with_id(&packet, 65_530));
    }
}

/// The headers of the same packet with another id.
fn with_id(packet: &[u8], id: u16) -> Headers {
    let mut packet = packet.to_vec();
    let place = if packet[0] >> 4 == 4 { 24 } else { 44 };
    packet[place..place + 2].copy_from_slice(&id.to_be_bytes());
    Node::headers(&packet)
}
