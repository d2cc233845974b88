//! Events tell of flows that begin and end, of those whose containers want it.

use anyhow::Result;
use berth_tests::sockets::unspecified;
use berth_tests::topology::{NODE_V4, REMOTE_V4, at};
use berth_tests::wait::{self, LIMIT};
use berth_tests::{Process, SharedNode, Sockets, privileged};
use serde_json::Value;

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

/// How many flows are begun at once.
const FLOWS: u64 = 3_000;

/// As many as are begun at once: those that find no room with the reader are counted.
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
    for port in 0..FLOWS {
        socket.send_to(b"", at(REMOTE_V4, 1_000 + u16::try_from(port)?))?;
    }
    wait::until_true("all to be told, or told to be lost", LIMIT, || {
        // Those that were lost last are told with the next.
        socket.send_to(b"", at(REMOTE_V4, 1))?;
        node.berth.ok(["flows", "flush", "--port", "1"])?;
        let (mut begun, mut lost) = (0, 0);
        for line in follower.stdout()?.lines() {
            let Ok(event) = serde_json::from_str::<Value>(line) else { continue };
            begun += u64::from(event["kind"] == "flow-start" && event["packet"]["dport"] != 1);
            lost += event["suppressed"].as_u64().unwrap_or(0);
        }
        Ok(begun + lost >= FLOWS)
    })
}
