//! What rules log is told by `berth events`.

use anyhow::{Context as _, Result, ensure};
use berth_tests::topology::{NODE_V4, NODE_V6, REMOTE_V4, REMOTE_V6, at};
use berth_tests::wait::{self, LIMIT};
use berth_tests::{SharedNode, Sockets as _, privileged};
use serde_json::Value;

use crate::helpers::{counted, filter};

/// What rules of container a have logged, once there is as much as that.
fn logged(node: &SharedNode, count: usize) -> Result<Vec<Value>> {
    let logged = || -> Result<Vec<Value>> {
        let mut events = node.events()?;
        events.retain(|event| event["kind"] == "log" && event["container"] == "a");
        Ok(events)
    };
    wait::until_true("rules to log", LIMIT, || Ok(logged()?.len() >= count))?;
    let events = logged()?;
    ensure!(events.len() == count, "{events:?}");
    Ok(events)
}

#[test]
fn packets_are_told_with_the_rule_s_prefix_and_go_on() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    filter(
        &node,
        "a",
        &[],
        ":OUTPUT DROP\n-A OUTPUT -p udp -j LOG --log-prefix \"out: \" --log-level debug\n\
         -A OUTPUT -p udp -m mark --mark 0 -j MARK --set-mark 7\n\
         -A OUTPUT -p udp -j NFLOG --nflog-group 5 --nflog-prefix \"then: \"\n-A OUTPUT -p udp -j ACCEPT\n",
    )?;
    let receiver = node.topology.remote.udp_bind(at(REMOTE_V4, 9))?;
    let socket = node.a.udp_bind(at(NODE_V4, 5_000))?;
    socket.send_to(b"four", at(REMOTE_V4, 9))?;
    receiver.recv(&mut [0; 10])?;
    let events = logged(&node, 2)?;
    let packet = &events[0]["packet"];
    assert_eq!((&packet["src"], &packet["sport"]), (&NODE_V4.to_string().into(), &5_000.into()));
    assert_eq!((&packet["dst"], &packet["dport"]), (&REMOTE_V4.to_string().into(), &9.into()));
    assert_eq!(packet["protocol"], "udp");
    assert_eq!((&events[0]["reason"], &events[1]["reason"]), (&"log".into(), &"nflog".into()));
    let logs = [&events[0]["log"], &events[1]["log"]];
    assert_eq!((&logs[0]["prefix"], &logs[0]["level"]), (&"out: ".into(), &7.into()));
    assert_eq!((&logs[1]["prefix"], &logs[1]["group"]), (&"then: ".into(), &5.into()));
    assert_eq!(logs.map(|log| log["mark"].as_u64()), [Some(0), Some(7)]);
    for log in logs {
        assert_eq!((&log["chain"], &log["length"]), (&"OUTPUT".into(), &32.into()));
        assert_eq!((&log["ttl"], &log["tos"]), (&64.into(), &0.into()));
    }
    assert_eq!(counted(&node, "a", "OUTPUT")?, [1, 1, 1, 1, 0]);
    let told = node.berth.ok(["events"])?;
    let line = told.lines().find(|line| line.contains("out: ")).context("no line with the prefix")?;
    assert!(line.ends_with("LEN=32 TOS=0x00 TTL=64 MARK=0x0"), "{line}");
    Ok(())
}

#[test]
fn segments_are_told_with_their_flags() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    filter(
        &node,
        "a",
        &["--ipv6"],
        ":INPUT ACCEPT\n-A INPUT -p tcp --syn -j LOG --log-prefix new\n-A INPUT -p tcp --dport 9 -j REJECT\n",
    )?;
    let _listener = node.a.tcp_listen(at(NODE_V6, 80))?;
    drop(node.topology.remote.tcp_connect_from(at(REMOTE_V6, 6_000), at(NODE_V6, 80))?);
    let events = logged(&node, 1)?;
    assert_eq!((&events[0]["log"]["tcp_flags"], &events[0]["log"]["chain"]), (&2.into(), &"INPUT".into()));
    // What an earlier ruleset logged is not given the prefix of another.
    filter(&node, "a", &["--ipv6"], ":INPUT ACCEPT\n-A INPUT -p tcp --syn -j LOG --log-prefix other\n")?;
    drop(node.topology.remote.tcp_connect_from(at(REMOTE_V6, 6_001), at(NODE_V6, 80))?);
    let events = logged(&node, 2)?;
    let prefixes: Vec<_> = events.iter().map(|event| event["log"]["prefix"].as_str()).collect();
    assert_eq!(prefixes, [Some("new"), Some("other")]);
    Ok(())
}
