use berth_common::abi::{
    counters::Traffic,
    flow::{Flow, FlowKey, NUMBERS, Phase, State},
    units::{ContainerId, Nanos, Port, Protocol, Ticks, Zone},
};
use serde_json::{Value, json};

use super::*;
use crate::api::flow_filter::{FlowFilter, FlowOrder, Page, ProtocolName, StateName};
use crate::node::Enforcer as _;
use crate::state::Resized;

/// Ten seconds apart: the first one has begun at zero.
const BEGUN: [u64; 3] = [0, 10, 20];

/// Container a's, from its port 1000 and so on, to far ports and addresses that tell them apart; the second is UDP.
fn bench() -> Bench {
    let mut bench = Bench::new();
    bench.add("a", cgroup("/a")).unwrap();
    for (number, begun) in (0_u16..).zip(BEGUN) {
        let protocol = if number == 1 { Protocol::UDP } else { Protocol::TCP };
        let phase = if number == 0 { Phase::Established } else { Phase::SynSent };
        let connection = if number == 1 { 0 } else { (phase as u32) << (2 * State::END_BITS) };
        let key = FlowKey {
            low: address("192.0.2.1").into(),
            high: address(&format!("198.51.{number}.7")).into(),
            low_port: Port(1000 + number),
            high_port: Port(80 + number),
            zone_protocol: Zone::UPLINK.0 << 8 | u32::from(protocol.0),
        };
        let packets = [5, 9, 1][usize::from(number)];
        bench.node.kernel.flows.push(Flow {
            expires: Nanos::seconds(200 - u64::from(number)),
            key,
            state: State(State::OPENER_LOW).with_connection(connection),
            opener: ContainerId(1),
            responder: ContainerId::UNOWNED,
            created: Ticks::of(Nanos::seconds(begun)),
            out: Traffic { packets, bytes: 1_000 - packets },
            back: Traffic::default(),
            port_epoch: 0,
            next: 0,
            numbers: [0; NUMBERS],
            verdicts: [[0; 2]; 2],
        });
    }
    bench
}

#[test]
fn the_table_is_made_larger_and_that_is_remembered() {
    let mut bench = bench();
    bench.node.kernel.slots = 65_536;
    let mut resize = |flows| {
        let answer = serde_json::to_value(bench.execute(Request::FlowsResize { flows }).unwrap()).unwrap();
        answer["value"]["notes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|note| note.as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let notes = resize(131_072);
    assert_eq!(notes, ["the flow table holds 131072 flows, 65536 before"]);
    assert_eq!(resize(131_072), ["the flow table holds 131072 flows as it is"]);
    let remembered = bench.node.state.resized;
    assert_eq!(remembered, Some(Resized { configured: 65_536, flows: 131_072 }));
    bench.node.kernel.failing = Some("grow_flows");
    assert!(bench.execute(Request::FlowsResize { flows: 1_000_000 }).is_err());
    assert_eq!(bench.node.state.resized, remembered);
}

fn sports(value: &Value) -> Vec<u64> {
    value.as_array().unwrap().iter().filter_map(|flow| flow["sport"].as_u64()).collect()
}

fn listed(bench: &mut Bench, filter: FlowFilter, page: Page) -> Vec<u64> {
    let request = Request::FlowsList { owner: None, filter, page };
    sports(&serde_json::to_value(bench.execute(request).unwrap()).unwrap()["value"])
}

fn filter(change: impl FnOnce(&mut FlowFilter)) -> FlowFilter {
    let mut filter = FlowFilter::default();
    change(&mut filter);
    filter
}

#[test]
fn those_of_which_all_holds() {
    let mut bench = bench();
    let now = bench.node.kernel.now().0 / 1_000_000;
    let network = |text: &str| Some(text.parse().unwrap());
    let cases = [
        (filter(|it| it.address = network("198.51.1.7")), vec![1001]),
        (filter(|it| it.address = network("198.51.0.0/23")), vec![1000, 1001]),
        (filter(|it| it.address = network("192.0.2.1")), vec![1000, 1001, 1002]),
        (filter(|it| it.port = Some(82)), vec![1002]),
        (filter(|it| it.port = Some(1000)), vec![1000]),
        (filter(|it| it.protocol = Some("TCP".parse().unwrap())), vec![1000, 1002]),
        (filter(|it| it.state = Some("syn_sent".parse().unwrap())), vec![1002]),
        (filter(|it| it.state = Some("unreplied".parse().unwrap())), vec![1001]),
        (filter(|it| it.older_than_ms = Some(now - 15_000)), vec![1000, 1001]),
        (
            filter(|it| {
                it.protocol = Some("tcp".parse().unwrap());
                it.older_than_ms = Some(now - 15_000);
            }),
            vec![1000],
        ),
    ];
    for (filter, expected) in cases {
        assert_eq!(listed(&mut bench, filter.clone(), Page::default()), expected, "{filter:?}");
    }
}

#[test]
fn pages_of_a_sorted_list() {
    let mut bench = bench();
    for (sort, expected) in [
        (FlowOrder::Owner, [1000, 1001, 1002]),
        (FlowOrder::Age, [1000, 1001, 1002]),
        (FlowOrder::Packets, [1001, 1000, 1002]),
        (FlowOrder::Bytes, [1002, 1000, 1001]),
        (FlowOrder::Expiry, [1002, 1001, 1000]),
    ] {
        let page = |limit, offset| Page { sort, limit, offset };
        assert_eq!(listed(&mut bench, FlowFilter::default(), page(None, 0)), expected, "{sort:?}");
        assert_eq!(listed(&mut bench, FlowFilter::default(), page(Some(1), 1)), expected[1..2], "{sort:?}");
        assert_eq!(listed(&mut bench, FlowFilter::default(), page(Some(5), 3)), Vec::<u64>::new());
    }
}

#[test]
fn only_those_are_deleted_that_are_meant() {
    let mut bench = bench();
    let filter = filter(|it| it.protocol = Some("tcp".parse().unwrap()));
    let answer = bench.execute(Request::FlowsFlush { owner: None, filter }).unwrap();
    assert_eq!(serde_json::to_value(answer).unwrap()["value"]["notes"], json!(["2 flows deleted"]));
    assert_eq!(listed(&mut bench, FlowFilter::default(), Page::default()), [1001]);
}

#[test]
fn mistakes_are_told() {
    for text in ["10.0.0.0/33", "here"] {
        let error = text.parse::<crate::api::flow_filter::Network>().unwrap_err();
        assert!(error.contains("neither an address nor a network"), "{error}");
    }
    let error = "tpc".parse::<ProtocolName>().unwrap_err();
    assert!(error.contains("no protocol that is known by name"), "{error}");
    assert_eq!("6".parse(), Ok(ProtocolName("tcp".to_owned())));
    let error = "open".parse::<StateName>().unwrap_err();
    assert!(error.contains("no state of flows; there are CLOSE, CLOSED"), "{error}");
}
