//! Packets pass by the verdicts that flows keep, and not by the rules; and when they do not.

use std::net::SocketAddrV4;

use anyhow::{Context, Result};
use berth_common::abi::{container::Mode, flow::Flow, rules::Line};
use berth_tests::bench::rules::{
    guest::{Guest, Node},
    ruleset,
};
use berth_tests::bench::tuple::Tuple;
use berth_tests::privileged;

const UDP: u8 = 17;
/// Bits of a counter's number, the lowest of a verdict's first word.
const NUMBER: u64 = 0x1fff;

fn compiled(target: &str, generation: u64) -> Result<Vec<Line>> {
    let text = format!(
        "*filter\n:INPUT ACCEPT\n-A INPUT -p udp -m udp --dport 9 -j {target}\n\
         -A INPUT -p udp -m udp --dport 7 -j ACCEPT\nCOMMIT\n"
    );
    let mut compiled = ruleset::compiled(&ruleset::lowered(&ruleset::read(&text)?)?)?;
    compiled.stamp(generation);
    Ok(compiled.lines)
}

/// To the first rule's port.
fn packet() -> Result<Tuple> {
    let address = |text: &str| text.parse::<SocketAddrV4>();
    Ok(Tuple { source: address("203.0.113.9:1000")?, destination: address("198.51.100.7:9")?, protocol: UDP })
}

/// The only flow keeps the second rule's counter in the place of the first one's.
fn tamper(node: &mut Node) -> Result<()> {
    let flows = node.flow_table();
    let (number, mut flow): (_, Flow) = flows.flows()?.pop().context("no flow")?;
    let word = &mut flow.verdicts[0][0];
    assert_ne!(*word, 0, "nothing is kept");
    assert_eq!(*word & NUMBER, 0);
    *word |= 1;
    flows.set(number, flow)
}

/// What both rules have counted.
fn counted(guest: &Guest) -> Result<[u64; 2]> {
    let counted = guest.counted()?;
    Ok([counted[0], counted[1]])
}

fn node(keeps: bool) -> Result<(Node, Guest)> {
    let mut node = Node::load()?;
    node.keep_verdicts(keeps)?;
    let guest = node.add(Mode::Stateful, &compiled("ACCEPT", 1)?)?;
    node.select(&guest)?;
    // The first opens the flow, the second is the first that is in it.
    for _ in 0..2 {
        assert!(node.receive(&packet()?)?);
    }
    assert_eq!(counted(&guest)?, [2, 0]);
    Ok((node, guest))
}

#[test]
fn packets_are_counted_where_the_flow_says() -> Result<()> {
    privileged!();
    let (mut node, guest) = node(true)?;
    assert!(node.receive(&packet()?)?);
    assert_eq!(counted(&guest)?, [3, 0]);
    tamper(&mut node)?;
    assert!(node.receive(&packet()?)?);
    assert_eq!(counted(&guest)?, [3, 1]);
    Ok(())
}

#[test]
fn they_meet_the_rules_if_that_is_turned_off() -> Result<()> {
    privileged!();
    let (mut node, guest) = node(true)?;
    tamper(&mut node)?;
    node.keep_verdicts(false)?;
    assert!(node.receive(&packet()?)?);
    assert_eq!(counted(&guest)?, [3, 0]);
    Ok(())
}

#[test]
fn nothing_is_kept_if_that_is_turned_off() -> Result<()> {
    privileged!();
    let (mut node, _) = node(false)?;
    let flows = node.flow_table().flows()?;
    assert_eq!(flows.iter().map(|(_, flow)| flow.verdicts).collect::<Vec<_>>(), [[[0; 2]; 2]]);
    Ok(())
}

#[test]
fn other_rules_hold_at_once() -> Result<()> {
    privileged!();
    let (mut node, mut guest) = node(true)?;
    tamper(&mut node)?;
    node.replace(&mut guest, &compiled("DROP", 2)?)?;
    assert!(!node.receive(&packet()?)?);
    assert_eq!(counted(&guest)?, [1, 0]);
    Ok(())
}

#[test]
fn packets_of_another_state_meet_the_rules() -> Result<()> {
    privileged!();
    let (mut node, guest) = node(true)?;
    tamper(&mut node)?;
    // Answered, the flow is established.
    node.send(&packet()?.reversed())?;
    assert!(node.receive(&packet()?)?);
    assert_eq!(counted(&guest)?, [3, 0]);
    Ok(())
}
