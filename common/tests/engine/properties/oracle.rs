//! The engine against the model, on random sequences of everything that happens on a node.

use std::{collections::BTreeMap, net::IpAddr};

use berth_common::{
    abi::{
        container::Mode,
        units::{ContainerId, Zone},
    },
    engine::Way,
    memory::Capacity,
};
use proptest::prelude::*;

use super::{
    cases,
    model::{Model, Tenant},
    talk::{Shape, Talk},
};
use crate::support::*;

const CASES: u32 = 2_000;
const MOST_OPERATIONS: usize = 80;

/// Stateless, stateless with a network and addresses of its own, stateful, full.
const TENANTS: [ContainerId; 4] = [A, O, S, F];
const LOCAL: [[&str; 3]; 2] = [[L4, M4, OWN4], [L6, LINK6, OWN6]];
const REMOTE: [[&str; 2]; 2] = [[R4, "198.51.100.8"], [R6, "2001:db8:f::8"]];
const WILDCARDS: [&str; 2] = ["0.0.0.0", "::"];
/// Few, and among them the types of queries.
const NUMBERS: [u16; 4] = [8, 16, 128, 5000];
const PROTOCOLS: [u8; 3] = [UDP, ICMP, GRE];

/// Which family, and which of its addresses: the first ones are the node's, the rest foreign.
type At = (usize, usize);

fn address((family, index): At) -> IpAddr {
    let all: Vec<&str> = LOCAL[family].iter().chain(&REMOTE[family]).copied().collect();
    ip_address(all[index % all.len()])
}

/// A packet to be: shape, ends, and whether it is quoted by an error (and to whom that goes).
#[derive(Clone, Debug)]
struct Plan {
    shape: Shape,
    family: usize,
    local: usize,
    remote: usize,
    /// The error's own ends, if the packet is but quoted.
    error: Option<(usize, usize)>,
}

impl Plan {
    /// The packet as it leaves, or as it comes.
    fn talk(&self, outward: bool) -> Talk {
        let (local, remote) = (address((self.family, self.local)), address((self.family, self.remote)));
        // An error about what was sent comes in, and the other way about.
        let sends = outward == self.error.is_none();
        let (from, to) = if sends { (local, remote) } else { (remote, local) };
        let talk = Talk::new(from, to, self.shape);
        match self.error {
            None => talk,
            Some((by, misled)) => {
                let by = if outward { local } else { address((self.family, by)) };
                let to = if misled == 0 { address((self.family, 1)) } else { from };
                Talk::error(by, to, talk)
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Operation {
    Send(usize, Plan, bool),
    Arrive(Plan),
    Leave(Plan),
    SendByHost(Plan),
    Speak(usize, Plan),
    Receive(usize, Plan, bool),
    Bind(usize, usize, At, u16, bool),
    Release(usize, usize, At, u16, bool),
    Open(Option<usize>, At, u16),
    Close(At, u16),
    Wait(u64),
    Change(usize, bool, u64, u64),
    Strict(bool),
    Sweep,
    FlushFlows(usize),
    FlushPorts(usize),
}

/// Mostly one of two.
fn number() -> impl Strategy<Value = u16> + Clone {
    prop_oneof![4 => Just(NUMBERS[0]), 3 => Just(NUMBERS[1]), 1 => proptest::sample::select(&NUMBERS)]
}

/// Mostly between the node's first address and the first foreign one, so that packets meet.
fn plan() -> impl Strategy<Value = Plan> {
    between(prop_oneof![6 => Just((0, 3)), 3 => (0..5_usize, 0..5_usize)])
}

/// Between the node's first two addresses.
fn local_plan() -> impl Strategy<Value = Plan> {
    between(
        prop_oneof![4 => Just((0, 1)), 4 => Just((1, 0)), 1 => Just((0, 0)), 1 => (0..5_usize, 0..5_usize)],
    )
}

fn between(ends: impl Strategy<Value = (usize, usize)>) -> impl Strategy<Value = Plan> {
    let shape = prop_oneof![
        8 => (number(), number()).prop_map(|(a, b)| Shape::Udp(a, b)),
        2 => number().prop_map(Shape::Request),
        2 => number().prop_map(Shape::Reply),
        2 => number().prop_map(Shape::Gre),
        1 => Just(Shape::Esp),
        1 => Just(Shape::Link),
    ];
    let error = prop_oneof![5 => Just(None), 1 => (0..5_usize, 0..6_usize).prop_map(Some)];
    (shape, prop_oneof![6 => Just(0_usize), 1 => Just(1)], ends, error)
        .prop_map(|(shape, family, (local, remote), error)| Plan { shape, family, local, remote, error })
}

/// Where sockets are bound: an address of the node's, or (index 3) the wildcard.
fn place() -> impl Strategy<Value = At> {
    (
        prop_oneof![4 => Just(0_usize), 1 => Just(1)],
        prop_oneof![2 => Just(0_usize), 2 => Just(3), 1 => 1..3_usize],
    )
}

fn local_address((family, index): At) -> IpAddr {
    ip_address(LOCAL[family].get(index).unwrap_or(&WILDCARDS[family]))
}

fn operation() -> impl Strategy<Value = Operation> {
    let who = || 0..TENANTS.len();
    let protocol = || prop_oneof![3 => Just(0_usize), 1 => 1..PROTOCOLS.len()];
    let once_in_four = || prop_oneof![3 => Just(false), 1 => Just(true)];
    prop_oneof![
        10 => (who(), plan()).prop_map(|(id, plan)| Operation::Send(id, plan, false)),
        8 => (who(), local_plan()).prop_map(|(id, plan)| Operation::Send(id, plan, true)),
        8 => plan().prop_map(Operation::Arrive),
        3 => plan().prop_map(Operation::Leave),
        1 => plan().prop_map(Operation::SendByHost),
        2 => (who(), plan()).prop_map(|(id, plan)| Operation::Speak(id, plan)),
        3 => (who(), plan()).prop_map(|(id, plan)| Operation::Receive(id, plan, false)),
        4 => (who(), local_plan()).prop_map(|(id, plan)| Operation::Receive(id, plan, true)),
        5 => (who(), protocol(), place(), number(), once_in_four())
            .prop_map(|(id, protocol, at, port, kept)| Operation::Bind(id, protocol, at, port, kept)),
        3 => (who(), protocol(), place(), number(), once_in_four())
            .prop_map(|(id, protocol, at, port, kept)| Operation::Release(id, protocol, at, port, kept)),
        2 => (proptest::option::of(who()), place(), number())
            .prop_map(|(id, at, port)| Operation::Open(id, at, port)),
        1 => (place(), number()).prop_map(|(at, port)| Operation::Close(at, port)),
        3 => prop_oneof![Just(1_u64), 1..40_u64, 100..700_u64].prop_map(Operation::Wait),
        1 => (who(), any::<bool>(), 0..8_u64, 0..6_u64)
            .prop_map(|(id, stateful, flows, ports)| Operation::Change(id, stateful, flows, ports)),
        1 => any::<bool>().prop_map(Operation::Strict),
        1 => Just(Operation::Sweep),
        1 => who().prop_map(Operation::FlushFlows),
        1 => who().prop_map(Operation::FlushPorts),
    ]
}

/// The engine's tables and the model, which are given the same.
struct Both {
    node: Node,
    model: Model,
}

impl Both {
    fn new() -> Self {
        let node = Node::with(Capacity { containers: 16, flows: 1024, ports: 1024, ..Capacity::default() });
        let model = Model::new(node.now().0);
        let mut both = Self { node, model };
        for at in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            both.add_address(at, HOST);
        }
        for at in [(0, 2), (1, 2)] {
            both.add_address(at, O);
        }
        for (index, stateful) in [false, false, true, true].into_iter().enumerate() {
            both.change(index, stateful, 6, 4);
        }
        both
    }

    fn add_address(&mut self, at: At, owner: ContainerId) {
        self.node.tables.add_address(address(at).into(), owner);
        self.model.addresses.push((address(at), owner));
    }

    fn change(&mut self, who: usize, stateful: bool, flow_limit: u64, port_limit: u64) {
        let id = TENANTS[who];
        let mode = match (stateful, who % 2) {
            (false, 0) => Mode::Stateless,
            (false, _) => Mode::Disabled,
            (true, 0) => Mode::Stateful,
            (true, _) => Mode::Full,
        };
        let limit = |limit: u64| u32::try_from(limit).expect("small");
        self.node.container(id, mode, limit(flow_limit), limit(port_limit));
        if id == O {
            self.node.own_network(O);
        }
        self.model.tenants.insert(id, Tenant { stateful, flow_limit, port_limit });
    }

    /// Does the same to both and compares what they say.
    fn run(&mut self, operation: &Operation) {
        let Self { node, model } = self;
        let zone_of = |lo: bool| if lo { Zone::LOCAL } else { Zone::UPLINK };
        let text = |at: At, port: u16| std::net::SocketAddr::new(local_address(at), port).to_string();
        let number_of = |protocol: usize, at: At| match PROTOCOLS[protocol] {
            ICMP if at.0 == 1 => ICMPV6,
            protocol => protocol,
        };
        match operation {
            Operation::Send(who, plan, lo) => {
                let (id, zone, talk) = (TENANTS[*who], zone_of(*lo), plan.talk(true));
                assert_eq!(node.send_in(zone, id, &talk.bytes()), model.send(id, &talk, zone), "{talk:?}");
            }
            Operation::Arrive(plan) => {
                let talk = plan.talk(false);
                let verdict = node.arrive(&talk.bytes());
                let said = (verdict.owner.id, verdict.owner.way, verdict.reason);
                assert_eq!(said, model.arrive(&talk), "{talk:?}");
            }
            Operation::Leave(plan) => {
                let talk = plan.talk(true);
                let said: (ContainerId, Way) = node.leave(&talk.bytes());
                assert_eq!(said, model.leave(&talk), "{talk:?}");
            }
            Operation::SendByHost(plan) => {
                let talk = plan.talk(true);
                node.send_by_host(&talk.bytes());
                model.send_by_host(&talk);
            }
            Operation::Speak(who, plan) => {
                let (id, talk) = (TENANTS[*who], plan.talk(true));
                assert_eq!(node.speaks(id, &talk.bytes()), model.speaks(id, &talk), "{talk:?}");
            }
            Operation::Receive(who, plan, lo) => {
                let (id, zone, talk) = (TENANTS[*who], zone_of(*lo), plan.talk(false));
                let said = node.may_receive_in(zone, id, &talk.bytes());
                assert_eq!(said, model.receive(id, &talk, zone), "{talk:?}");
            }
            Operation::Bind(who, protocol, at, port, kept) => {
                let (id, protocol) = (TENANTS[*who], number_of(*protocol, *at));
                let said = if *kept {
                    node.reserve(id, protocol, &text(*at, *port))
                } else {
                    node.bind(id, protocol, &text(*at, *port))
                };
                let said = said.map_err(|refusal| (refusal.reason, refusal.holder));
                assert_eq!(said, model.reserve(id, protocol, (local_address(*at), *port), *kept));
            }
            Operation::Release(who, protocol, at, port, kept) => {
                let (id, protocol) = (TENANTS[*who], number_of(*protocol, *at));
                if *kept {
                    node.unreserve(id, protocol, &text(*at, *port));
                } else {
                    node.unbind(id, protocol, &text(*at, *port));
                }
                model.release(id, protocol, (local_address(*at), *port), *kept);
            }
            Operation::Open(who, at, port) => {
                let id = who.map_or(HOST, |who| TENANTS[who]);
                node.socket(id, UDP, &text(*at, *port));
                model.open_socket(UDP, (local_address(*at), *port), id);
            }
            Operation::Close(at, port) => {
                node.try_close(UDP, &text(*at, *port));
                model.close_socket(UDP, (local_address(*at), *port));
            }
            Operation::Wait(seconds) => {
                node.wait(*seconds);
                model.now = node.now().0;
            }
            Operation::Change(who, stateful, flows, ports) => self.change(*who, *stateful, *flows, *ports),
            Operation::Strict(strict) => {
                node.tables.set_drops_unowned(*strict);
                model.strict = *strict;
            }
            Operation::Sweep => {
                node.tables.sweep();
                model.sweep();
            }
            Operation::FlushFlows(who) => {
                node.tables.flush_flows(TENANTS[*who]);
                model.flush_flows(TENANTS[*who]);
            }
            Operation::FlushPorts(who) => {
                node.tables.flush_ports(TENANTS[*who]);
                model.flush_ports(TENANTS[*who]);
            }
        }
    }

    /// The tables hold what the model holds, and count it right.
    fn compare(&self) {
        let Self { node, model } = self;
        let mut flows: Vec<_> = node
            .tables
            .flows()
            .into_iter()
            .map(|(_, flow)| {
                (flow.opener, flow.responder, flow.expires.0, flow.out.packets, flow.back.packets)
            })
            .collect();
        let mut expected: Vec<_> = model
            .flows
            .iter()
            .map(|flow| (flow.opener, flow.responder, flow.expires, flow.out, flow.back))
            .collect();
        flows.sort_unstable();
        expected.sort_unstable();
        assert_eq!(flows, expected);
        let failures: BTreeMap<_, _> = TENANTS
            .iter()
            .map(|id| (*id, node.usage(*id).flows.failcnt))
            .filter(|(_, failures)| *failures > 0)
            .collect();
        assert_eq!(failures, model.flow_failures);
        let evicted: BTreeMap<_, _> = TENANTS
            .iter()
            .map(|id| (*id, node.usage(*id).evicted))
            .filter(|(_, evicted)| *evicted > 0)
            .collect();
        assert_eq!(evicted, model.evicted);
        for id in TENANTS {
            assert_eq!((node.flows_held(id), node.ports_held(id)), (model.held(id), model.ports_held(id)));
            let usage = node.usage(id);
            assert!(
                usage.flows.maxheld >= usage.flows.held.count()
                    && usage.ports.maxheld >= usage.ports.held.count()
            );
        }
        node.check();
    }
}

proptest! {
    #![proptest_config(cases(CASES))]

    #[test]
    fn the_model_agrees(
        operations in proptest::collection::vec(operation(), 1..MOST_OPERATIONS),
    ) {
        let mut both = Both::new();
        for operation in &operations {
            both.run(operation);
            both.compare();
        }
    }

    /// Whatever has happened, at the end nothing is held.
    #[test]
    fn nothing_is_left(operations in proptest::collection::vec(operation(), 1..MOST_OPERATIONS)) {
        let mut both = Both::new();
        for operation in &operations {
            both.run(operation);
        }
        for who in 0..TENANTS.len() {
            both.run(&Operation::FlushPorts(who));
        }
        both.run(&Operation::Wait(1_000_000));
        both.run(&Operation::Sweep);
        both.compare();
        let left = both.node.tables.export();
        prop_assert_eq!((left.flows.sides[0].index.len(), left.ports.len(), left.summaries.len()), (0, 0, 0));
    }
}
