//! Changing rules: commands, what is refused, what is kept.

use std::time::Duration;

use anyhow::Result;
use berth_tests::echo::Echo;
use berth_tests::exchange::datagrams;
use berth_tests::topology::{NODE_V4, REMOTE_V4, at, remote_addresses};
use berth_tests::{SharedNode, Sockets as _, privileged, wait};

use crate::helpers::{counted, filter, with_text};

const ECHO: u16 = 7;

#[test]
fn rules_are_kept_as_they_are_saved() -> Result<()> {
    privileged!();
    let mut node = SharedNode::new()?;
    let rules = ":INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:web - [0:0]\n\
                 -A INPUT -p tcp -j web\n-A web -p tcp -m multiport --dports 80,443 -j ACCEPT\n";
    filter(&node, "a", &[], rules)?;
    let text = format!("*filter\n{rules}COMMIT\n");
    assert_eq!(node.berth.ok(["rules", "save", "a"])?, text);
    assert_eq!(node.berth.ok(["rules", "save", "a", "--ipv6"])?, "");
    node.berth.kill9()?;
    assert_eq!(node.berth.ok(["rules", "save", "a"])?, text);
    node.berth.restart()?;
    assert_eq!(node.berth.ok(["rules", "save", "a"])?, text);
    let container = node.berth.container("a")?;
    assert_eq!((container.rules.held, container.rules.maxheld, container.rules.limit), (2, 2, 2_000));
    Ok(())
}

#[test]
fn counters_of_rules_that_stay_go_on() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let _echo = Echo::start(&node.topology.remote, &remote_addresses(), ECHO)?;
    let socket = node.a.udp_bind(at(NODE_V4, 0))?;
    socket.connect(at(REMOTE_V4, ECHO))?;
    filter(&node, "a", &[], ":OUTPUT ACCEPT\n-A OUTPUT -p udp\n")?;
    datagrams(&socket, 3, 100)?;
    assert_eq!(counted(&node, "a", "OUTPUT")?, [3, 3]);
    node.berth.ok(["rules", "insert", "a", "OUTPUT", "-p", "tcp"])?;
    node.berth.ok(["rules", "append", "a", "OUTPUT", "-d", "198.18.0.2", "-j", "ACCEPT"])?;
    assert_eq!(counted(&node, "a", "OUTPUT")?, [0, 3, 0, 3]);
    datagrams(&socket, 2, 100)?;
    assert_eq!(counted(&node, "a", "OUTPUT")?, [0, 5, 2, 3]);
    node.berth.ok(["rules", "delete", "a", "OUTPUT", "1"])?;
    assert_eq!(counted(&node, "a", "OUTPUT")?, [5, 2, 3]);
    let saved = node.berth.ok(["rules", "save", "a", "--counters"])?;
    assert!(saved.contains("[5:640] -A OUTPUT -p udp\n"), "{saved}");
    node.berth.ok(["rules", "flush", "a"])?;
    assert_eq!(node.berth.ok(["rules", "save", "a"])?, "");
    datagrams(&socket, 1, 100)?;
    Ok(())
}

#[test]
fn what_is_refused_changes_nothing() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    filter(&node, "a", &[], ":OUTPUT ACCEPT\n-A OUTPUT -p udp\n")?;
    let before = node.berth.ok(["rules", "save", "a"])?;
    for (text, words) in [
        ("*filter\n-A OUTPUT -p udp --dprot 7 -j DROP\nCOMMIT\n", "2:18: \"--dprot\""),
        ("*filter\n-A OUTPUT -j NONE\nCOMMIT\n", "NONE"),
        ("*filter\n-A INPUT -m conntrack --ctstate NEW -j ACCEPT\nCOMMIT\n", "mode stateless"),
        ("*nat\n-A POSTROUTING -j MASQUERADE\nCOMMIT\n", "nat"),
    ] {
        let output = with_text(&node, &["restore", "a"], text)?;
        assert_eq!((output.code(), output.stderr.contains(words)), (Some(1), true), "{output:?}");
        assert_eq!(node.berth.ok(["rules", "save", "a"])?, before);
    }
    let output = with_text(&node, &["check", "a"], "*filter\n-A OUTPUT -p tcp -j DROP\nCOMMIT\n")?;
    assert!(output.success() && output.stdout.starts_with("1 rules, "), "{output:?}");
    assert_eq!(node.berth.ok(["rules", "save", "a"])?, before);
    let output = with_text(&node, &["diff", "a"], "*filter\n-A OUTPUT -p tcp -j DROP\nCOMMIT\n")?;
    assert!(output.stdout.contains("\n--A OUTPUT -p udp\n+-A OUTPUT -p tcp -j DROP\n"), "{output:?}");
    Ok(())
}

#[test]
fn the_quota_is_held() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let sixteen: Vec<String> =
        (1..=16).map(|port| format!("-A INPUT -p tcp --dport {port} -j DROP\n")).collect();
    node.berth.ok(["container", "set", "a", "--max-rules", "16"])?;
    filter(&node, "a", &[], &sixteen.concat())?;
    let refused = node.berth.run(["rules", "append", "a", "INPUT", "-j", "DROP"])?;
    assert!(refused.code() == Some(1) && refused.stderr.contains("17 rules, and may hold 16"), "{refused:?}");
    let rules = node.berth.container("a")?.rules;
    assert_eq!((rules.held, rules.maxheld, rules.limit, rules.failcnt), (16, 16, 16, 1));
    node.berth.ok(["container", "set", "a", "--max-rules", "17"])?;
    node.berth.ok(["rules", "append", "a", "INPUT", "-j", "DROP"])?;
    let refused = node.berth.run(["container", "set", "a", "--max-rules", "15"])?;
    assert!(refused.code() == Some(1) && refused.stderr.contains("least is 16"), "{refused:?}");
    assert_eq!(node.berth.container("a")?.rules.limit, 17);
    Ok(())
}

#[test]
fn unconfirmed_changes_come_undone() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    filter(&node, "a", &[], "-A OUTPUT -p udp\n")?;
    let before = node.berth.ok(["rules", "save", "a"])?;
    node.berth.ok(["rules", "append", "--confirm", "1", "a", "OUTPUT", "-j", "DROP"])?;
    assert_ne!(node.berth.ok(["rules", "save", "a"])?, before);
    wait::until("the former rules", Duration::from_secs(20), || {
        Ok((node.berth.ok(["rules", "save", "a"])? == before).then_some(()))
    })?;
    node.berth.ok(["rules", "append", "--confirm", "2s", "a", "OUTPUT", "-p", "tcp"])?;
    node.berth.ok(["rules", "confirm", "a"])?;
    let after = node.berth.ok(["rules", "save", "a"])?;
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(node.berth.ok(["rules", "save", "a"])?, after);
    assert_eq!(node.berth.run(["rules", "confirm", "a"])?.code(), Some(1));
    Ok(())
}
