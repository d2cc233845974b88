//! One container asks for what another one has published, by the node's address.

use super::*;

const OUTSIDE: &str = "192.0.2.1:8080";
const INSIDE: &str = "10.0.3.10:80";
/// Of [`Z`], on a bridge of its own.
const CLIENT: &str = "10.0.4.20:40000";
const Z: ContainerId = ContainerId(11);
/// The way from [`X`] to another container.
const TO_Z: Path = Path { came_by: WAY_X.came_by, uplink: 0 };

fn net(masquerade: u32) -> Translating {
    let node = Translating::new(masquerade);
    node.container(Z, Mode::Stateful, 1_000, 100);
    node.own_network(Z);
    node.publish(TCP, OUTSIDE, INSIDE);
    node
}

/// From [`Z`] to [`X`], as both and all between see it.
fn asks(node: &Translating, flags: u8) {
    assert_eq!(node.on_interface(Z, false, &tcp(CLIENT, OUTSIDE, flags)), Reason::None);
    assert_eq!(node.goes_on(Z, &tcp(CLIENT, OUTSIDE, flags)), Ok(flow_end(INSIDE)));
    assert_eq!(node.on_interface(X, true, &tcp(CLIENT, INSIDE, flags)), Reason::None);
}

fn answers(node: &Translating, flags: u8) {
    let packet = tcp(INSIDE, CLIENT, flags);
    assert_eq!(node.on_interface(X, false, &packet), Reason::None);
    // It asks nobody itself.
    assert_eq!(node.goes_on(X, &packet), Ok(flow_end(CLIENT)));
    assert_eq!(node.leave_node(TO_Z, &packet), Ok(flow_end(OUTSIDE)));
    assert_eq!(node.on_interface(Z, true, &tcp(OUTSIDE, CLIENT, flags)), Reason::None);
}

#[test]
fn each_knows_the_flow_by_its_own_end() {
    for masquerade in [NatOwner::UNTRANSLATED, NatOwner::UPLINK] {
        let node = net(masquerade);
        asks(&node, SYN);
        answers(&node, SYN | ACK);
        asks(&node, ACK);
        answers(&node, ACK);
        assert_eq!((node.flows_held(X), node.flows_held(Z), node.tables.names().len()), (1, 1, 1));
        // What is established goes on without the publication.
        node.tables.withdraw(&port_key(TCP, OUTSIDE));
        asks(&node, ACK);
        answers(&node, ACK);
        let other = tcp("10.0.4.20:40001", OUTSIDE, SYN);
        assert_eq!(node.goes_on(Z, &other), Ok(flow_end(OUTSIDE)));
        node.check();
    }
}

/// Neither by its uplink's address nor by one that it was given, nor is what has no flow hidden.
#[test]
fn nobody_is_masqueraded_to_a_neighbour() {
    let node = net(NatOwner::UPLINK);
    let straight = tcp("10.0.3.10:5000", "10.0.4.20:80", SYN);
    assert_eq!(node.on_interface(X, false, &straight), Reason::None);
    assert_eq!(node.leave_node(TO_Z, &straight), Ok(flow_end("10.0.3.10:5000")));
    let flowless = tcp("10.0.3.10:5001", "10.0.4.20:80", ACK);
    assert_eq!(node.leave_node(TO_Z, &flowless), Ok(flow_end("10.0.3.10:5001")));
    assert_eq!(node.leave_node(WAY_X, &flowless), Err(Reason::NotTranslated));
    assert!(node.tables.names().is_empty());
}

/// Both ends of what comes back, if it does.
fn comes_back(node: &Translating, id: ContainerId, packet: &[u8]) -> Option<(End, End)> {
    let mut headers = Node::headers(packet);
    let (before, mut ends) = (headers, Ends::NOWHERE);
    let answer = nat::reflect(&&node.tables, &mut headers, id, &mut ends);
    assert_eq!(headers, before, "they are given back as they were");
    match answer {
        Answer::AsItIs => None,
        Answer::Translated => Some((ends.source.into(), ends.destination.into())),
        Answer::Dropped(..) => panic!("{answer:?}"),
    }
}

/// The one who is asked sees the node, and the one who asks hears from the node.
#[test]
fn who_asks_himself_is_answered_by_the_node() {
    let node = net(NatOwner::UPLINK);
    let (own, as_node) = ("10.0.3.10:40000", "192.0.2.1:40000");
    let asks = |flags| {
        assert_eq!(node.on_interface(X, false, &tcp(own, OUTSIDE, flags)), Reason::None);
        let both = comes_back(&node, X, &tcp(own, OUTSIDE, flags));
        assert_eq!(both, Some((flow_end(as_node), flow_end(INSIDE))));
        assert_eq!(node.on_interface(X, true, &tcp(as_node, INSIDE, flags)), Reason::None);
    };
    let answers = |flags| {
        assert_eq!(node.on_interface(X, false, &tcp(INSIDE, as_node, flags)), Reason::None);
        let both = comes_back(&node, X, &tcp(INSIDE, as_node, flags));
        assert_eq!(both, Some((flow_end(OUTSIDE), flow_end(own))));
        assert_eq!(node.on_interface(X, true, &tcp(OUTSIDE, own, flags)), Reason::None);
    };
    asks(SYN);
    answers(SYN | ACK);
    asks(ACK);
    node.tables.withdraw(&port_key(TCP, OUTSIDE));
    asks(ACK);
    answers(ACK);
    assert_eq!((node.flows_held(X), node.tables.names().len()), (2, 1));
    node.check();
}

#[test]
fn only_who_asks_himself_is_answered_so() {
    let node = net(NatOwner::UNTRANSLATED);
    // Another container, another address of its own, another port of the node's, another host.
    for packet in [
        tcp(CLIENT, OUTSIDE, SYN),
        tcp("10.0.3.11:40000", OUTSIDE, SYN),
        tcp("10.0.3.10:40000", "192.0.2.1:8081", SYN),
        tcp("10.0.3.10:40000", "198.51.100.7:8080", SYN),
        udp("10.0.3.10:40000", OUTSIDE),
    ] {
        assert_eq!(comes_back(&node, X, &packet), None);
    }
    assert_eq!(node.goes_on(X, &tcp("10.0.3.10:40000", OUTSIDE, SYN)), Ok(flow_end(OUTSIDE)));
    // The node itself has asked straight, and has its answer.
    let straight = tcp("192.0.2.1:40000", INSIDE, SYN);
    assert_eq!(node.on_interface(X, true, &straight), Reason::None);
    let answer = tcp(INSIDE, "192.0.2.1:40000", SYN | ACK);
    assert_eq!(node.on_interface(X, false, &answer), Reason::None);
    assert_eq!(comes_back(&node, X, &answer), None);
    // Other hosts and containers have theirs.
    asks(&node, SYN);
    assert_eq!(node.on_interface(X, false, &tcp(INSIDE, CLIENT, SYN | ACK)), Reason::None);
    assert_eq!(comes_back(&node, X, &tcp(INSIDE, CLIENT, SYN | ACK)), None);
}

/// What is forged would rename flows that are there: somebody outside says that he is a container, or the node; a container, that it is
/// another.
#[test]
fn nobody_is_spoken_for() {
    let node = net(NatOwner::UNTRANSLATED);
    node.tables.add_address(ip_address("10.0.4.20").into(), Z);
    // Straight to the container, by its own address.
    assert_eq!(node.on_interface(X, true, &tcp(CLIENT, INSIDE, SYN)), Reason::None);
    let straight = "192.0.2.1:40000";
    assert_eq!(node.on_interface(X, true, &tcp(straight, INSIDE, SYN)), Reason::None);
    for (from, forged) in [(ContainerId::UNOWNED, CLIENT), (ContainerId::UNOWNED, straight), (Y, CLIENT)] {
        assert_eq!(node.goes_on(from, &tcp(forged, OUTSIDE, SYN)), Ok(flow_end(OUTSIDE)), "{forged}");
    }
    for client in [CLIENT, straight] {
        let answer = tcp(INSIDE, client, SYN | ACK);
        assert_eq!(node.on_interface(X, false, &answer), Reason::None);
        assert_eq!(comes_back(&node, X, &answer), None);
        assert_eq!(node.leave_node(TO_Z, &answer), Ok(flow_end(INSIDE)));
    }
    // Who it is itself is believed.
    assert_eq!(node.goes_on(Z, &tcp("10.0.4.20:40001", OUTSIDE, SYN)), Ok(flow_end(INSIDE)));
}

#[test]
fn what_is_of_one_link_alone_is_not_routed() {
    let node = net(NatOwner::UNTRANSLATED);
    node.publish(TCP, "[::]:8080", "[fd00:3::10]:80");
    let global = tcp("[2001:db8:4::20]:40000", "[2001:db8::1]:8080", SYN);
    assert_eq!(node.goes_on(Z, &global), Ok(flow_end("[fd00:3::10]:80")));
    let from_link = tcp("[fe80::20]:40000", "[2001:db8::1]:8080", SYN);
    assert_eq!(node.goes_on(Z, &from_link), Ok(flow_end("[2001:db8::1]:8080")));
    let to_link = tcp("[2001:db8:4::20]:40000", "[fe80::1]:8080", SYN);
    assert_eq!(node.goes_on(Z, &to_link), Ok(flow_end("[fe80::1]:8080")));
}
