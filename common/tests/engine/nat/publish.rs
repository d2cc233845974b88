//! What arrives at a published port goes on to a container.

use berth_common::abi::units::Nanos;

use super::*;

const CLIENT: &str = "198.51.100.7:40000";
const INSIDE: &str = "10.0.3.10:80";

fn arrives(node: &Translating, outside: &str, flags: u8) {
    assert_eq!(node.goes_to(&tcp(CLIENT, outside, flags)), Ok(flow_end(INSIDE)), "{outside}");
    assert_eq!(node.on_interface(X, true, &tcp(CLIENT, INSIDE, flags)), Reason::None);
}

#[test]
fn a_published_port_leads_to_the_container_and_answers_come_from_there() {
    for (at, outside) in [("192.0.2.1:8080", "192.0.2.1:8080"), ("0.0.0.0:8080", "192.0.2.2:8080")] {
        for masquerade in [NatOwner::UNTRANSLATED, NatOwner::UPLINK] {
            let node = Translating::new(masquerade);
            node.publish(TCP, at, INSIDE);
            arrives(&node, outside, SYN);
            assert_eq!(node.out(WAY_X, &tcp(INSIDE, CLIENT, SYN | ACK)), Ok(flow_end(outside)));
            arrives(&node, outside, ACK);
            // What goes on goes on without it.
            node.tables.withdraw(&port_key(TCP, at));
            arrives(&node, outside, ACK);
            assert_eq!(node.out(WAY_X, &tcp(INSIDE, CLIENT, ACK)), Ok(flow_end(outside)));
            let other = tcp("198.51.100.7:40001", outside, SYN);
            assert_eq!(node.goes_to(&other), Ok(flow_end(outside)));
            assert_eq!(node.flows_held(X), 1);
        }
    }
}

#[test]
fn only_the_node_s_own_addresses_are_meant() {
    let node = Translating::new(NatOwner::UNTRANSLATED);
    node.publish(TCP, "0.0.0.0:8080", INSIDE);
    node.publish(UDP, "192.0.2.1:8080", INSIDE);
    for (packet, goes) in [
        (tcp(CLIENT, "192.0.2.1:8080", SYN), INSIDE),
        // Another host's, which the node routes.
        (tcp(CLIENT, "203.0.113.1:8080", SYN), "203.0.113.1:8080"),
        (tcp(CLIENT, "192.0.2.1:8081", SYN), "192.0.2.1:8081"),
        (udp(CLIENT, "192.0.2.2:8080"), "192.0.2.2:8080"),
        (udp(CLIENT, "192.0.2.1:8080"), INSIDE),
    ] {
        assert_eq!(node.goes_to(&packet), Ok(flow_end(goes)));
    }
    // Neither a container that is another now, nor one in a mode that knows no translation.
    node.container(X, Mode::Stateful, 100, 100);
    assert_eq!(node.goes_to(&tcp(CLIENT, "192.0.2.1:8080", SYN)), Ok(flow_end("192.0.2.1:8080")));
    node.tables.remove_container(X);
    assert_eq!(node.goes_to(&tcp(CLIENT, "192.0.2.1:8080", SYN)), Ok(flow_end("192.0.2.1:8080")));
}

#[test]
fn what_rules_drop_leaves_nothing() {
    let node = Translating::new(NatOwner::UNTRANSLATED);
    node.publish(TCP, "192.0.2.1:8080", INSIDE);
    for port in 1_000..1_100 {
        let client = format!("198.51.100.7:{port}");
        assert_eq!(node.goes_to(&tcp(&client, "192.0.2.1:8080", SYN)), Ok(flow_end(INSIDE)));
    }
    assert_eq!((node.flows_held(X), node.tables.names().len()), (0, 0));
}

/// The container sees one client, from one port, at one port.
#[test]
fn two_ports_that_lead_to_one_do_not_get_mixed_up() {
    let node = Translating::new(NatOwner::UNTRANSLATED);
    for outside in ["192.0.2.1:8080", "192.0.2.1:8081"] {
        node.publish(TCP, outside, INSIDE);
    }
    arrives(&node, "192.0.2.1:8080", SYN);
    assert_eq!(node.out(WAY_X, &tcp(INSIDE, CLIENT, SYN | ACK)), Ok(flow_end("192.0.2.1:8080")));
    assert_eq!(node.goes_to(&tcp(CLIENT, "192.0.2.1:8081", SYN)), Err(Reason::NatPorts));
    let other = "198.51.100.8:40000";
    assert_eq!(node.goes_to(&tcp(other, "192.0.2.1:8081", SYN)), Ok(flow_end(INSIDE)));
    node.on_interface(X, true, &tcp(other, INSIDE, SYN));
    assert_eq!(node.out(WAY_X, &tcp(INSIDE, other, SYN | ACK)), Ok(flow_end("192.0.2.1:8081")));
}

/// What it is to be called is forgotten once nobody comes by the published port any more.
#[test]
fn what_comes_by_a_route_later_is_not_translated() {
    let node = Translating::new(NatOwner::UNTRANSLATED);
    node.publish(UDP, "192.0.2.1:53", "10.0.3.10:53");
    let inside = "10.0.3.10:53";
    assert_eq!(node.goes_to(&udp(CLIENT, "192.0.2.1:53")), Ok(flow_end(inside)));
    node.wait(121);
    node.on_interface(X, true, &udp(CLIENT, inside));
    assert_eq!(node.out(WAY_X, &udp(inside, CLIENT)), Ok(flow_end(inside)));
}

#[test]
fn errors_about_what_has_come_in_speak_of_the_node_s_port() {
    let node = Translating::new(NatOwner::UNTRANSLATED);
    node.publish(UDP, "192.0.2.1:53", "10.0.3.10:5353");
    let (outside, inside) = (udp(CLIENT, "192.0.2.1:53"), udp(CLIENT, "10.0.3.10:5353"));
    assert_eq!(node.goes_to(&outside), Ok(flow_end("10.0.3.10:5353")));
    // The first packet already: nothing listens there.
    assert_eq!(node.about(Some(X), &unreachable(INNER4, &inside)), Some(flow_end("192.0.2.1:53")));
    node.on_interface(X, true, &inside);
    assert_eq!(node.out(WAY_X, &udp("10.0.3.10:5353", CLIENT)), Ok(flow_end("192.0.2.1:53")));
    assert_eq!(node.about(Some(X), &unreachable(INNER4, &inside)), Some(flow_end("192.0.2.1:53")));
    let answer = udp("192.0.2.1:53", CLIENT);
    assert_eq!(node.about(None, &unreachable("203.0.113.9", &answer)), Some(flow_end("10.0.3.10:5353")));
}

#[test]
fn what_rules_reject_is_answered_by_whom_the_client_has_asked() {
    for masquerade in [NatOwner::UNTRANSLATED, NatOwner::UPLINK] {
        let node = Translating::new(masquerade);
        node.publish(TCP, "192.0.2.1:8080", INSIDE);
        assert_eq!(node.goes_to(&tcp(CLIENT, "192.0.2.1:8080", SYN)), Ok(flow_end(INSIDE)));
        let reset = tcp(INSIDE, CLIENT, RST | ACK);
        assert_eq!(node.leave_node(WAY_X, &reset), Ok(flow_end("192.0.2.1:8080")));
        assert_eq!((node.flows_held(X), node.tables.names().len()), (0, 0));
    }
}

#[test]
fn one_that_leaves_mode_full_is_translated_neither_way() {
    let node = Translating::new(NatOwner::UNTRANSLATED);
    node.publish(TCP, "192.0.2.1:8080", INSIDE);
    arrives(&node, "192.0.2.1:8080", SYN);
    assert_eq!(node.out(WAY_X, &tcp(INSIDE, CLIENT, SYN | ACK)), Ok(flow_end("192.0.2.1:8080")));
    node.container(X, Mode::Stateful, 1_000, 100);
    assert_eq!(node.goes_to(&tcp(CLIENT, "192.0.2.1:8080", ACK)), Ok(flow_end("192.0.2.1:8080")));
}

#[test]
fn what_comes_for_one_takes_nothing_from_what_waits_for_another() {
    let node = Translating::new(NatOwner::UNTRANSLATED);
    node.publish(TCP, "192.0.2.1:8080", INSIDE);
    node.tables.publish(
        port_key(TCP, "192.0.2.1:9090"),
        Published {
            end: NatEnd { address: ip_address(INNER4).into(), port: 80 },
            container: Y,
            generation: 1,
        },
    );
    let client =
        |number: u32| format!("198.51.{}.{}:{}", number >> 16, number >> 8 & 0xff, 1_000 + (number & 0xff));
    for number in 0..50 {
        node.tables.advance(Nanos(1_000));
        assert_eq!(node.goes_to(&tcp(&client(number), "192.0.2.1:8080", SYN)), Ok(flow_end(INSIDE)));
        assert_eq!(node.on_interface(X, true, &tcp(&client(number), INSIDE, SYN)), Reason::None);
    }
    for number in 0..100_000 {
        node.tables.advance(Nanos(1_000));
        assert_eq!(node.goes_to(&tcp(&client(number), "192.0.2.1:9090", SYN)), Ok(flow_end(INSIDE)));
    }
    for number in 0..50 {
        let answer = tcp(INSIDE, &client(number), SYN | ACK);
        assert_eq!(node.out(WAY_X, &answer), Ok(flow_end("192.0.2.1:8080")), "{number}");
    }
}
