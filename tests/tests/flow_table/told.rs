//! Events tell of flows that begin and end, of those whose containers want it.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use berth_tests::frame::Packet;
use berth_tests::sockets::{errno, send_packet, unspecified};
use berth_tests::topology::{NODE_V4, REMOTE_V4, at};
use berth_tests::wait::{self, LIMIT};
use berth_tests::{Process, SharedNode, Sockets, privileged};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use socket2::Protocol;

/// The events of a kind of a container's flows: reason, remote port, packets of either side.
fn told(node: &SharedNode, name: &str, kind: &str) -> Result<Vec<(String, u64, u64, u64)>> {
    let number = |value: &Value| value.as_u64().unwrap_or(u64::MAX);
    let mut all = Vec::new();
    for line in node.berth.ok(["events", "--last", "1000", "--json"])?.lines() {
        let event: Value = serde_json::from_str(line)?;
        if event["container"] == name && event["kind"] == kind {
            let flow = &event["flow"];
            let packets = [&flow["out"]["packets"], &flow["in"]["packets"]].map(number);
            let reason = event["reason"].as_str().unwrap_or_default().to_owned();
            all.push((reason, number(&flow["dport"]), packets[0], packets[1]));
        }
    }
    Ok(all)
}

#[test]
fn when_they_begin_and_end() -> Result<()> {
    privileged!();
    let node = SharedNode::configured("[defaults]\nmode = 'stateful'\n[timeouts]\nudp = 1\n")?;
    node.berth.ok(["container", "set", "a", "--flow-events", "all"])?;
    let remote = node.topology.remote.udp_bind(at(REMOTE_V4, 7))?;
    for tenant in [&node.a, &node.b] {
        let socket = tenant.udp_bind(unspecified(NODE_V4, 0))?;
        socket.send_to(b"", at(REMOTE_V4, 7))?;
        socket.send_to(b"", at(REMOTE_V4, 7))?;
        remote.recv_from(&mut [0; 8])?;
        let (_, from) = remote.recv_from(&mut [0; 8])?;
        remote.send_to(b"", from)?;
        socket.recv_from(&mut [0; 8])?;
    }
    wait::until_true("the beginning to be told", LIMIT, || Ok(!told(&node, "a", "flow-start")?.is_empty()))?;
    // Its first packet is counted when it leaves, after that.
    assert_eq!(told(&node, "a", "flow-start")?, [("begun".to_owned(), 7, 0, 0)]);
    // The daemon comes by every five seconds.
    wait::until_true("the end to be told", LIMIT * 4, || Ok(!told(&node, "a", "flow-end")?.is_empty()))?;
    assert_eq!(told(&node, "a", "flow-end")?, [("expired".to_owned(), 7, 2, 1)]);
    for kind in ["flow-start", "flow-end"] {
        assert_eq!(told(&node, "b", kind)?, []);
    }
    // For people, too.
    let text = node.berth.ok(["events"])?;
    let line = text.lines().find(|line| line.contains("flow-end")).unwrap_or_default();
    assert!(line.contains("a flow-end expired: udp ") && line.contains("2 packets"), "{text}");
    let shown = node.berth.json(["container", "show", "a"])?;
    assert_eq!(shown["flow_events"], "all");
    let refused = node.berth.run(["container", "set", "a", "--flow-events", "1/3"])?;
    assert!(!refused.success() && refused.stderr.contains("a power of two"), "{refused:?}");
    Ok(())
}

/// How many flows are begun at once, which is more than there is room for until somebody reads.
const FLOWS: u16 = 3_000;

/// While nobody reads, those that find no room are counted, and told with the next; and what is dropped meanwhile is still told.
#[test]
fn none_is_lost_without_a_word() -> Result<()> {
    privileged!();
    let node = SharedNode::configured("[defaults]\nmode = 'stateful'\n")?;
    node.berth.ok(["container", "set", "a", "--flow-events", "all", "--max-flows", "100000"])?;
    let mut follower =
        Process::spawn(&mut node.berth.command(["events", "--follow", "--json", "--last", "0"])?)?;
    let socket = node.a.udp_bind(unspecified(NODE_V4, 0))?;
    // It follows from some moment on.
    wait::until_true("the follower to be told something", LIMIT, || {
        socket.send_to(b"", at(REMOTE_V4, 1))?;
        node.berth.ok(["flows", "flush"])?;
        Ok(!follower.stdout()?.is_empty())
    })?;
    let daemon = node.berth.daemon_id().context("no daemon")?;
    let stopped = Stopped::new(daemon)?;
    for port in 0..FLOWS {
        socket.send_to(b"", at(REMOTE_V4, 1_000 + port))?;
    }
    let spoofed = node.b.raw_with_header(NODE_V4, Protocol::from(libc::IPPROTO_RAW))?;
    let forged = Packet::udp(at(REMOTE_V4, 5), at(REMOTE_V4, 6)).build()?;
    assert_eq!(errno(send_packet(&spoofed, &forged, REMOTE_V4)), Some(libc::EPERM));
    drop(stopped);
    let (mut told, mut begun, mut lost, mut more) = (Vec::<Value>::new(), Vec::new(), 0, 0);
    wait::until_true("all to be told, or told to be lost", LIMIT * 2, || {
        // Those that were lost last are told with the next, which begins and ends, and may be lost itself.
        socket.send_to(b"", at(REMOTE_V4, 1))?;
        node.berth.ok(["flows", "flush", "--port", "1"])?;
        more += 2;
        let text = follower.stdout()?;
        told = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let starts = told.iter().filter(|event| event["kind"] == "flow-start");
        begun =
            starts.filter_map(|event| event["packet"]["dport"].as_u64()).filter(|port| *port != 1).collect();
        lost = told.iter().filter_map(|event| event["suppressed"].as_u64()).sum();
        Ok(begun.len() as u64 + lost >= u64::from(FLOWS))
    })?;
    assert!(lost > 0, "all had room");
    assert_eq!(begun.iter().collect::<BTreeSet<_>>().len(), begun.len(), "some were told twice");
    let all = u64::from(FLOWS)..=u64::from(FLOWS) + more;
    assert!(all.contains(&(begun.len() as u64 + lost)), "{} were told, {lost} were lost", begun.len());
    let is_drop = |event: &&Value| event["reason"] == "spoofed-source" && event["container"] == "b";
    assert_eq!(told.iter().filter(is_drop).count(), 1);
    Ok(())
}

/// A process that does nothing until this is dropped.
struct Stopped(u32);

impl Stopped {
    fn new(process: u32) -> Result<Self> {
        signal(process, Signal::SIGSTOP)?;
        Ok(Self(process))
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = signal(self.0, Signal::SIGCONT);
    }
}

fn signal(process: u32, signal: Signal) -> Result<()> {
    Ok(kill(Pid::from_raw(i32::try_from(process)?), signal)?)
}

/// One in eight, of either end; and what goes with its container is told under its name.
#[test]
fn some_of_many_and_those_of_a_container_that_goes() -> Result<()> {
    privileged!();
    let node = SharedNode::configured("[defaults]\nmode = 'stateful'\n")?;
    node.berth.ok(["container", "set", "a", "--flow-events", "1/8"])?;
    let socket = node.a.udp_bind(unspecified(NODE_V4, 0))?;
    for port in 1..=400 {
        socket.send_to(b"", at(REMOTE_V4, port))?;
    }
    node.berth.ok(["container", "rm", "a"])?;
    let ports = |kind| -> Result<BTreeSet<u64>> {
        Ok(told(&node, "a", kind)?.into_iter().map(|(_, port, ..)| port).collect())
    };
    wait::until_true("the ends to be told", LIMIT, || Ok(ports("flow-end")? == ports("flow-start")?))?;
    assert!((20..90).contains(&ports("flow-end")?.len()), "{:?}", ports("flow-end")?);
    assert!(told(&node, "a", "flow-end")?.iter().all(|(reason, ..)| reason == "flushed"));
    Ok(())
}
