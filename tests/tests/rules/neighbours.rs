//! Rules of several containers lie side by side: those of one come, grow and go without a trace in those of another.

use std::fmt::Write as _;

use anyhow::{Result, ensure};
use berth_common::abi::rules::{
    Line,
    shelf::{LINES, Place},
};
use berth_tests::object::{Array, Arrays};
use berth_tests::topology::{NODE_V4, REMOTE_V4, at};
use berth_tests::{SharedNode, Sockets as _, privileged};

use crate::helpers::{counted, filter};

const PORT: u16 = 7_700;
const SIZES: [usize; 9] = [1, 300, 2, 150, 600, 1, 40, 400, 5];

/// So many rules, of which one in the middle accepts what goes to a port, and no other is met.
fn rules(size: usize, port: u16) -> Result<String> {
    let mut text = ":INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT DROP\n".to_owned();
    for number in 0..size {
        let port = if number == size / 2 { port } else { 10_000 + u16::try_from(number)? };
        writeln!(text, "-A OUTPUT -p udp -m udp --dport {port} -j ACCEPT")?;
    }
    Ok(text)
}

/// Whether what a container sends there goes out.
fn sends(node: &SharedNode, name: &str, port: u16) -> Result<bool> {
    let tenant = if name == "a" { &node.a } else { &node.b };
    let socket = tenant.udp_bind(at(NODE_V4, 0))?;
    Ok(socket.send_to(b"x", at(REMOTE_V4, port)).is_ok())
}

fn shelves(node: &SharedNode) -> Result<Vec<u32>> {
    let shelves = Arrays::<Line>::pinned(&node.berth.pin_dir().join("maps/SHELVES"))?;
    Ok((0..4).filter(|number| shelves.inner(*number).is_ok()).collect())
}

#[test]
fn rules_come_and_go_beside_those_of_others() -> Result<()> {
    privileged!();
    let mut node = SharedNode::new()?;
    ensure!(shelves(&node)?.is_empty(), "there are no rules yet");
    filter(&node, "a", &[], &rules(20, PORT)?)?;
    for (turn, size) in (1..).zip(SIZES) {
        filter(&node, "b", &[], &rules(size, PORT + 1)?)?;
        assert!(sends(&node, "a", PORT)? && !sends(&node, "a", PORT + 1)?, "{size}");
        assert!(sends(&node, "b", PORT + 1)? && !sends(&node, "b", PORT)?, "{size}");
        if turn % 4 == 0 {
            // What is taken is known from the kernel alone.
            node.berth.kill9()?;
            node.berth.restart()?;
        }
        let counts = counted(&node, "a", "OUTPUT")?;
        assert_eq!((counts[10], counts[20]), (turn, turn), "{size}: {counts:?}");
        assert_eq!(counts.iter().sum::<u64>(), 2 * turn, "{size}: {counts:?}");
    }
    assert_eq!(shelves(&node)?, [0]);
    node.berth.ok(["rules", "flush", "b"])?;
    assert!(sends(&node, "a", PORT)? && !sends(&node, "a", PORT + 1)? && sends(&node, "b", PORT)?);
    assert_eq!(shelves(&node)?, [0]);
    for name in ["a", "b"] {
        node.berth.ok(["container", "rm", name])?;
    }
    ensure!(shelves(&node)?.is_empty(), "an empty shelf stays");
    Ok(())
}

/// Sets are on the same shelves, and change places as they grow.
#[test]
fn sets_come_and_go_beside_rules() -> Result<()> {
    privileged!();
    let mut node = SharedNode::new()?;
    let change = |node: &SharedNode, words: &str| node.berth.ok(["set"].into_iter().chain(words.split(' ')));
    change(&node, "create b early hash:net --family inet6")?;
    assert_eq!(shelves(&node)?, [0]);
    change(&node, "destroy b early")?;
    ensure!(shelves(&node)?.is_empty(), "an empty shelf stays");

    change(&node, "create b blocked hash:ip --max 65536")?;
    filter(&node, "a", &[], &rules(20, PORT)?)?;
    filter(&node, "b", &[], "-A OUTPUT -m set --match-set blocked dst -j DROP\n")?;
    let mut dropped = 0;
    for (turn, size) in (1..).zip(SIZES) {
        // So many more each time, and among them, every other time, the one that counts.
        let mut text = String::new();
        for number in 0..size * 20 {
            writeln!(text, "add blocked 10.{turn}.{}.{}", number / 256, number % 256)?;
        }
        let is_in = turn % 2 == 1;
        writeln!(text, "{} blocked {REMOTE_V4}", if is_in { "add" } else { "del" })?;
        let file = node.berth.run_dir().join("sets");
        std::fs::write(&file, text)?;
        node.berth.ok(["set", "restore", "b", &file.to_string_lossy()])?;
        assert_eq!(sends(&node, "b", PORT)?, !is_in, "{size}");
        dropped += u64::from(is_in);
        assert!(sends(&node, "a", PORT)? && !sends(&node, "a", PORT + 1)?, "{size}");
        if turn % 4 == 0 {
            node.berth.kill9()?;
            node.berth.restart()?;
            assert_eq!(sends(&node, "b", PORT)?, !is_in, "{size}");
        }
        assert_eq!(
            (counted(&node, "a", "OUTPUT")?[10], counted(&node, "b", "OUTPUT")?[0]),
            (turn, dropped),
            "{size}"
        );
    }
    assert_eq!(shelves(&node)?, [0]);
    filter(&node, "a", &[], &rules(1, PORT)?)?;
    assert!(!sends(&node, "b", PORT)? && sends(&node, "a", PORT)?);
    node.berth.ok(["container", "rm", "a"])?;
    node.berth.ok(["rules", "flush", "b"])?;
    assert_eq!(shelves(&node)?, [0]);
    change(&node, "destroy b blocked")?;
    ensure!(shelves(&node)?.is_empty(), "an empty shelf stays");
    Ok(())
}

/// Something has gone wrong: there are rules, and nothing where they should be.
#[test]
fn what_cannot_be_found_lets_nothing_through() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    filter(&node, "a", &[], &rules(20, PORT)?)?;
    assert!(sends(&node, "a", PORT)?);
    let mut places = Array::<u64>::pinned(&node.berth.pin_dir().join("maps/RULESETS"))?;
    places.set(node.berth.container("a")?.id, Place::new(9, 0, 30).0)?;
    assert!(!sends(&node, "a", PORT)?);
    assert_eq!(node.berth.container("a")?.plane.drops_for("rules-damaged"), 1);
    // As the daemon says when it is asked for them.
    filter(&node, "a", &[], &rules(30, PORT)?)?;
    assert!(sends(&node, "a", PORT)? && !sends(&node, "a", PORT + 1)?);

    node.berth.ok(["set", "create", "b", "blocked", "hash:net"])?;
    filter(&node, "b", &[], "-A OUTPUT -m set --match-set blocked dst -j DROP\n")?;
    assert!(sends(&node, "b", PORT)?);
    let mut places = Array::<u64>::pinned(&node.berth.pin_dir().join("maps/SETS"))?;
    let before = places.get(0)?;
    // No shelf, and lines that are none of a set.
    for (turn, wrong) in (1..).zip([Place::new(9, 0, 30), Place::new(0, LINES - 30, 30)]) {
        places.set(0, wrong.0)?;
        assert!(!sends(&node, "b", PORT)?);
        assert_eq!(node.berth.container("b")?.plane.drops_for("rules-damaged"), turn);
    }
    places.set(0, before)?;
    assert!(sends(&node, "b", PORT)?);
    Ok(())
}
