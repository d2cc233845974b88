use berth_common::abi::{
    counters::Traffic,
    event::Event,
    flow::{End, Flow, FlowKey, NUMBERS, Phase, State},
    port::Claim,
    reason::Reason,
    units::{ContainerId, Nanos, Port, Protocol, Ticks, Zone},
};
use serde_json::{Value, json};

use super::*;
use crate::{
    api::flow_filter::{FlowFilter, Page},
    control::Record,
};

fn answer(bench: &mut Bench, request: Request) -> Value {
    serde_json::to_value(bench.execute(request).unwrap()).unwrap()["value"].take()
}

fn end(text: &str, port: u16) -> End {
    End { address: address(text).into(), port: Port(port) }
}

fn flow(bench: &mut Bench, opener: ContainerId, responder: ContainerId) {
    let (source, destination) = (end("192.0.2.9", 4_000), end("192.0.2.1", 80));
    let opener_low = source <= destination;
    let (low, high) = if opener_low { (source, destination) } else { (destination, source) };
    let key = FlowKey {
        low: low.address,
        high: high.address,
        low_port: low.port,
        high_port: high.port,
        zone_protocol: Zone::UPLINK.0 << 8 | u32::from(Protocol::TCP.0),
    };
    let flags = State::REPLIED | State::ASSURED | if opener_low { State::OPENER_LOW } else { 0 };
    let flow = Flow {
        expires: Nanos::seconds(160),
        key,
        next: 0,
        created: Ticks(0),
        out: Traffic { packets: 3, bytes: 300 },
        back: Traffic { packets: 2, bytes: 200 },
        numbers: [0; NUMBERS],
        opener,
        responder,
        port_epoch: 0,
        state: State(flags).with_connection((Phase::Established as u32) << (2 * State::END_BITS)),
        verdicts: [[0; 2]; 2],
    };
    bench.node.kernel.flows.push(flow);
}

fn list(owner: Option<&str>) -> Request {
    Request::FlowsList {
        owner: owner.map(str::to_owned),
        filter: FlowFilter::default(),
        page: Page::default(),
    }
}

#[test]
fn containers_have_the_documented_shape() {
    let mut bench = Bench::new();
    bench.add("a", cgroup("/a")).unwrap();
    let both = |packets: u64| {
        json!({
            "in": {"packets": packets, "bytes": packets * 100},
            "out": {"packets": packets + 1, "bytes": packets * 100 + 100},
        })
    };
    let quota = |limit: u64| json!({"held": 0, "maxheld": 0, "limit": limit, "failcnt": 0});
    let expected = json!({
        "id": 1,
        "name": "a",
        "mode": "stateless",
        "state": "active",
        "recognised_by": ["cgroup:/a"],
        "addresses": [],
        "features": [
            "filter", "mangle", "multiport", "iprange", "length", "dscp", "tos", "ttl", "hl", "mark", "addrtype",
            "pkttype", "mac", "frag", "comment", "statistic", "limit", "hashlimit", "set", "recent", "reject", "log", "nflog",
        ],
        "allowed_ports": [],
        "macs": [],
        "routes": false,
        "spoofing": "deny",
        "masquerade": false,
        "packet_sockets": "allow",
        "in": {"packets": 101, "bytes": 10_100},
        "out": {"packets": 103, "bytes": 10_300},
        "local": both(10),
        "dropped": both(10_000),
        "forwarded": both(1_000),
        "drops": {"hijack": 7},
        "rules": quota(2_000),
        "flows": quota(8_192),
        "ports": quota(4_096),
        "set_entries": quota(100_000),
        "guards": quota(8_192),
        "flows_guaranteed": 0,
        "flows_evicted": 0,
        "max_flow_rate": 0, "flow_events": "none",
        "timeouts": {},
    });
    assert_eq!(answer(&mut bench, Request::ContainerShow { name: name("a") }), expected);
    assert_eq!(answer(&mut bench, Request::ContainerList), json!([expected]));
}

#[test]
fn status_has_the_documented_shape() {
    let mut bench = Bench::new();
    let status = answer(&mut bench, Request::Status);
    assert_eq!(status["abi"], berth_common::abi::VERSION);
    assert_eq!(status["kernel"], "6.1.0");
    assert_eq!(status["uplinks"], json!(["eth0"]));
    assert_eq!(status["containers"], json!([]));
    assert_eq!(status["memory"], json!({"FLOWS": 4096}));
    assert_eq!(status["daemon"]["running"], false);
    for plane in ["host", "unowned", "non_ip"] {
        assert_eq!(status[plane]["in"], json!({"packets": 101, "bytes": 10_100}));
    }
}

#[test]
fn flows_are_told_from_their_opener() {
    let mut bench = Bench::new();
    bench.add("a", cgroup("/a")).unwrap();
    flow(&mut bench, ContainerId::UNOWNED, ContainerId(1));
    let expected = json!([{
        "owner": "a",
        "zone": 0x00ff_ffff,
        "protocol": "tcp",
        "src": "192.0.2.9",
        "sport": 4000,
        "dst": "192.0.2.1",
        "dport": 80,
        "state": "ESTABLISHED",
        "assured": true,
        "out": {"packets": 3, "bytes": 300},
        "in": {"packets": 2, "bytes": 200},
        "age_ms": 99_992,
        "expires_in_ms": 60_000,
        "nat": null,
    }]);
    assert_eq!(answer(&mut bench, list(None)), expected);
}

#[test]
fn flows_are_chosen_by_either_end() {
    let mut bench = Bench::new();
    bench.add("a", cgroup("/a")).unwrap();
    bench.add("b", cgroup("/b")).unwrap();
    flow(&mut bench, ContainerId(1), ContainerId(2));
    flow(&mut bench, ContainerId(7), ContainerId::UNOWNED);
    let mut count = |owner: &str| {
        let request = list(Some(owner));
        answer(&mut bench, request).as_array().unwrap().len()
    };
    assert_eq!((count("a"), count("b"), count("unowned"), count("host")), (1, 1, 1, 0));
    bench.refuses("there is no container c", |it| it.execute(list(Some("c"))));
    let listed = answer(&mut bench, list(None));
    assert_eq!(listed[0]["owner"], "#7");
}

#[test]
fn ports_have_the_documented_shape() {
    let mut bench = Bench::new();
    bench.add("a", cgroup("/a")).unwrap();
    let key = |text: &str| {
        text.parse::<crate::api::reservation::Service>().unwrap().keys(Some(address("192.0.2.1")))[0]
    };
    bench.node.kernel.ports = vec![
        (key("udp/53"), Claim::bound(ContainerId(1))),
        (key("tcp/80"), Claim::permanent(ContainerId(1), false)),
    ];
    let port = |protocol: &str, port: u16, by: &str, permanent: bool| json!({"owner": "a", "protocol": protocol, "address": "192.0.2.1", "port": port, "by": by, "permanent": permanent});
    let expected = json!([port("tcp", 80, "operator", true), port("udp", 53, "bind", false)]);
    assert_eq!(answer(&mut bench, Request::PortsList), expected);
}

#[test]
fn events_name_reason_and_holder() {
    let mut bench = Bench::new();
    bench.add("a", cgroup("/a")).unwrap();
    bench.add("b", cgroup("/b")).unwrap();
    let event = Event {
        time: Nanos(0),
        source: address("0.0.0.0").into(),
        destination: address("0.0.0.0").into(),
        container: ContainerId(2),
        holder: ContainerId(1),
        source_port: Port(80),
        destination_port: Port(0),
        protocol: 6,
        reason: Reason::BindConflict as u8,
        detail: 0,
        ttl: 0,
        suppressed: 4,
        ifindex: 0,
        log: 0,
        ruleset: 0,
        mark: 0,
        length: 0,
        tos: 0,
        chain: 0,
        padding: 0,
    };
    let told = serde_json::to_value(bench.node.event(&Record::Incident(event), "now".to_owned())).unwrap();
    let packet =
        json!({"protocol": "tcp", "src": "0.0.0.0", "sport": 80, "dst": "0.0.0.0", "dport": 0, "ifindex": 0});
    let expected = json!({
        "time": "now", "kind": "bind", "container": "b", "reason": "bind-conflict", "holder": "a",
        "packet": packet, "suppressed": 4,
    });
    assert_eq!(told, expected);
    let drop = Event { reason: Reason::Hijack as u8, ..event };
    let told = serde_json::to_value(bench.node.event(&Record::Incident(drop), String::new())).unwrap();
    assert_eq!((told["kind"].as_str(), told.get("holder")), (Some("drop"), None));
}
