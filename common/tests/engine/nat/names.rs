//! Names: each is one flow's, none is a socket's, and they are to be had again.

use std::collections::BTreeSet;

use super::*;

const REMOTE: &str = "198.51.100.7:53";

fn inner(port: u16) -> String {
    format!("10.0.3.10:{port}")
}

#[test]
fn neither_sockets_nor_reservations_nor_flows_of_others_are_in_the_way() {
    let node = Translating::with_ports(61_000, 61_003);
    node.socket(HOST, UDP, "0.0.0.0:61000");
    node.reserve(B, UDP, "192.0.2.1:61001").unwrap();
    assert_eq!(node.send(A, &udp("192.0.2.1:61002", REMOTE)), Reason::None);
    for _ in 0..3 {
        assert_eq!(node.out(WAY_X, &udp(&inner(5000), REMOTE)).unwrap().port, Port(61_003));
    }
    assert_eq!(node.out(WAY_X, &udp(&inner(5001), REMOTE)), Err(Reason::NatPorts));
    // Of another protocol, or to another host, they are free.
    assert!(node.out(WAY_X, &tcp(&inner(5002), REMOTE, SYN)).is_ok());
    assert!(node.out(WAY_X, &udp(&inner(5001), "198.51.100.8:53")).is_ok());
    // One becomes free.
    node.close(UDP, "0.0.0.0:61000");
    assert_eq!(node.out(WAY_X, &udp(&inner(5001), REMOTE)).unwrap().port, Port(61_000));
}

#[test]
fn all_ports_can_be_had_and_none_twice() {
    let node = Translating::with_ports(61_000, 61_015);
    let mut ports = BTreeSet::new();
    for port in 5_000..5_100 {
        match node.out(WAY_X, &udp(&inner(port), REMOTE)) {
            Ok(end) => assert!(ports.insert(end.port), "{end:?} was another's"),
            Err(reason) => assert_eq!(reason, Reason::NatPorts),
        }
    }
    // 64 draws for each: one that is free is found sooner or later.
    assert_eq!(ports.len(), 16);
    node.wait(31);
    // They have all expired, and nobody has deleted anything.
    let again: BTreeSet<_> = (6_000..6_100)
        .filter_map(|port| node.out(WAY_Y, &udp(&inner(port), REMOTE)).ok())
        .map(|end| end.port)
        .collect();
    assert_eq!(again, ports);
    assert_eq!(node.tables.names().len(), 16);
}

#[test]
fn one_that_has_lost_its_name_does_not_speak_under_it() {
    let node = Translating::with_ports(61_000, 61_000);
    let first = udp(&inner(5_000), REMOTE);
    assert_eq!(node.out(WAY_X, &first).unwrap().port, Port(61_000));
    node.wait(31);
    assert_eq!(node.out(WAY_Y, &udp(&inner(6_000), REMOTE)).unwrap().port, Port(61_000));
    // It begins anew in its old slot, and there is no other port.
    assert_eq!(node.out(WAY_X, &first), Err(Reason::NatPorts));
    assert_eq!(node.goes_to(&udp(REMOTE, "192.0.2.1:61000")), Ok(flow_end(&inner(6_000))));
}

#[test]
fn one_that_begins_anew_keeps_the_name_that_is_still_its_own() {
    let node = Translating::masquerading();
    let first = udp(&inner(5_000), REMOTE);
    let outer = node.out(WAY_X, &first).unwrap();
    node.wait(31);
    assert_eq!(node.goes_to(&udp(REMOTE, &text(outer))), Ok(outer), "it has expired");
    assert_eq!(node.out(WAY_X, &first), Ok(outer));
    assert_eq!(node.goes_to(&udp(REMOTE, &text(outer))), Ok(flow_end(&inner(5_000))));
    assert_eq!(node.tables.names().len(), 1);
}

/// As a client that takes the same port again does.
#[test]
fn a_published_connection_that_begins_anew_is_called_as_before() {
    let node = Translating::new(NatOwner::UNTRANSLATED);
    node.publish(TCP, "192.0.2.1:8080", "10.0.3.10:80");
    let (client, inside, outside) = ("198.51.100.7:40000", "10.0.3.10:80", "192.0.2.1:8080");
    for turn in 0..3 {
        for (inward, flags) in [(true, SYN), (false, SYN | ACK), (true, ACK), (true, RST | ACK)] {
            if inward {
                assert_eq!(node.goes_to(&tcp(client, outside, flags)), Ok(flow_end(inside)), "{turn}");
                assert_eq!(node.on_interface(X, true, &tcp(client, inside, flags)), Reason::None);
            } else {
                assert_eq!(node.out(WAY_X, &tcp(inside, client, flags)), Ok(flow_end(outside)), "{turn}");
            }
        }
        node.wait(turn * 5);
    }
}

#[test]
fn there_are_never_more_names_than_slots() {
    let node = Translating::small(64);
    for id in [X, Y] {
        node.container(id, Mode::Full, 32, 100);
        node.own_network(id);
    }
    let mut last = Vec::new();
    for port in 5_000..7_000 {
        for path in [WAY_X, WAY_Y] {
            last.push((node.out(path, &udp(&inner(port), REMOTE)).expect("a name"), REMOTE.to_owned()));
        }
        // Those that have been evicted are reused after a rest.
        node.wait(1);
    }
    assert!(node.tables.names().len() <= 64, "{}", node.tables.names().len());
    let live: Vec<_> = last.split_off(last.len() - 16);
    check_names(&node.tables, &live);
    node.check();
}

/// Processors that begin one flow at the same time call it the same.
#[test]
fn one_flow_gets_one_name_whoever_is_faster() {
    let node = Translating::masquerading();
    for port in 5_000..5_200 {
        let packet = udp(&inner(port), REMOTE);
        assert_eq!(node.on_interface(X, false, &packet), Reason::None);
        let ends: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| node.leave_node(WAY_X, &packet))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let named: BTreeSet<_> = ends.iter().filter_map(|end| end.ok()).map(text).collect();
        assert_eq!(named.len(), 1, "{ends:?}");
    }
    assert_eq!(node.tables.names().len(), 200);
}

/// What the node itself sends.
#[test]
fn the_node_s_own_does_not_get_mixed_up_with_it() {
    let node = Translating::masquerading();
    let by_node = |packet: &[u8]| nat::by_node(&&node.tables, &Node::headers(packet));
    let outer = text(node.out(WAY_X, &udp(&inner(5_000), REMOTE)).unwrap());
    assert_eq!(by_node(&udp(&outer, REMOTE)), Reason::Hijack);
    assert_eq!(by_node(&udp(&outer, "198.51.100.8:53")), Reason::None);
    assert_eq!(by_node(&udp("192.0.2.1:5000", REMOTE)), Reason::None);
    let id = node.out(WAY_X, &ping(INNER4, R4, 7)).unwrap().port.0;
    assert_eq!(by_node(&ping(L4, R4, id)), Reason::IcmpIdInUse);
    assert_eq!(by_node(&ping(L4, R4, id + 1)), Reason::None);
    // Nobody can know that the node has a tunnel there: it gets its answers once it speaks.
    let tunnel = |from: &str, to: &str| ip(from, to, ESP, &[0; 8]);
    node.out(WAY_X, &tunnel(INNER4, R4)).unwrap();
    assert_eq!(node.goes_to(&tunnel(R4, L4)).unwrap().address, ip_address(INNER4).into());
    assert_eq!(by_node(&tunnel(L4, R4)), Reason::None);
    assert_eq!(node.goes_to(&tunnel(R4, L4)).unwrap().address, ip_address(L4).into());
    // And nobody else speaks there any more.
    assert_eq!(node.out(WAY_X, &tunnel(INNER4, R4)), Err(Reason::NatPorts));
}
