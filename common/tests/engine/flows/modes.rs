//! Which packets have flows in which mode (design §5).

use berth_common::abi::{
    container::{Container, Mode, PortRange},
    reason::Reason,
    units::{ContainerId, Port},
};

use crate::support::*;

const OUT: &str = "192.0.2.1:5000";
const FAR: &str = "198.51.100.7:53";

const MODES: [(ContainerId, bool); 4] = [(D, false), (A, false), (S, true), (F, true)];

#[test]
fn what_no_reservation_explains_needs_a_flow_in_every_mode() {
    for (id, _) in MODES {
        for packet in [
            udp(OUT, FAR),
            tcp(OUT, FAR, SYN),
            ping(L4, R4, 5),
            gre(L4, R4, Some(5)),
            ip(L4, R4, ESP, &[0; 8]),
        ] {
            let node = Node::new();
            assert_eq!(node.send(id, &packet), Reason::None);
            assert_eq!(node.flow(&packet).map(|flow| flow.opener), Some(id));
            assert_eq!(node.flows_held(id), 1);
        }
    }
}

#[test]
fn a_socket_without_reservation_is_no_explanation() {
    for (id, _) in MODES {
        let node = Node::new();
        node.socket(id, UDP, OUT);
        assert_eq!(node.send(id, &udp(OUT, FAR)), Reason::None);
        assert_eq!(node.flows_held(id), 1);
    }
}

#[test]
fn what_a_reservation_explains_needs_one_only_in_stateful_modes() {
    for (id, tracks) in MODES {
        for inward in [false, true] {
            let node = Node::new();
            node.bind(id, UDP, "0.0.0.0:5000").unwrap();
            if inward {
                node.owner(&udp(FAR, OUT));
            } else {
                assert_eq!(node.send(id, &udp(OUT, FAR)), Reason::None);
            }
            assert_eq!(node.flow(&udp(OUT, FAR)).is_some(), tracks, "{id:?} inward: {inward}");
            assert_eq!(node.flows_held(id), u64::from(tracks));
        }
        let node = Node::new();
        node.reserve(id, ICMP, "0.0.0.0:5").unwrap();
        node.reserve(id, GRE, "0.0.0.0:5").unwrap();
        node.send(id, &ping(L4, R4, 5));
        node.send(id, &gre(L4, R4, Some(5)));
        assert_eq!(node.flows_held(id), if tracks { 2 } else { 0 }, "{id:?}");
    }
}

#[test]
fn what_arrives_has_flows_in_stateful_modes_however_its_owner_is_found() {
    for (id, tracks) in MODES {
        let node = Node::new();
        node.tables.add_address(ip_address(OWN4).into(), id);
        node.bind(id, UDP, "0.0.0.0:5000").unwrap();
        node.socket(id, TCP, "0.0.0.0:80");
        for (count, packet) in
            [udp(FAR, OUT), tcp(FAR, "192.0.2.1:80", SYN), ping(R4, OWN4, 5), udp(FAR, "192.0.2.60:9")]
                .into_iter()
                .enumerate()
        {
            assert_eq!(node.owner(&packet).0, id);
            let expected = if tracks { count as u64 + 1 } else { 0 };
            assert_eq!(node.flows_held(id), expected, "{id:?}");
            let flow = node.flow(&packet);
            assert_eq!(flow.map(|flow| (flow.opener, flow.responder)), tracks.then_some((UNOWNED, id)));
        }
        node.check();
    }
}

#[test]
fn packets_of_the_host_and_of_nobody_have_none() {
    let node = Node::new();
    node.socket(HOST, UDP, "0.0.0.0:5000");
    node.owner(&udp(FAR, OUT));
    node.leave(&udp(OUT, FAR));
    node.owner(&udp(FAR, "192.0.2.1:9"));
    node.may_receive(A, &udp(FAR, "192.0.2.1:9"));
    assert!(node.tables.flows().is_empty());
}

#[test]
fn a_mode_changes_live() {
    let node = Node::new();
    node.bind(A, UDP, "0.0.0.0:5000").unwrap();
    node.send(A, &tcp("192.0.2.1:6000", FAR, SYN));
    node.container(A, Mode::Stateful, 100, 100);
    assert_eq!(node.send(A, &udp(OUT, FAR)), Reason::None);
    assert_eq!(node.flows_held(A), 2);
    node.container(A, Mode::Disabled, 100, 100);
    assert_eq!(node.flows_held(A), 2, "no flow is lost");
    assert_eq!(node.send(A, &udp(OUT, FAR)), Reason::None);
    assert_eq!(node.flow(&udp(OUT, FAR)).unwrap().out.packets, 2);
}

#[test]
fn modes_by_number() {
    for number in 0..=u8::MAX {
        let container = Container {
            generation: 1,
            mode: number,
            flags: 0,
            range_count: 0,
            flow_events: 0,
            flow_limit: 0,
            port_limit: 0,
            ranges: [PortRange { first: Port(0), last: Port(0) }; 8],
            guard_limit: 1_000,
            flow_rate: 0,
        };
        let expected = match number {
            1 => Mode::Stateless,
            2 => Mode::Stateful,
            3 => Mode::Full,
            _ => Mode::Disabled,
        };
        assert_eq!(container.mode(), expected);
        assert_eq!(expected.tracks_everything(), number == 2 || number == 3);
    }
}
