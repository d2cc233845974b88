//! Translation of addresses, as the hooks ask for it: on the container's interface, then on the uplink, and back.

mod from_node;
mod hairpin;
mod masquerade;
mod names;
mod own;
mod publish;

use berth_common::{
    abi::{
        address::Address,
        container::Mode,
        flow::End,
        nat::{NatAddresses, NatEnd, NatOwner, NatSource, Published},
        reason::Reason,
        units::{ContainerId, Port, Zone},
    },
    engine::{
        Headers,
        headers::{Kind, Part},
        nat::{self, Answer, Ends, Path},
        parse,
        tables::Which,
    },
    memory::{Bytes, Capacity, MemoryTables},
};

use crate::support::*;

/// Two containers in mode full, each on an interface of its own, which have the same address.
const X: ContainerId = ContainerId(9);
const Y: ContainerId = ContainerId(10);
const INNER4: &str = "10.0.3.10";
const INNER6: &str = "fd00:3::10";
/// The way of a packet of each.
const WAY_X: Path = Path { came_by: 7, uplink: 2 };
const WAY_Y: Path = Path { came_by: 8, uplink: 2 };

/// A node that translates.
struct Translating {
    node: Node,
}

impl std::ops::Deref for Translating {
    type Target = Node;

    fn deref(&self) -> &Node {
        &self.node
    }
}

impl Translating {
    /// With [`X`] and [`Y`], both of which are masqueraded or not.
    fn new(masquerade: u32) -> Self {
        Self::with(Node::new(), masquerade)
    }

    fn with(node: Node, masquerade: u32) -> Self {
        for (id, path) in [(X, WAY_X), (Y, WAY_Y)] {
            node.container(id, Mode::Full, 1_000, 100);
            node.own_network(id);
            for address in [INNER4, INNER6] {
                let source = NatSource { address: ip_address(address).into(), ifindex: path.came_by };
                let owner = NatOwner { container: id, generation: 1, masquerade, to: Address::ANY6 };
                node.tables.set_source(source, owner);
            }
        }
        let addresses = NatAddresses { v4: ip_address(L4).into(), v6: ip_address(L6).into(), router: [0; 8] };
        node.tables.set_interface_addresses(WAY_X.uplink, addresses);
        Self { node }
    }

    fn masquerading() -> Self {
        Self::new(NatOwner::UPLINK)
    }

    /// With ports of which few are left.
    fn with_ports(first: u16, last: u16) -> Self {
        let node = Self::masquerading();
        node.tables.set_nat_ports([first, last]);
        node
    }

    /// A few flows alone.
    fn small(flows: usize) -> Self {
        let capacity = Capacity { containers: 16, flows, ports: 1024, ..Capacity::default() };
        Self::with(Node::with(capacity), NatOwner::UPLINK)
    }

    /// [`X`]'s port is published at `outside`.
    fn publish(&self, protocol: u8, outside: &str, inside: &str) {
        let (address, port) = end(inside);
        let published = Published {
            end: NatEnd { address: address.into(), port: port.into() },
            container: X,
            generation: 1,
        };
        self.tables.publish(port_key(protocol, outside), published);
    }

    /// A container sends, and the node routes it to the uplink. Where it comes from then.
    fn out(&self, path: Path, packet: &[u8]) -> Result<End, Reason> {
        let id = if path.came_by == WAY_X.came_by { X } else { Y };
        assert_eq!(self.on_interface(id, false, packet), Reason::None);
        self.leave_node(path, packet)
    }

    fn leave_node(&self, path: Path, packet: &[u8]) -> Result<End, Reason> {
        let mut headers = Node::headers(packet);
        let before = headers;
        let Some(sender) = nat::sender(&&self.tables, &headers.source, path.came_by) else {
            return Ok(headers.from());
        };
        let mut outer = NatEnd::NOWHERE;
        let answer = nat::leave(&&self.tables, &mut headers, (sender, path), &mut outer);
        assert_eq!(headers, before, "they are given back as they were");
        found(answer, outer, headers.from(), headers.fragment)
    }

    /// A packet arrives at the uplink. Where it goes then.
    fn goes_to(&self, packet: &[u8]) -> Result<End, Reason> {
        self.goes_on(ContainerId::UNOWNED, packet)
    }

    /// The same of a packet from a container's interface, or from nobody's.
    fn goes_on(&self, from: ContainerId, packet: &[u8]) -> Result<End, Reason> {
        let mut headers = Node::headers(packet);
        let before = headers;
        let mut inner = NatEnd::NOWHERE;
        let answer = nat::arrive(&&self.tables, &mut headers, from, &mut inner);
        assert_eq!(headers, before, "they are given back as they were");
        found(answer, inner, headers.to(), headers.fragment)
    }

    /// What an ICMP error, which arrives, or leaves for a container, is about.
    fn about(&self, id: Option<ContainerId>, packet: &[u8]) -> Option<End> {
        let (headers, mut quoted) = (Node::headers(packet), Headers::EMPTY);
        assert_eq!(headers.kind, Kind::IcmpError);
        assert!(parse::quoted(&Bytes(packet), &headers, &mut quoted));
        let mut end = NatEnd::NOWHERE;
        let is_known = match id {
            Some(id) => nat::leave_about(&&self.tables, &quoted, id, &mut end),
            None => nat::arrive_about(&&self.tables, &quoted, &mut end),
        };
        is_known.then(|| end.into())
    }

    /// Opens a flow of TCP or UDP from `source`, of which a reply comes back; under which end it is known.
    fn converse(&self, path: Path, protocol: u8, source: &str, remote: &str) -> End {
        let outer = self.out(path, &ported_first(protocol, source, remote)).expect("a name");
        let reply = ported_answer(protocol, remote, &text(outer));
        assert_eq!(self.goes_to(&reply).expect("a way in"), flow_end(source));
        let id = if path.came_by == WAY_X.came_by { X } else { Y };
        assert_eq!(self.on_interface(id, true, &ported_answer(protocol, remote, source)), Reason::None);
        outer
    }
}

fn found(answer: Answer, end: NatEnd, unchanged: End, part: Part) -> Result<End, Reason> {
    match answer {
        Answer::AsItIs => Ok(unchanged),
        Answer::Translated if part == Part::Later => Ok(End { port: unchanged.port, ..end.into() }),
        Answer::Translated => Ok(end.into()),
        Answer::Dropped(_, reason) => Err(reason),
    }
}

fn ported_first(protocol: u8, source: &str, destination: &str) -> Vec<u8> {
    if protocol == TCP { tcp(source, destination, SYN) } else { udp(source, destination) }
}

fn ported_answer(protocol: u8, source: &str, destination: &str) -> Vec<u8> {
    if protocol == TCP { tcp(source, destination, SYN | ACK) } else { udp(source, destination) }
}

fn text(end: End) -> String {
    std::net::SocketAddr::new(end.address.into(), end.port.0).to_string()
}

fn zone_of(id: ContainerId) -> Zone {
    Zone::of(id)
}

/// Every live flow's name is its own, leads back to it, and there are no more names than slots that were ever named.
fn check_names(tables: &MemoryTables, names: &[(End, String)]) {
    let mut seen: Vec<_> = names.to_vec();
    seen.sort_by_key(|(end, remote)| (*end, remote.clone()));
    let all = seen.len();
    seen.dedup();
    assert_eq!(seen.len(), all, "two flows under one name: {names:?}");
    assert!(tables.names().len() >= all);
}

#[test]
fn ends_are_put_and_taken_back() {
    for packet in [udp("10.0.0.1:5", "10.0.0.2:6"), ping(INNER4, R4, 7), pong(R4, INNER4, 7)] {
        let before = Node::headers(&packet);
        for which in [Which::Source, Which::Destination] {
            let mut headers = before;
            let new = End { address: ip_address(L4).into(), port: Port(4_000) };
            headers.put(which, new);
            assert_eq!(headers.end(which), new);
            headers.put(which, before.end(which));
            assert_eq!(headers, before);
        }
    }
}
