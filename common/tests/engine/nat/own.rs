//! Containers' own rules: what each side of the interface sees of flows that they translate.

use std::net::SocketAddr;

use berth_common::{
    abi::{
        container::Container,
        rules::{
            Line,
            target::{Target, Written},
        },
    },
    engine::nat::own::{self, NO_SLOT, Step, Whose},
};

use super::*;

const INNER: &str = "10.0.3.10:80";
const REMOTE: &str = "198.51.100.7:4000";
const IFINDEX: u32 = 7;

/// What rules say of the first packet of a flow: where it goes, and where it comes from.
#[derive(Clone, Copy, Default)]
struct Rules {
    destination: Option<Target>,
    source: Option<Target>,
}

impl Rules {
    fn to(text: &str) -> Self {
        Self { destination: Some(target(text)), ..Self::default() }
    }

    fn from(text: &str) -> Self {
        Self { source: Some(target(text)), ..Self::default() }
    }
}

/// One address, and its port if that is not zero.
fn target(text: &str) -> Target {
    let end: SocketAddr = text.parse().unwrap();
    let ports = if end.port() == 0 { 0 } else { Target::PORTS };
    Target {
        flags: Target::ADDRESSES | ports,
        ports: [Port(end.port()); 2],
        addresses: [end.ip().into(); 2],
        ..Target::NOTHING
    }
}

fn ports(first: u16, last: u16, flags: u32) -> Target {
    Target { flags: Target::PORTS | flags, ports: [Port(first), Port(last)], ..Target::NOTHING }
}

struct Own {
    node: Translating,
}

impl std::ops::Deref for Own {
    type Target = Translating;

    fn deref(&self) -> &Translating {
        &self.node
    }
}

impl Own {
    fn new() -> Self {
        let node = Translating::new(NatOwner::UNTRANSLATED);
        node.tables.set_own_translation();
        Self { node }
    }

    /// A packet passes the interface of [`X`]: its ends behind it, and in the middle, as rules of filter see it.
    fn pass(&self, inward: bool, rules: &Rules, packet: &[u8]) -> Result<(Packet, Packet), Reason> {
        let tables = &self.tables;
        let whose = Whose { id: X, inward, ifindex: IFINDEX };
        let mut packet = Packet(packet.to_vec());
        let came = packet.headers().to();
        let mut end = NatEnd::NOWHERE;
        let step = own::arrive(&tables, &packet.headers(), whose, &mut end);
        let step = if step == Step::Asks(NO_SLOT) {
            match rules.destination.map(|target| target.to_line()) {
                Some(line) => {
                    let ports = plan(tables, &packet, (whose, Which::Destination), Some(&line), &mut end)?;
                    own::aim(&tables, &mut packet.headers(), whose, ports, &mut end)
                }
                None => Step::AsItIs,
            }
        } else {
            step
        };
        packet.carry_out(step, Which::Destination, end)?;
        let middle = packet.clone();
        match self.on_interface(X, inward, &packet.0) {
            Reason::None => {}
            reason => return Err(reason),
        }
        let mut step = own::depart(&tables, &packet.headers(), whose, &mut end);
        if let Step::Asks(slot) = step {
            let mut headers = packet.headers();
            match own::name_destination(&tables, &mut headers, (whose, slot), &came.into()) {
                Reason::None => {}
                reason => return Err(reason),
            }
            assert_eq!(headers, packet.headers(), "they are given back as they were");
            let written = rules.source.map(|target| target.to_line());
            let ports = plan(tables, &packet, (whose, Which::Source), written.as_ref(), &mut end)?;
            let naming = nat::Naming {
                number: own::Layer::Source.number(slot),
                zone: whose.after(),
                which: Which::Source,
                is_given: false,
            };
            step = own::settle(&tables, &mut headers, naming, ports, &mut end);
            assert_eq!(headers, packet.headers(), "they are given back as they were");
        }
        packet.carry_out(step, Which::Source, end)?;
        Ok((packet, middle))
    }

    /// As rules of filter see it.
    fn seen(&self, inward: bool, rules: &Rules, packet: &[u8]) -> Result<(String, String), Reason> {
        self.pass(inward, rules, packet).map(|(_, middle)| middle.ends())
    }

    /// As it is behind the interface.
    fn behind(&self, inward: bool, rules: &Rules, packet: &[u8]) -> Result<(String, String), Reason> {
        self.pass(inward, rules, packet).map(|(packet, _)| packet.ends())
    }
}

fn plan(
    tables: &MemoryTables,
    packet: &Packet,
    (whose, which): (Whose, Which),
    written: Option<&Line>,
    end: &mut NatEnd,
) -> Result<own::Ports, Reason> {
    let written = written.and_then(Written::at);
    own::plan(&tables, &packet.headers(), (written, whose), which, end)
}

/// A packet whose ends can be changed; of TCP and UDP.
#[derive(Clone)]
struct Packet(Vec<u8>);

impl Packet {
    fn headers(&self) -> Headers {
        Node::headers(&self.0)
    }

    fn ends(&self) -> (String, String) {
        (text(self.headers().from()), text(self.headers().to()))
    }

    fn carry_out(&mut self, step: Step, which: Which, end: NatEnd) -> Result<(), Reason> {
        match step {
            Step::AsItIs => Ok(()),
            Step::Translated => {
                let mut headers = self.headers();
                headers.put(which, end.into());
                let (from, to) = (text(headers.from()), text(headers.to()));
                self.0 = match headers.protocol.0 {
                    UDP => udp(&from, &to),
                    _ => tcp(&from, &to, headers.detail),
                };
                Ok(())
            }
            Step::Dropped(reason) => Err(reason),
            Step::Asks(_) => panic!("rules have been asked"),
        }
    }
}

fn both(from: &str, to: &str) -> (String, String) {
    (from.to_owned(), to.to_owned())
}

#[test]
fn a_destination_is_another_inside_and_answers_come_from_the_one_that_was_asked() {
    let node = Own::new();
    let rules = Rules::to("10.0.3.10:8080");
    for _ in 0..2 {
        let request = udp(REMOTE, INNER);
        assert_eq!(node.seen(true, &rules, &request), Ok(both(REMOTE, "10.0.3.10:8080")));
        assert_eq!(node.behind(true, &rules, &request), Ok(both(REMOTE, "10.0.3.10:8080")));
        let answer = udp("10.0.3.10:8080", REMOTE);
        assert_eq!(node.seen(false, &rules, &answer), Ok(both("10.0.3.10:8080", REMOTE)));
        assert_eq!(node.behind(false, &rules, &answer), Ok(both(INNER, REMOTE)));
        // Whatever rules say meanwhile.
        assert_eq!(
            node.behind(true, &Rules::to("10.0.3.10:9"), &request),
            Ok(both(REMOTE, "10.0.3.10:8080"))
        );
    }
}

#[test]
fn the_container_asks_for_one_and_reaches_another_from_another() {
    let node = Own::new();
    let rules = Rules { destination: Some(target("198.51.100.9:5353")), source: Some(target("10.0.3.11:0")) };
    let request = tcp("10.0.3.10:1234", "198.51.100.7:53", SYN);
    let middle = ("10.0.3.10:1234", "198.51.100.9:5353");
    assert_eq!(node.seen(false, &rules, &request), Ok(both(middle.0, middle.1)));
    assert_eq!(node.behind(false, &rules, &request), Ok(both("10.0.3.11:1234", middle.1)));
    let answer = tcp(middle.1, "10.0.3.11:1234", SYN | ACK);
    assert_eq!(node.seen(true, &rules, &answer), Ok(both(middle.1, middle.0)));
    assert_eq!(node.behind(true, &rules, &answer), Ok(both("198.51.100.7:53", middle.0)));
}

#[test]
fn two_that_would_be_called_the_same_are_told_apart_by_ports() {
    let node = Own::new();
    let rules = Rules { source: Some(ports(5_000, 5_002, 0)), ..Rules::default() };
    let mut seen = std::collections::BTreeSet::new();
    for port in 1..=3 {
        let request = udp(&format!("10.0.3.10:{port}"), REMOTE);
        let (from, _) = node.behind(false, &rules, &request).unwrap();
        assert!(seen.insert(from.clone()), "{from} is another's");
        assert_eq!(node.behind(false, &rules, &request).unwrap().0, from, "it stays");
    }
    let all: Vec<_> = seen.into_iter().collect();
    assert_eq!(all, ["10.0.3.10:5000", "10.0.3.10:5001", "10.0.3.10:5002"]);
    let fourth = udp("10.0.3.10:4", REMOTE);
    assert_eq!(node.behind(false, &rules, &fourth), Err(Reason::NatPorts));
    // What no rule translates does not go by another's name either.
    let (from, _) = node.behind(false, &Rules::default(), &udp("10.0.3.10:5001", REMOTE)).unwrap();
    assert!(!all.contains(&from), "{from}");
}

#[test]
fn a_flow_that_no_rule_translates_stays_as_it_is() {
    let node = Own::new();
    let request = udp("10.0.3.10:9", REMOTE);
    assert_eq!(node.behind(false, &Rules::default(), &request), Ok(both("10.0.3.10:9", REMOTE)));
    // It has been decided.
    assert_eq!(node.behind(false, &Rules::from("10.0.3.10:10"), &request), Ok(both("10.0.3.10:9", REMOTE)));
    assert!(node.tables.names().is_empty());
}

#[test]
fn what_is_called_otherwise_is_not_reached_by_what_it_is_called_behind_that() {
    let node = Own::new();
    let rules = Rules::to("10.0.3.10:8080");
    assert!(node.behind(true, &rules, &udp(REMOTE, INNER)).is_ok());
    let straight = udp(REMOTE, "10.0.3.10:8080");
    assert_eq!(node.behind(true, &Rules::default(), &straight), Err(Reason::NatPorts));
    // And the other way round.
    let node = Own::new();
    assert!(node.behind(true, &Rules::default(), &straight).is_ok());
    assert!(node.behind(false, &Rules::default(), &udp("10.0.3.10:8080", REMOTE)).is_ok());
    assert_eq!(node.behind(true, &rules, &udp(REMOTE, INNER)), Err(Reason::NatPorts));
}

#[test]
fn a_connection_that_begins_anew_is_asked_about_anew() {
    let node = Own::new();
    let (request, answer) = (udp(REMOTE, INNER), udp("10.0.3.10:8080", REMOTE));
    let rules = Rules::to("10.0.3.10:8080");
    for _ in 0..3 {
        assert_eq!(node.behind(true, &rules, &request), Ok(both(REMOTE, "10.0.3.10:8080")));
        assert_eq!(node.behind(false, &rules, &answer), Ok(both(INNER, REMOTE)));
        node.wait(400);
    }
    assert_eq!(node.behind(true, &Rules::to("10.0.3.10:9"), &request), Ok(both(REMOTE, "10.0.3.10:9")));
}

#[test]
fn uplinks_know_a_flow_by_what_it_is_called_outside() {
    let node = Own::new();
    node.publish(UDP, "192.0.2.1:8000", INNER);
    let (asked, rules) = (udp(REMOTE, "192.0.2.1:8000"), Rules::to("10.0.3.10:8080"));
    for _ in 0..2 {
        assert_eq!(node.goes_to(&asked), Ok(flow_end(INNER)));
        assert_eq!(node.behind(true, &rules, &udp(REMOTE, INNER)), Ok(both(REMOTE, "10.0.3.10:8080")));
        assert_eq!(node.behind(false, &rules, &udp("10.0.3.10:8080", REMOTE)), Ok(both(INNER, REMOTE)));
        assert_eq!(node.leave_node(WAY_X, &udp(INNER, REMOTE)), Ok(flow_end("192.0.2.1:8000")));
    }
}

#[test]
fn a_source_that_is_another_is_masqueraded_as_that() {
    let node = Own { node: Translating::masquerading() };
    node.tables.set_own_translation();
    let rules = Rules { source: Some(ports(7_000, 7_000, 0)), ..Rules::default() };
    let request = udp("10.0.3.10:9", REMOTE);
    assert_eq!(node.behind(false, &rules, &request), Ok(both("10.0.3.10:7000", REMOTE)));
    let outer = node.leave_node(WAY_X, &udp("10.0.3.10:7000", REMOTE)).unwrap();
    assert_eq!(node.goes_to(&udp(REMOTE, &text(outer))), Ok(flow_end("10.0.3.10:7000")));
    let answer = udp(REMOTE, "10.0.3.10:7000");
    assert_eq!(node.behind(true, &rules, &answer), Ok(both(REMOTE, "10.0.3.10:9")));
}

#[test]
fn what_no_rule_gives_a_port_keeps_its_own() {
    for port in [1, 511, 512, 513, 1_023, 1_024, 65_535] {
        let node = Own::new();
        let request = udp(&format!("10.0.3.10:{port}"), REMOTE);
        for rules in [Rules::default(), Rules::from("10.0.3.11:0")] {
            let (from, _) = node.behind(false, &rules, &request).unwrap();
            assert!(from.ends_with(&format!(":{port}")), "{from}");
        }
    }
}

#[test]
fn ports_are_chosen_as_rules_say() {
    for (target, asked, expected) in [
        // In the range it stays.
        (ports(10, 20, 0), 15, 15..=15),
        (ports(10, 20, 0), 9, 10..=10),
        // DNAT's shift.
        (Target { base: Port(1_000), ..ports(2_000, 2_099, Target::SHIFTS) }, 1_042, 2_042..=2_042),
    ] {
        let node = Own::new();
        let rules = Rules { destination: Some(target), ..Rules::default() };
        let (_, to) = node.behind(true, &rules, &udp(REMOTE, &format!("10.0.3.10:{asked}"))).unwrap();
        let to: SocketAddr = to.parse().unwrap();
        assert!(expected.contains(&to.port()), "{target:?}: {to}");
    }
}

/// Which end is the smaller one may be another outside of the interface.
#[test]
fn who_has_opened_a_flow_is_known_whatever_its_addresses() {
    for (own, named) in [("10.0.3.2:9", "10.0.3.200:9"), ("10.0.3.200:9", "10.0.3.2:9")] {
        for last in [1, 100, 250] {
            let remote = format!("198.51.100.{last}:7");
            let node = Own { node: Translating::masquerading() };
            node.tables.set_own_translation();
            for address in [own, named] {
                let (address, _) = end(address);
                let source = NatSource { address: address.into(), ifindex: WAY_X.came_by };
                let (container, masquerade) = (X, NatOwner::UPLINK);
                let owner = NatOwner { container, generation: 1, masquerade, to: Address::ANY6 };
                node.tables.set_source(source, owner);
            }
            let rules = Rules::from(&named.replace(":9", ":0"));
            assert_eq!(node.behind(false, &rules, &udp(own, &remote)), Ok(both(named, &remote)));
            let outer = node.leave_node(WAY_X, &udp(named, &remote)).unwrap();
            assert_ne!(outer, flow_end(named), "{named} {remote}");
            assert_eq!(node.goes_to(&udp(&remote, &text(outer))), Ok(flow_end(named)));
            // Published, and behind another address.
            let node = Own::new();
            let source = NatSource { address: end(named).0.into(), ifindex: WAY_X.came_by };
            let owner = NatOwner {
                container: X,
                generation: 1,
                masquerade: NatOwner::UNTRANSLATED,
                to: Address::ANY6,
            };
            node.tables.set_source(source, owner);
            node.publish(UDP, "192.0.2.1:8000", named);
            assert_eq!(node.goes_to(&udp(&remote, "192.0.2.1:8000")), Ok(flow_end(named)));
            let rules = Rules::to(own);
            assert_eq!(node.behind(true, &rules, &udp(&remote, named)), Ok(both(&remote, own)));
            assert_eq!(node.behind(false, &rules, &udp(own, &remote)), Ok(both(named, &remote)));
            assert_eq!(node.leave_node(WAY_X, &udp(named, &remote)), Ok(flow_end("192.0.2.1:8000")));
        }
    }
}

#[test]
fn a_flow_that_begins_anew_by_its_own_destination_has_no_other() {
    let node = Own::new();
    let rules = Rules::to("10.0.3.10:8080");
    let straight = udp(REMOTE, "10.0.3.10:8080");
    assert!(node.behind(true, &rules, &udp(REMOTE, INNER)).is_ok());
    node.wait(400);
    assert_eq!(node.behind(true, &Rules::default(), &straight), Ok(both(REMOTE, "10.0.3.10:8080")));
    let answer = udp("10.0.3.10:8080", REMOTE);
    assert_eq!(node.behind(false, &rules, &answer), Ok(both("10.0.3.10:8080", REMOTE)));
    assert_eq!(node.behind(true, &rules, &udp(REMOTE, INNER)), Err(Reason::NatPorts));
    // Another one may have the name.
    assert_eq!(
        node.behind(true, &Rules::to("10.0.3.10:9"), &udp(REMOTE, INNER)),
        Ok(both(REMOTE, "10.0.3.10:9"))
    );
}

#[test]
fn who_routes_does_not_speak_as_others_either() {
    let node = Own::new();
    let other = "10.0.3.77";
    let flags = Container::KNOWN_ADDRESSES | Container::ROUTES;
    node.known(X, flags, &[ip_address("10.0.3.10").into()]);
    node.tables.add_address(ip_address(other).into(), Y);
    let request = udp("10.0.3.10:9", REMOTE);
    for (address, expected) in
        [(other, Err(Reason::SpoofedSource)), ("127.0.0.1", Err(Reason::SpoofedSource)), ("10.9.9.9", Ok(()))]
    {
        let rules = Rules::from(&format!("{address}:0"));
        assert_eq!(node.behind(false, &rules, &request).map(drop), expected, "{address}");
    }
}

#[test]
fn what_is_of_one_link_is_not_masqueraded() {
    let node = Own::new();
    let addresses = NatAddresses { v4: Address::ANY4, v6: ip_address(INNER6).into(), router: [0; 8] };
    node.tables.set_interface_addresses(IFINDEX, addresses);
    let rules = Rules { source: Some(Target { flags: Target::OWN, ..Target::NOTHING }), ..Rules::default() };
    for (from, to, expected) in [
        ("[fe80::7]:546", "[ff02::1:2]:547", "[fe80::7]:546"),
        ("[fd00:9::1]:9", "[fe80::1]:9", "[fd00:9::1]:9"),
        ("[fd00:9::1]:9", "[2001:db8::1]:9", "[fd00:3::10]:9"),
    ] {
        assert_eq!(node.behind(false, &rules, &udp(from, to)).unwrap().0, expected);
    }
}

/// Where, and from where, many clients' flows go by one rule.
fn chosen(target: Target, to: &str) -> Vec<SocketAddr> {
    let node = Own::new();
    let rules = Rules { destination: Some(target), ..Rules::default() };
    let ask = |client: u8| node.behind(true, &rules, &udp(&client_of(to, client), to)).unwrap().1;
    (1..=60).map(|client| ask(client).parse().unwrap()).collect()
}

fn client_of(to: &str, client: u8) -> String {
    if to.starts_with('[') { format!("[2001:db8::{client:x}]:15") } else { format!("198.51.100.{client}:15") }
}

#[test]
fn ports_are_chosen_by_chance_where_a_rule_says_so() {
    let all = chosen(ports(10, 20, Target::RANDOM), "10.0.3.10:15");
    assert!(all.iter().all(|end| (10..=20).contains(&end.port())), "{all:?}");
    let different: std::collections::BTreeSet<_> = all.iter().map(SocketAddr::port).collect();
    assert!(different.len() > 3, "{different:?}");
    assert!(chosen(ports(10, 20, 0), "10.0.3.10:15").iter().all(|end| end.port() == 15));
}

#[test]
fn all_addresses_of_a_range_are_chosen_and_no_others() {
    for (first, last, to, more) in [
        ("10.0.3.10", "10.0.3.13", "10.0.3.9:15", 4),
        ("10.0.2.255", "10.0.3.1", "10.0.3.9:15", 3),
        ("fd00:3::a", "fd00:3::c", "[fd00:3::9]:15", 3),
    ] {
        let addresses = [first, last].map(|text| ip_address(text).into());
        let all = chosen(Target { flags: Target::ADDRESSES, addresses, ..Target::NOTHING }, to);
        let different: std::collections::BTreeSet<_> = all.iter().map(SocketAddr::ip).collect();
        let range = ip_address(first)..=ip_address(last);
        assert!(different.iter().all(|address| range.contains(address)), "{different:?}");
        assert_eq!(different.len(), more, "{different:?}");
    }
}

#[test]
fn one_client_has_one_address_if_a_rule_says_so() {
    let addresses = ["10.0.3.10", "10.0.3.13"].map(|text| ip_address(text).into());
    let seen = |flags: u32| -> std::collections::BTreeSet<_> {
        let node = Own::new();
        let target = Target { flags: Target::ADDRESSES | flags, addresses, ..Target::NOTHING };
        let rules = Rules { source: Some(target), ..Rules::default() };
        let from = |there: u8| {
            let request = udp("10.0.3.9:15", &format!("198.51.100.{there}:15"));
            node.behind(false, &rules, &request).unwrap().0
        };
        (1..=60).map(from).collect()
    };
    assert_eq!(seen(Target::PERSISTENT).len(), 1);
    assert_eq!(seen(0).len(), 4);
}
