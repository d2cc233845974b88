use std::collections::HashMap;

use berth_common::{
    abi::{
        address::Address,
        guard::BucketKey,
        rules::external::{Hashlimit, HashlimitEnd},
        units::{Nanos, Port, Protocol},
    },
    engine::{Headers, classify::Answer, external::hashlimit, headers::Kind},
    memory::{Bytes, Capacity},
};
use proptest::prelude::*;

use super::*;

const SECOND: u64 = 1_000_000_000;

const ANYTHING: HashlimitEnd = HashlimitEnd { address: false, prefix: 32, port: false };

/// A token a second, of which a bucket holds three, for each source.
const EACH_SOURCE: Hashlimit = Hashlimit {
    cost: SECOND,
    room: 2 * SECOND,
    above: false,
    source: HashlimitEnd { address: true, ..ANYTHING },
    destination: ANYTHING,
    expire: 10_000,
};

fn packet(source: u32, destination: u32, port: u16) -> Headers {
    Headers {
        source: Address::v4(source.to_be()),
        destination: Address::v4(destination.to_be()),
        source_port: Port(port),
        destination_port: Port(port + 1),
        protocol: Protocol::UDP,
        kind: Kind::Ports,
        ..Headers::EMPTY
    }
}

fn key(number: u32, headers: &Headers, asked: &Hashlimit) -> BucketKey {
    hashlimit::key(object(S, number), (&Bytes(&[]), headers), asked).unwrap()
}

fn ask(node: &Node, headers: &Headers, asked: &Hashlimit) -> Answer {
    hashlimit::ask(&&node.tables, &key(1, headers, asked), asked)
}

#[test]
fn a_new_rate_holds_at_once() {
    let node = node(10);
    let headers = packet(1, 2, 3);
    let slow = Hashlimit { cost: 3_600 * SECOND, room: 3 * 3_600 * SECOND, ..EACH_SOURCE };
    while ask(&node, &headers, &slow) == Answer::Yes {}
    // A token a second: two seconds later there are two.
    assert_eq!(ask(&node, &headers, &EACH_SOURCE), Answer::No);
    node.wait(2);
    assert_eq!([1, 2, 3].map(|_| ask(&node, &headers, &EACH_SOURCE)), [Answer::Yes, Answer::Yes, Answer::No]);
}

#[test]
fn a_kind_is_what_the_mode_says() {
    let end = |address, prefix, port| HashlimitEnd { address, prefix, port };
    let headers = packet(0x0a01_0203, 0x0a01_0504, 1_000);
    let key = |source, destination| key(1, &headers, &Hashlimit { source, destination, ..EACH_SOURCE });
    let all = key(ANYTHING, ANYTHING);
    assert_eq!((all.source, all.destination), (Address::ANY4, Address::ANY4));
    assert_eq!((all.source_port, all.destination_port), (Port(0), Port(0)));
    let pair = key(end(true, 24, false), end(true, 32, true));
    assert_eq!(pair.source, Address::v4(0x0a01_0200_u32.to_be()));
    assert_eq!(pair.destination, headers.destination);
    assert_eq!((pair.source_port, pair.destination_port), (Port(0), Port(1_001)));
    assert_eq!(key(end(true, 0, true), ANYTHING).source, Address::ANY4);
    assert_eq!(key(end(false, 32, true), ANYTHING).source_port, Port(1_000));
}

#[test]
fn masks_of_ipv6_count_from_its_first_bit() {
    let source = Address([u32::MAX; 4]);
    let headers = Headers { source, destination: source, ..packet(0, 0, 0) };
    for (prefix, words) in [
        (0, [0; 4]),
        (1, [0x8000_0000, 0, 0, 0]),
        (64, [u32::MAX, u32::MAX, 0, 0]),
        (72, [u32::MAX, u32::MAX, 0xff00_0000, 0]),
        (127, [u32::MAX, u32::MAX, u32::MAX, !1]),
        (128, [u32::MAX; 4]),
    ] {
        let source = HashlimitEnd { address: true, prefix, port: false };
        let key = key(1, &headers, &Hashlimit { source, ..EACH_SOURCE });
        assert_eq!(key.source, Address(words.map(u32::to_be)), "/{prefix}");
    }
}

#[test]
fn ports_of_others_are_zero_and_of_esp_its_index() {
    let ports = HashlimitEnd { address: false, prefix: 32, port: true };
    let asked = Hashlimit { source: ports, destination: ports, ..EACH_SOURCE };
    let icmp = Headers { kind: Kind::Query, protocol: Protocol::ICMP, ..packet(1, 2, 77) };
    let found = key(1, &icmp, &asked);
    assert_eq!((found.source_port, found.destination_port), (Port(0), Port(0)));
    let esp = Headers { kind: Kind::Bare, protocol: Protocol::ESP, transport: 4, ..packet(1, 2, 77) };
    let bytes = [0, 0, 0, 0, 1, 2, 3, 4];
    let found = hashlimit::key(object(S, 1), (&Bytes(&bytes), &esp), &asked).unwrap();
    assert_eq!((found.source_port, found.destination_port), (Port(0x102), Port(0x304)));
    assert_eq!(hashlimit::key(object(S, 1), (&Bytes(&bytes[..7]), &esp), &asked), None);
}

#[test]
fn who_finds_no_room_is_refused() {
    let node = node(2);
    let from = |source| ask(&node, &packet(source, 9, 9), &EACH_SOURCE);
    assert_eq!(
        [from(1), from(2), from(3), from(1)],
        [Answer::Yes, Answer::Yes, Answer::OverQuota, Answer::Yes]
    );
    assert_eq!(held(&node), (2, 2, 1));
    // Above as well as up to.
    let above = Hashlimit { above: true, ..EACH_SOURCE };
    assert_eq!(ask(&node, &packet(3, 9, 9), &above), Answer::OverQuota);
    node.tables.advance(Nanos::seconds(11));
    assert_eq!((node.tables.sweep(), held(&node)), (2, (0, 2, 2)));
    assert_eq!((from(3), held(&node)), (Answer::Yes, (1, 2, 2)));
}

#[test]
fn a_full_table_lets_nothing_through() {
    let node = Node::with(Capacity { containers: 16, buckets: 1, ..Capacity::default() });
    node.tables.set_objects(S, [object(S, 1)]);
    let from = |source| ask(&node, &packet(source, 9, 9), &EACH_SOURCE);
    assert_eq!([from(1), from(2), from(1)], [Answer::Yes, Answer::TableFull, Answer::Yes]);
    assert_eq!(held(&node).0, 1);
}

#[test]
fn what_nobody_asks_for_is_forgotten() {
    let node = node(10);
    for number in [1, 2] {
        let key = key(number, &packet(1, 2, 3), &EACH_SOURCE);
        hashlimit::ask(&&node.tables, &key, &EACH_SOURCE);
    }
    assert_eq!(node.tables.sweep(), 0);
    node.tables.set_objects(S, [object(S, 2)]);
    // And a list without addresses.
    assert_eq!((node.tables.sweep(), held(&node).0), (2, 1));
    assert_eq!(node.tables.buckets().iter().map(|(key, _)| key.object.number).collect::<Vec<_>>(), [2]);
}

/// A bucket as xt_hashlimit keeps it: credit, and when it was last reckoned.
struct Model {
    credit: u64,
    before: u64,
    expires: u64,
}

proptest! {
    #[test]
    fn spends_what_netfilter_spends(
        (cost, burst) in (1..5_u64, 1..5_u64),
        expire in 1..10_u32,
        above in any::<bool>(),
        packets in proptest::collection::vec((0..4_u32, 0..6_u64, any::<bool>()), 1..100),
    ) {
        let (cost, cap) = (cost * SECOND, cost * burst * SECOND);
        let asked = Hashlimit { cost, room: cap - cost, above, expire: expire * 1_000, ..EACH_SOURCE };
        let node = node(100);
        let mut model: HashMap<u32, Model> = HashMap::new();
        let mut now = 1_000 * SECOND;
        for (source, later, sweeps) in packets {
            now += later * SECOND / 2;
            node.tables.set_now(Nanos(now));
            if sweeps {
                node.tables.sweep();
            }
            model.retain(|_, bucket| bucket.expires > now);
            let bucket = model.entry(source).or_insert(Model { credit: cap, before: now, expires: 0 });
            bucket.credit = cap.min(bucket.credit + (now - bucket.before));
            bucket.before = now;
            bucket.expires = now + u64::from(expire) * SECOND;
            let has_token = bucket.credit >= cost;
            if has_token {
                bucket.credit -= cost;
            }
            let answer = ask(&node, &packet(source, 1, 1), &asked);
            prop_assert_eq!(answer, Answer::from(has_token != above));
        }
        node.tables.sweep();
        prop_assert_eq!(held(&node).0, model.values().filter(|bucket| bucket.expires > now).count() as u64);
    }
}
