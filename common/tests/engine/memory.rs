//! The tables themselves, and the packets that are made for them.

use berth_common::engine::flow_table::FlowTable as _;
use berth_common::{
    abi::{
        address::Address,
        units::{ContainerId, Nanos, Protocol},
    },
    engine::{
        Tables as _,
        headers::{Kind, Part},
        tables::{Found, UsageWord, Which, Word as _},
    },
    memory::{
        Bytes, Capacity, FlowArrays, MemoryTables, Socket,
        generate::{Direction, Mutation, Random, Scene, Shape, noise},
    },
    wire::Packet as _,
};

use crate::support::*;

const OUT: &str = "192.0.2.1:5000";
const FAR: &str = "198.51.100.7:53";

/// A node with something in every table.
fn busy() -> Node {
    let node = Node::with_own_addresses();
    node.tables.set_drops_unowned(true);
    node.bind(A, UDP, "0.0.0.0:5000").unwrap();
    node.reserve(B, TCP, "[::]:80").unwrap();
    node.bind(C, UDP, "0.0.0.0:9").unwrap();
    node.unbind(C, UDP, "0.0.0.0:9");
    node.send(S, &tcp(OUT, FAR, SYN));
    node.send_local(A, &ping("127.0.0.1", "127.0.0.1", 5));
    node.send(A, &udp("0.0.0.0:68", "255.255.255.255:67"));
    let first = Ip::fragment(0, true, 5);
    node.owner(&first.build(ip_address(R4), ip_address(L4), UDP, &udp_datagram(53, 5000, b"")));
    node
}

#[test]
fn import_is_the_reverse_of_export() {
    let node = busy();
    let all = node.tables.export();
    assert_eq!(
        (
            all.containers.len(),
            all.addresses.len(),
            all.flows.slots.len(),
            all.ports.len(),
            all.fragments.len()
        ),
        (8, 6, 2, 3, 1)
    );
    assert_eq!((all.summaries.len(), all.usage.len(), all.unowned), (2, 4, 1));
    let capacity = Capacity { containers: 16, ..Capacity::default() };
    let copy = Node { tables: MemoryTables::import(&all, capacity, node.now()) };
    assert_eq!(copy.tables.export(), all);
    copy.check();
    // It behaves the same, too.
    for packet in [udp(FAR, OUT), tcp(FAR, OUT, SYN | ACK), tcp(FAR, "192.0.2.1:81", SYN), ping(R4, OWN4, 5)]
    {
        assert_eq!(copy.arrive(&packet), node.arrive(&packet));
    }
    assert_eq!(copy.tables.export(), node.tables.export());
}

#[test]
fn import_takes_what_there_is_a_place_for() {
    let all = busy().tables.export();
    let small = Capacity { containers: 2, flows: 1, ports: 1, ..Capacity::default() };
    let left = MemoryTables::import(&all, small, Nanos(1)).export();
    assert_eq!((left.containers.len(), left.flows.slots.len(), left.ports.len()), (1, 2, 1));
    assert_eq!(left.usage.len(), 1);
}

#[test]
fn ids_beyond_the_capacity_have_no_place() {
    let tables = MemoryTables::new(Capacity { containers: 2, ..Capacity::default() });
    let container = (&Node::new().tables).container(A).unwrap();
    assert!(tables.add_container(ContainerId(1), container));
    assert!(!tables.add_container(ContainerId(2), container));
    assert!((&tables).container(ContainerId(2)).is_none());
    assert!((&tables).usage(ContainerId(2), UsageWord::FlowsHeld).is_none());
    assert!(tables.usage_of(UNOWNED).is_none());
}

#[test]
fn usage_words_are_apart() {
    let node = Node::new();
    let words = [
        UsageWord::FlowsHeld,
        UsageWord::FlowsMax,
        UsageWord::FlowsFailed,
        UsageWord::PortsHeld,
        UsageWord::PortsMax,
        UsageWord::PortsFailed,
        UsageWord::FlowsEvicted,
        UsageWord::Control,
    ];
    for (value, word) in (1_u64..).zip(words) {
        let word = (&node.tables).usage(A, word).unwrap();
        assert_eq!(word.add(value), 0);
        assert!(!word.swap(0, 9) && word.swap(value, value + 10));
        assert_eq!(word.load(), value + 10);
    }
    let usage = node.usage(A);
    assert_eq!((usage.flows.held.count(), usage.flows.maxheld, usage.flows.failcnt), (11, 12, 13));
    assert_eq!((usage.ports.held.count(), usage.ports.maxheld, usage.ports.failcnt), (14, 15, 16));
    assert_eq!((usage.evicted, usage.control), (17, 18));
    assert_eq!(node.usage(B), berth_common::abi::container::Usage::default());
}

#[test]
fn sparse_words_are_words() {
    let node = Node::new();
    let tables = &node.tables;
    let word = tables.port_summary(7).unwrap();
    assert_eq!(word.load(), 0);
    assert!(word.swap(0, 5) && !word.swap(0, 6));
    assert_eq!((word.add(u64::MAX), word.load()), (5, 4));
    assert_eq!(tables.export().summaries, [(7, 4)]);
    assert!(word.swap(4, 0));
    assert!(tables.export().summaries.is_empty());
    assert!(tables.port_summary(berth_common::abi::port::SUMMARY_ENTRIES).is_none());
}

#[test]
fn sockets_are_found_as_the_kernel_finds_them() {
    let node = Node::new();
    let tables = &node.tables;
    let headers = Node::headers(&udp(FAR, OUT));
    let steps = [
        (Socket::bound(Protocol(UDP), Address::ANY4, headers.destination_port), Found::Other),
        (Socket::bound(Protocol(UDP), headers.destination, headers.destination_port), Found::Container(A)),
        (Socket::connected(Protocol(UDP), flow_end(OUT), flow_end(FAR)), Found::Container(B)),
    ];
    assert_eq!(tables.socket(&headers, Which::Destination), Found::Nothing);
    for (socket, found) in steps {
        tables.add_socket(socket, found);
        assert_eq!(tables.socket(&headers, Which::Destination), found);
    }
    // The same socket, asked for by a packet that it sends.
    let sent = Node::headers(&udp(OUT, FAR));
    assert_eq!(tables.socket(&sent, Which::Source), Found::Container(B));
    assert_eq!(tables.socket(&sent, Which::Destination), Found::Nothing);
    for other in [udp("198.51.100.7:54", OUT), udp("198.51.100.8:53", OUT)] {
        assert_eq!(tables.socket(&Node::headers(&other), Which::Destination), Found::Container(A));
    }
    for (other, found) in [
        (udp(FAR, "192.0.2.2:5000"), Found::Other),
        (udp(FAR, "192.0.2.1:5001"), Found::Nothing),
        (tcp(FAR, OUT, SYN), Found::Nothing),
        (udp("[2001:db8:f::7]:53", "[2001:db8::1]:5000"), Found::Nothing),
    ] {
        assert_eq!(tables.socket(&Node::headers(&other), Which::Destination), found);
    }
    assert!(tables.remove_socket(&steps[2].0));
    assert!(!tables.remove_socket(&steps[2].0));
    assert_eq!(tables.socket(&headers, Which::Destination), Found::Container(A));
}

#[test]
fn words_of_a_packet() {
    let bytes = [1, 2, 3, 4, 5, 6, 7, 8, 9];
    let packet = Bytes(&bytes);
    assert_eq!(packet.words::<1>(0), Some([u32::from_ne_bytes([1, 2, 3, 4])]));
    assert_eq!(packet.words::<1>(5), Some([u32::from_ne_bytes([6, 7, 8, 9])]));
    assert_eq!(
        packet.words::<2>(1),
        Some([u32::from_ne_bytes([2, 3, 4, 5]), u32::from_ne_bytes([6, 7, 8, 9])])
    );
    assert_eq!(packet.words::<0>(9), Some([]));
    assert_eq!(packet.words::<1>(6), None);
    assert_eq!(packet.words::<2>(2), None);
    assert_eq!(packet.words::<1>(u32::MAX), None);
    assert_eq!(Bytes(&[]).words::<1>(0), None);
}

/// Another library reads the same out of the packets that are made here.
#[test]
fn made_packets_are_packets() {
    let scene = Scene::default();
    let mut random = Random::new(1);
    for direction in [Direction::Out, Direction::In, Direction::Local] {
        for shape in Shape::ALL {
            for turn in 0..200 {
                let sample = scene.sample(*shape, direction, &mut random);
                let what = format!("{shape:?} {direction:?} {turn}: {:02x?}", sample.frame);
                let packet = sample.packet();
                let ether_type =
                    u16::from_be_bytes([sample.frame[sample.network - 2], sample.frame[sample.network - 1]]);
                match ether_type {
                    0x0806 => assert!(etherparse::ArpPacketSlice::from_slice(packet).is_ok(), "{what}"),
                    0x0800 => {
                        let (header, payload) = etherparse::Ipv4Header::from_slice(packet).expect(&what);
                        assert_eq!(header.header_checksum, header.calc_header_checksum(), "{what}");
                        assert_eq!(usize::from(header.total_len), packet.len(), "{what}");
                        assert_eq!(header.header_len() + payload.len(), packet.len(), "{what}");
                    }
                    0x86dd => {
                        let (header, payload) = etherparse::Ipv6Header::from_slice(packet).expect(&what);
                        assert_eq!(usize::from(header.payload_length), payload.len(), "{what}");
                    }
                    other => panic!("type {other:04x}: {what}"),
                }
            }
        }
    }
}

/// They also are of every kind that the engine tells apart, and of any direction.
#[test]
fn made_packets_are_of_every_kind() {
    let scene = Scene::default();
    let mut random = Random::new(2);
    let mut seen = std::collections::BTreeMap::<String, usize>::new();
    for _ in 0..20_000 {
        let sample = scene.any(&mut random);
        let what = match Bytes(&sample.frame).in_frame() {
            None => "nothing".to_owned(),
            Some(headers) => {
                let family = if headers.source.is_v4() { 4 } else { 6 };
                let ported = headers.kind == Kind::Ports && headers.fragment != Part::Later;
                let protocol = if ported { headers.protocol.0 } else { 0 };
                format!("IPv{family} {:?} {:?} {protocol}", headers.kind, headers.fragment)
            }
        };
        *seen.entry(what).or_default() += 1;
    }
    let mut expected = vec!["nothing".to_owned()];
    for family in [4, 6] {
        for part in ["Whole", "First"] {
            for protocol in [TCP, UDP, UDPLITE, SCTP] {
                expected.push(format!("IPv{family} Ports {part} {protocol}"));
            }
            for kind in ["Query", "Key", "IcmpError", "Link", "Bare"] {
                expected.push(format!("IPv{family} {kind} {part} 0"));
            }
        }
        expected.push(format!("IPv{family} Bare Later 0"));
    }
    for what in expected {
        let count = seen.remove(&what).unwrap_or(0);
        assert!(count >= 20, "{what}: {count} of 20,000");
    }
    assert!(seen.is_empty(), "{seen:?}");
}

#[test]
fn the_same_seed_makes_the_same_packets() {
    let scene = Scene::default();
    let (mut one, mut other, mut third) = (Random::new(7), Random::new(7), Random::new(8));
    let mut differ = false;
    for _ in 0..100 {
        let sample = scene.any(&mut one);
        assert_eq!(sample, scene.any(&mut other));
        differ |= sample != scene.any(&mut third);
        assert_eq!(Mutation::random(&mut one), Mutation::random(&mut other));
        assert_eq!(noise(&mut one), noise(&mut other));
    }
    assert!(differ);
}

#[test]
fn mutations() {
    let cases = [
        (Mutation::Flip { at: 1, bit: 0 }, vec![1, 3, 3]),
        (Mutation::Flip { at: 4, bit: 15 }, vec![1, 0x82, 3]),
        (Mutation::Set { at: 2, value: 9 }, vec![1, 2, 9]),
        (Mutation::Truncate { at: 1 }, vec![1]),
        (Mutation::Truncate { at: 3 }, vec![]),
        (Mutation::Insert { at: 1, count: 34, value: 7 }, vec![1, 7, 7, 2, 3]),
        (Mutation::Remove { at: 0, count: 2 }, vec![3]),
        (Mutation::Remove { at: 2, count: 31 }, vec![1, 2]),
    ];
    for (mutation, expected) in cases {
        let mut bytes = vec![1, 2, 3];
        mutation.apply(&mut bytes);
        assert_eq!(bytes, expected, "{mutation:?}");
        // Nothing is nothing, whatever happens to it.
        let mut nothing = Vec::new();
        mutation.apply(&mut nothing);
        assert!(nothing.len() <= 2);
    }
}

/// What holds flow tables against what must be sees each thing that may be wrong.
#[test]
fn broken_flow_tables_are_told() {
    let whole = busy().tables.export().flows;
    assert_eq!(whole.faults(), Vec::<String>::new());
    let broken = |change: fn(&mut FlowArrays), told: &str| {
        let mut arrays = whole.clone();
        change(&mut arrays);
        let faults = arrays.faults().join("\n");
        assert!(faults.contains(told), "{told}: {faults}");
    };
    broken(|it| it.sides[0].index.clear(), "is found 0 times");
    broken(|it| it.slots[0].1.key = it.slots[1].1.key, "have the same key");
    broken(|it| it.slots[0].1.expires = Nanos(0), "entries of the index for 1 flows");
    broken(|it| it.rings.clear(), "slot 0 is []");
    broken(|it| it.rings[0].1.tail = 9, "and its back is 9");
    broken(|it| it.rings[0].1.lock = 1, "locked");
    broken(|it| it.pool.queues[0].tail = 1, "no slot is free at 0");
}
