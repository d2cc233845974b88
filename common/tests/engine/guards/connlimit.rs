use std::collections::BTreeMap;

use berth_common::{
    abi::{
        flow::State,
        guard::CountKey,
        rules::{dimension::state, external::Connlimit, status},
    },
    engine::{
        classify::Answer,
        external::connlimit::{self, Connection},
        rules::{Case, Chain, Network},
    },
    wire::tcp::{ACK, FIN, RST, SYN},
};
use proptest::prelude::*;

use super::*;
use Answer::{No, Yes};

const ABOVE_TWO: Connlimit = Connlimit { limit: 2, above: true, destination: false, prefix: 32 };

fn case(state: u32) -> Case {
    Case {
        container: S,
        chain: Chain::Input,
        state: u8::try_from(state).expect("a small number"),
        direction: 0,
        status: 0,
        asks_types: false,
        network: Network::Uplink,
        is_inside: false,
        ends: false,
    }
}

/// A packet arrives that a rule drops where there are too many: as the engine does it, with its flow looked up before, and
/// opened after.
fn arrive(node: &Node, packet: &[u8], asked: Connlimit) -> Answer {
    let headers = Node::headers(packet);
    let had_flow = node.flow(packet).is_some_and(|flow| !flow.state.has(State::OVER));
    if had_flow {
        assert!(node.arrive(packet).passes());
    }
    let begins = headers.detail & RST == 0 && (headers.detail & FIN == 0);
    let case = case(if had_flow {
        state::ESTABLISHED
    } else if begins {
        state::NEW
    } else {
        state::INVALID
    });
    let connection = Connection::new(object(S, 1), &headers, &case, &asked);
    let told = connlimit::ask(&&node.tables, &connection, &asked);
    let passes = told.answer == Answer::No;
    if !had_flow && passes {
        assert!(node.arrive(packet).passes());
    }
    let ends = node.flow(packet).is_some_and(|flow| flow.state.is_closed());
    if (told.is_new && !passes) || ends {
        connlimit::conclude(&&node.tables, &headers, &case);
    }
    told.answer
}

/// A segment from a client.
fn from(client: u8, port: u16, flags: u8) -> Vec<u8> {
    tcp(&format!("198.51.100.{client}:{port}"), "192.0.2.1:80", flags)
}

fn listening() -> Node {
    let node = node(1_000);
    node.bind(S, 6, "192.0.2.1:80").unwrap();
    node
}

#[test]
fn each_address_has_so_many() {
    let node = listening();
    let syn = |client, port| arrive(&node, &from(client, port, SYN), ABOVE_TWO);
    assert_eq!([syn(1, 1), syn(1, 2), syn(1, 3), syn(2, 3)], [No, No, Yes, No]);
    // What is dropped leaves nothing: what was there goes on, and makes room.
    assert_eq!([syn(1, 3), syn(1, 1)], [Yes, No]);
    assert_eq!(arrive(&node, &from(1, 1, RST), ABOVE_TWO), No);
    assert_eq!([syn(1, 3), syn(1, 4)], [No, Yes]);
    assert_eq!(node.tables.counts(), [count(1, 2), count(2, 1)]);
    // Three flows, two addresses.
    assert_eq!(held(&node), (5, 6, 0));
}

/// What another flow has announced is RELATED when it begins, and counts all the same; an error about a flow does not.
#[test]
fn announced_connections_are_counted() {
    let node = listening();
    let ask = |port, case: &Case| {
        let connection = Connection::new(object(S, 1), &Node::headers(&from(1, port, SYN)), case, &ABOVE_TWO);
        connlimit::ask(&&node.tables, &connection, &ABOVE_TWO).answer
    };
    let announced = Case { status: status::EXPECTED, ..case(state::RELATED) };
    assert_eq!([1, 2, 3].map(|port| ask(port, &announced)), [No, No, Yes]);
    assert_eq!(node.tables.counts(), [count(1, 3)]);
    assert_eq!(ask(4, &case(state::RELATED)), Yes);
    assert_eq!(node.tables.counts(), [count(1, 3)]);
}

fn count(client: u8, count: u64) -> (CountKey, u64) {
    let address = ip_address(&format!("198.51.100.{client}")).into();
    (CountKey { object: object(S, 1), address }, count)
}

#[test]
fn networks_and_destinations_are_counted_too() {
    let node = listening();
    let asked = Connlimit { prefix: 24, limit: 1, above: false, ..ABOVE_TWO };
    // Here the answer is yes while there are few.
    let ask = |client, asked: Connlimit| {
        let packet = from(client, 9, SYN);
        let connection = Connection::new(object(S, 1), &Node::headers(&packet), &case(state::NEW), &asked);
        connlimit::ask(&&node.tables, &connection, &asked).answer
    };
    assert_eq!([ask(1, asked), ask(2, asked)], [Yes, No]);
    let node = listening();
    let asked = Connlimit { destination: true, ..ABOVE_TWO };
    let answers = [1, 2, 3].map(|client| arrive(&node, &from(client, 9, SYN), asked));
    assert_eq!(answers, [No, No, Yes]);
}

#[test]
fn what_has_expired_is_found_by_the_sweep() {
    let node = listening();
    for port in [1, 2] {
        assert_eq!(arrive(&node, &from(1, port, SYN), ABOVE_TWO), No);
    }
    node.wait(200);
    // The same flow again: it is not counted twice.
    assert_eq!(arrive(&node, &from(1, 1, SYN), ABOVE_TWO), No);
    assert_eq!(node.tables.counts(), [count(1, 2)]);
    node.tables.sweep();
    assert_eq!(node.tables.counts(), [count(1, 1)]);
    node.wait(200);
    node.tables.sweep();
    assert_eq!((node.tables.counts(), held(&node).0), (vec![], 0));
}

#[test]
fn a_flow_that_is_being_opened_is_not_swept() {
    let node = listening();
    let packet = from(1, 1, SYN);
    let connection = Connection::new(object(S, 1), &Node::headers(&packet), &case(state::NEW), &ABOVE_TWO);
    assert!(connlimit::ask(&&node.tables, &connection, &ABOVE_TWO).is_new);
    node.tables.sweep();
    assert_eq!(node.tables.counts(), [count(1, 1)]);
    node.wait(2);
    node.tables.sweep();
    assert_eq!(node.tables.counts(), []);
}

#[test]
fn what_nobody_asks_for_any_more_is_given_back() {
    let node = listening();
    arrive(&node, &from(1, 1, SYN), ABOVE_TWO);
    node.tables.set_objects(S, [object(S, 2)]);
    node.tables.sweep();
    assert_eq!((node.tables.counts(), held(&node).0), (vec![], 0));
}

#[test]
fn who_may_have_no_more_remembered_is_refused() {
    let node = node(3);
    node.bind(S, 6, "192.0.2.1:80").unwrap();
    let syn = |client, port| arrive(&node, &from(client, port, SYN), ABOVE_TWO);
    assert_eq!([syn(1, 1), syn(1, 2), syn(2, 1)], [No, No, Answer::OverQuota]);
    // Nothing is left of what was refused.
    assert_eq!((node.tables.counts(), held(&node)), (vec![count(1, 2)], (3, 3, 1)));
    assert_eq!(syn(2, 2), Answer::OverQuota);
    assert_eq!(held(&node).0, 3);
}

#[test]
fn threads_that_count_the_same_flows_leave_nothing_behind() {
    for round in 0..30_u16 {
        let node = listening();
        std::thread::scope(|scope| {
            for thread in 0..4_u16 {
                let node = &node;
                scope.spawn(move || {
                    for number in 0..40_u16 {
                        // Two threads count the same flow each time, and all are about one address.
                        let packet = from(1, 1 + (number + thread / 2) % 8, SYN);
                        let (headers, case) = (Node::headers(&packet), case(state::NEW));
                        let connection = Connection::new(object(S, 1), &headers, &case, &ABOVE_TWO);
                        if connlimit::ask(&&node.tables, &connection, &ABOVE_TWO).is_new {
                            connlimit::conclude(&&node.tables, &headers, &case);
                        }
                    }
                });
            }
        });
        let counts = node.tables.counts();
        assert!(counts.iter().all(|(_, count)| *count == 0), "round {round}: {counts:?}");
        node.wait(2);
        node.tables.sweep();
        assert_eq!((node.tables.counts(), held(&node).0), (vec![], 0), "round {round}");
    }
}

/// Flows, and whether they are open.
type Model = BTreeMap<(u8, u16), bool>;

fn expected(model: &mut Model, (client, port, flags): (u8, u16, u8)) -> Answer {
    let open =
        |model: &Model| model.iter().filter(|((other, _), is_open)| *other == client && **is_open).count();
    let is_open = flags != RST;
    let before = model.insert((client, port), is_open);
    // What is closed counts as the packet that it is.
    let count = open(model) + usize::from(!is_open);
    let answer = if count > ABOVE_TWO.limit as usize { Yes } else { No };
    if answer == Yes && before != Some(true) {
        // Nothing is left of it.
        model.remove(&(client, port));
    }
    answer
}

proptest! {
    #[test]
    fn as_many_are_counted_as_are_open(
        packets in proptest::collection::vec((1_u8..3, 1_u16..6, prop_oneof![Just(SYN), Just(ACK), Just(RST)]), 1..60),
    ) {
        let node = listening();
        let mut model = Model::new();
        for (client, port, flags) in packets {
            let answer = arrive(&node, &from(client, port, flags), ABOVE_TWO);
            prop_assert_eq!(answer, expected(&mut model, (client, port, flags)), "{} {} {:x}", client, port, flags);
            for (key, counted) in node.tables.counts() {
                let open = |client: u8| model.iter().filter(|((other, _), is_open)| *other == client && **is_open).count();
                let of = [1, 2].map(|client| count(client, open(client) as u64));
                prop_assert!(of.contains(&(key, counted)), "{:?} {}", model, counted);
            }
        }
        node.wait(1_000_000);
        node.tables.sweep();
        prop_assert_eq!((node.tables.counts(), held(&node).0), (vec![], 0));
    }
}
