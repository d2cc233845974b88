//! A hundred thousand packets, good, damaged and meaningless, through every entry point.

use berth_common::{
    abi::{
        address::Address,
        reason::Reason,
        units::{ContainerId, Port, Protocol, Zone},
    },
    engine::{
        Headers, Trace, Verdict, Way, egress,
        headers::{Kind, Part},
        ingress, parse,
        tables::Tables as _,
    },
    memory::{
        Bytes,
        generate::{Mutation, Random, Scene, noise},
    },
    wire::{arp::Arp, ether},
};
use proptest::prelude::*;

use super::cases;
use crate::support::*;

/// Packets in each case: all meet the same tables.
const PACKETS: usize = 20;
const CASES: u32 = 5_000;

const EVERYBODY: [ContainerId; 5] = [A, S, O, D, F];

const KINDS: [Kind; 6] = [Kind::Ports, Kind::Query, Kind::Key, Kind::IcmpError, Kind::Link, Kind::Bare];
const PARTS: [Part; 3] = [Part::Whole, Part::First, Part::Later];

fn mutation() -> impl Strategy<Value = Mutation> {
    prop_oneof![
        (0..120_u16, any::<u8>()).prop_map(|(at, bit)| Mutation::Flip { at, bit }),
        (0..120_u16, any::<u8>()).prop_map(|(at, value)| Mutation::Set { at, value }),
        (0..120_u16).prop_map(|at| Mutation::Truncate { at }),
        (0..120_u16, any::<u8>(), any::<u8>()).prop_map(|(at, count, value)| Mutation::Insert {
            at,
            count,
            value
        }),
        (0..120_u16, any::<u8>()).prop_map(|(at, count)| Mutation::Remove { at, count }),
    ]
}

fn frame() -> impl Strategy<Value = Vec<u8>> {
    let made = (any::<u64>(), proptest::collection::vec(mutation(), 0..5)).prop_map(|(seed, mutations)| {
        let mut frame = Scene::default().any(&mut Random::new(seed)).frame;
        for mutation in mutations {
            mutation.apply(&mut frame);
        }
        frame
    });
    prop_oneof![
        12 => made,
        1 => any::<u64>().prop_map(|seed| noise(&mut Random::new(seed))),
        1 => proptest::collection::vec(any::<u8>(), 0..160),
    ]
}

fn headers() -> impl Strategy<Value = Headers> {
    let address = || {
        prop_oneof![
            any::<[u32; 4]>().prop_map(Address),
            any::<u32>().prop_map(Address::v4),
            Just(ip_address(L4).into()),
            Just(ip_address(L6).into()),
            Just(Address::ANY4),
            Just(Address::ANY6),
        ]
    };
    let what = (proptest::sample::select(&KINDS), proptest::sample::select(&PARTS), any::<u8>());
    (address(), address(), any::<[u16; 2]>(), any::<([u32; 2], [u16; 2])>(), any::<u8>(), what).prop_map(
        |(source, destination, ports, (words, offsets), protocol, (kind, fragment, detail))| Headers {
            source,
            destination,
            source_port: Port(ports[0]),
            destination_port: Port(ports[1]),
            fragment_id: words[0],
            transport: words[1],
            payload: offsets[0],
            network: offsets[1],
            protocol: Protocol(protocol),
            kind,
            fragment,
            detail,
        },
    )
}

/// A node with the generator's addresses, and with owners for some of its ports.
fn node() -> Node {
    let node = Node::new();
    let scene = Scene::default();
    for local in scene.local {
        node.tables.add_address(local.into(), HOST);
    }
    node.tables.add_address(ip_address("192.0.2.2").into(), O);
    for (id, protocol, local) in [
        (A, UDP, "0.0.0.0:53"),
        (S, TCP, "[::]:80"),
        (S, UDP, "192.0.2.1:4000"),
        (D, ICMP, "0.0.0.0:8"),
        (F, GRE, "[::]:128"),
        (HOST, TCP, "0.0.0.0:80"),
    ] {
        node.reserve(id, protocol, local).unwrap();
    }
    for (id, protocol, local) in [(HOST, TCP, "[::]:53"), (B, UDP, "[::]:4000"), (T, TCP, "0.0.0.0:40000")] {
        node.socket(id, protocol, local);
    }
    node
}

/// One packet at every hook. What must hold of each verdict by itself is held against it here.
fn everywhere(node: &Node, packet: &Bytes<'_>, headers: &Headers) {
    let tables = &&node.tables;
    let mut inner = Headers::EMPTY;
    let _ = parse::quoted(packet, headers, &mut inner);
    for zone in [Zone::UPLINK, Zone::LOCAL] {
        for id in EVERYBODY {
            let sent = egress::send(tables, (packet, headers), (id, zone), true, Some(PACKET));
            assert_eq!((sent.owner.id, sent.owner.way), (id, Way::Cgroup));
            assert!(may_be_sent_for(sent.reason), "{sent:?}");
            assert!(sent.reason != Reason::Malformed || headers.is_cut_off(), "{headers:?}");
            if zone == Zone::UPLINK && sent.passes() {
                let source = tables.address(&headers.source);
                let exempt = headers.source.is_wildcard() || headers.protocol.0 == IGMP;
                assert!(exempt || source == Some(HOST) || source == Some(id), "{headers:?}");
            }
            let refused = egress::speaks_for_another(tables, headers, (id, zone));
            assert!(matches!(refused, Reason::None | Reason::Hijack | Reason::PortReserved));
            let received = ingress::receive(tables, (packet, headers), (id, zone), Trace::None, None);
            assert!(received.passes() || received.reason == Reason::NotOwner);
        }
    }
    if headers.payload.is_multiple_of(16) {
        egress::by_host(tables, headers, Zone::UPLINK);
    }
    let arrived = ingress::arrive(tables, (packet, headers), Zone::UPLINK, Trace::None, PACKET);
    assert!(is_consistent(&arrived), "{arrived:?}");
    assert!(ingress::leave(tables, (packet, headers), Zone::UPLINK, Trace::None, PACKET).passes());
    for inward in [false, true] {
        let passed = ingress::on_interface(tables, (packet, headers), (F, inward), Trace::None, PACKET);
        assert_eq!((passed.owner.id, passed.owner.way), (F, Way::Interface));
    }
}

fn may_be_sent_for(reason: Reason) -> bool {
    !matches!(reason, Reason::Unowned | Reason::NonIp | Reason::NotOwner)
}

fn is_consistent(verdict: &Verdict) -> bool {
    let owner = verdict.owner;
    match owner.way {
        Way::None => owner.id == UNOWNED,
        Way::Flow | Way::Address => owner.id.is_container(),
        Way::Related | Way::Port | Way::Socket => owner.id != UNOWNED,
        Way::Fragment => true,
        Way::Cgroup | Way::Interface => false,
    }
}

/// The frame through everything that reads bytes, and its packet at every hook.
fn through(node: &Node, frame: &[u8]) {
    let bytes = Bytes(frame);
    let (kind, offset) = ether::payload(&bytes);
    for offset in [offset, 0, 14, u32::MAX] {
        let _ = Arp::read(&bytes, offset);
        let _ = egress::send_non_ip(&&node.tables, &bytes, kind, offset, A);
        if let Some(headers) = bytes.at(kind, offset) {
            everywhere(node, &bytes, &headers);
        }
    }
    let packet = Bytes(frame.get(14..).unwrap_or(&[]));
    for packet in [bytes, packet] {
        if let Some(headers) = packet.in_packet() {
            everywhere(node, &packet, &headers);
        }
    }
}

proptest! {
    #![proptest_config(cases(CASES))]

    #[test]
    fn packets(frames in proptest::collection::vec(frame(), PACKETS), seconds in 0..40_u64) {
        let node = node();
        for (turn, frame) in frames.iter().enumerate() {
            through(&node, frame);
            if turn % 5 == 4 {
                node.wait(seconds);
            }
            if turn % 10 == 9 {
                node.tables.sweep();
            }
        }
        node.check();
        prop_assert!(EVERYBODY.iter().all(|id| node.flows_held(*id) <= 100));
    }
}

proptest! {
    #![proptest_config(cases(2_000))]

    /// Headers that no parser makes, too: the hooks' programs hand them over through memory.
    #[test]
    fn headers_of_any_kind(all in proptest::collection::vec((headers(), frame()), 1..8)) {
        let node = node();
        for (headers, frame) in all {
            everywhere(&node, &Bytes(&frame), &headers);
        }
        node.check();
    }
}
