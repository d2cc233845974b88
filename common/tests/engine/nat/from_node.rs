//! What sockets of the node's own network ask for, and are told of.

use std::collections::BTreeMap;

use berth_common::abi::{
    socket::Aliases,
    units::{Port, Protocol},
};
use proptest::prelude::*;

use super::*;

const INSIDE: &str = "10.0.3.10:80";

fn asks(node: &Translating, protocol: u8, to: &str) -> Option<End> {
    let mut inner = NatEnd::NOWHERE;
    nat::ask(&&node.tables, Protocol(protocol), &flow_end(to), &mut inner).then(|| inner.into())
}

#[test]
fn every_name_of_the_node_s_is_meant_and_no_other() {
    let node = Translating::new(NatOwner::UNTRANSLATED);
    node.publish(TCP, "0.0.0.0:8080", INSIDE);
    node.publish(TCP, "[::]:8080", "[fd00:3::10]:80");
    node.publish(UDP, "192.0.2.1:8080", INSIDE);
    for to in ["192.0.2.1:8080", "192.0.2.2:8080", "127.0.0.1:8080", "127.8.8.8:8080", "0.0.0.0:8080"] {
        assert_eq!(asks(&node, TCP, to), Some(flow_end(INSIDE)), "{to}");
    }
    for to in [&format!("[{L6}]:8080"), "[::1]:8080", "[::]:8080"] {
        assert_eq!(asks(&node, TCP, to), Some(flow_end("[fd00:3::10]:80")), "{to}");
    }
    assert_eq!(asks(&node, UDP, "192.0.2.1:8080"), Some(flow_end(INSIDE)));
    for (protocol, to) in [
        (TCP, "192.0.2.1:8081"),
        (TCP, "203.0.113.1:8080"),
        (TCP, "[fe80::1]:8080"),
        (TCP, INSIDE),
        // That one is published at one address alone.
        (UDP, "192.0.2.2:8080"),
        (UDP, "127.0.0.1:8080"),
        (SCTP, "192.0.2.1:8080"),
    ] {
        assert_eq!(asks(&node, protocol, to), None, "{protocol} {to}");
    }
    node.container(X, Mode::Stateful, 100, 100);
    assert_eq!(asks(&node, TCP, "192.0.2.1:8080"), None);
}

fn numbered(number: u16) -> NatEnd {
    End { address: ip_address(L4).into(), port: Port(number) }.into()
}

proptest! {
    /// As a map would have it, which leaves one out for another where it is full.
    #[test]
    fn what_a_socket_has_asked_for_is_known(
        ends in prop_oneof![Just(Aliases::PLACES), Just(2 * Aliases::PLACES)],
        asked in prop::collection::vec((0_u16..1000, prop::option::weighted(0.8, 100_u16..116)), 0..60),
    ) {
        let ends = u16::try_from(ends).unwrap();
        let mut aliases = Aliases::NONE;
        let mut model: BTreeMap<u16, u16> = BTreeMap::new();
        for (end, name) in asked {
            let reached = end % ends;
            if let Some(name) = name {
                aliases.note(&numbered(name), &numbered(reached));
                // A name is one end's.
                model.retain(|_, other| *other != name);
                model.insert(reached, name);
            } else {
                aliases.forget(&numbered(reached));
                model.remove(&reached);
            }
            let asked = |reached| aliases.asked(&numbered(reached)).map(|end| u16::try_from(end.port).unwrap());
            let known: BTreeMap<_, _> = (0..ends).filter_map(|end| Some((end, asked(end)?))).collect();
            prop_assert!(known.iter().all(|(reached, name)| model.get(reached) == Some(name)));
            prop_assert_eq!(known.len(), model.len().min(Aliases::PLACES));
            prop_assert!(name.is_none() || known.contains_key(&reached));
            model = known;
        }
        prop_assert_eq!(aliases.asked(&NatEnd::NOWHERE), None);
    }
}

#[test]
fn what_leads_to_nobody_any_more_is_nobody_s_name() {
    let mut aliases = Aliases::NONE;
    aliases.note(&numbered(100), &numbered(1));
    aliases.forget(&numbered(100));
    assert_eq!(aliases.asked(&numbered(1)), None);
}

/// Each packet to one of them asks anew.
#[test]
fn asking_for_one_again_costs_none_of_the_others() {
    let mut aliases = Aliases::NONE;
    let all = 0..u16::try_from(Aliases::PLACES).unwrap();
    for reached in all.clone() {
        aliases.note(&numbered(100 + reached), &numbered(reached));
    }
    for _ in 0..10 {
        aliases.note(&numbered(102), &numbered(2));
    }
    for reached in all {
        assert_eq!(aliases.asked(&numbered(reached)), Some(numbered(100 + reached)));
    }
}
