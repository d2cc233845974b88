//! What can be set about flows, while they are there.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use berth_tests::sockets::unspecified;
use berth_tests::topology::{NODE_V4, REMOTE_V4, at};
use berth_tests::view::Flow;
use berth_tests::wait::LIMIT;
use berth_tests::{Process, SharedNode, Sockets, privileged};
use serde_json::Value;

#[test]
fn timeouts_hold_from_the_next_packet_on() -> Result<()> {
    privileged!();
    let node = SharedNode::configured("[defaults]\nmode = 'stateful'\n")?;
    let socket = node.a.udp_bind(unspecified(NODE_V4, 0))?;
    let left = || -> Result<u64> {
        socket.send_to(b"", at(REMOTE_V4, 9))?;
        let flows = node.berth.flows()?;
        assert_eq!(flows.len(), 1, "{flows:?}");
        Ok(flows[0].expires_in_ms)
    };
    assert!((25_000..=30_000).contains(&left()?));
    node.berth.ok(["container", "set", "a", "--timeouts", "udp=3600,icmp=1"])?;
    assert!((3_595_000..=3_600_000).contains(&left()?));
    node.berth.ok(["container", "set", "a", "--timeouts", "udp=0"])?;
    assert!((25_000..=30_000).contains(&left()?));
    // Each by itself.
    let shown = node.berth.json(["container", "show", "a"])?;
    assert_eq!(shown["timeouts"], serde_json::json!({"icmp": 1, "udp": 0}));
    let refused = node.berth.run(["container", "set", "a", "--timeouts", "udpx=3"])?;
    assert!(!refused.success() && refused.stderr.contains("no timeout is called \"udpx\""), "{refused:?}");
    Ok(())
}

#[test]
fn no_more_new_flows_in_a_second_than_may_be() -> Result<()> {
    privileged!();
    let node = SharedNode::configured("[defaults]\nmode = 'stateful'\n")?;
    node.berth.ok(["container", "set", "a", "--max-flow-rate", "5"])?;
    let socket = node.a.udp_bind(unspecified(NODE_V4, 0))?;
    let sent = (1..=200).filter(|port| socket.send_to(b"", at(REMOTE_V4, *port)).is_ok()).count();
    // Five at once, and some more if this took long.
    assert!((5..100).contains(&sent), "{sent}");
    let after = node.berth.container("a")?;
    assert_eq!(after.plane.drops.get("flow-rate"), Some(&(200 - sent as u64)), "{after:?}");
    assert_eq!((after.flows.held, after.flows.failcnt), (sent as u64, 0));
    // What is there goes on, and so do others.
    socket.send_to(b"", at(REMOTE_V4, 1))?;
    let other = node.b.udp_bind(unspecified(NODE_V4, 0))?;
    for port in 1..=50 {
        other.send_to(b"", at(REMOTE_V4, port))?;
    }
    node.berth.ok(["container", "set", "a", "--max-flow-rate", "0"])?;
    for port in 300..=350 {
        socket.send_to(b"", at(REMOTE_V4, port))?;
    }
    Ok(())
}

#[test]
fn the_flows_that_are_meant_are_shown_and_deleted() -> Result<()> {
    privileged!();
    let node = SharedNode::configured("[defaults]\nmode = 'stateful'\n")?;
    for (tenant, packets) in [(&node.a, 1), (&node.b, 3)] {
        let socket = tenant.udp_bind(unspecified(NODE_V4, 0))?;
        for port in (1..=5).flat_map(|port| [port].repeat(packets)) {
            socket.send_to(b"", at(REMOTE_V4, port))?;
        }
    }
    let list = |arguments: &[&str]| -> Result<Vec<(String, u16)>> {
        let flows: Vec<Flow> = node.berth.view([&["flows", "list"], arguments].concat())?;
        Ok(flows.into_iter().map(|flow| (flow.owner, flow.dport)).collect())
    };
    let of =
        |owner: &str, ports: &[u16]| ports.iter().map(|port| (owner.to_owned(), *port)).collect::<Vec<_>>();
    assert_eq!(list(&["--port", "3"])?, [of("a", &[3]), of("b", &[3])].concat());
    assert_eq!(
        list(&["--owner", "b", "--sort", "packets", "--limit", "2", "--offset", "1"])?,
        of("b", &[2, 3])
    );
    assert_eq!(list(&["--sort", "packets", "--limit", "5"])?, of("b", &[1, 2, 3, 4, 5]));
    assert_eq!(list(&["--protocol", "tcp"])?, []);
    let told = node.berth.ok(["flows", "flush", "--port", "3", "--address", &REMOTE_V4.to_string()])?;
    assert_eq!(told.trim(), "2 flows deleted");
    assert_eq!(list(&["--owner", "a"])?, of("a", &[1, 2, 4, 5]));
    let told = node.berth.ok(["flows", "flush", "--owner", "b", "--protocol", "udp"])?;
    assert_eq!(told.trim(), "4 flows deleted");
    assert_eq!(list(&[])?, of("a", &[1, 2, 4, 5]));
    let held = |name| Ok::<_, anyhow::Error>(node.berth.container(name)?.flows.held);
    assert_eq!((held("a")?, held("b")?), (4, 0));
    Ok(())
}

#[test]
fn the_busiest_come_first() -> Result<()> {
    privileged!();
    let node = SharedNode::configured("[defaults]\nmode = 'stateful'\n")?;
    let socket = node.a.udp_bind(unspecified(NODE_V4, 0))?;
    // What was carried before counts for nothing.
    for port in [1, 1, 1, 1, 1, 1, 2, 3] {
        socket.send_to(&[0; 1_000], at(REMOTE_V4, port))?;
    }
    let mut top = Process::spawn(&mut node.berth.command([
        "flows",
        "top",
        "--owner",
        "a",
        "--interval",
        "3",
        "--limit",
        "2",
        "--json",
    ])?)?;
    let sends = Instant::now();
    while top.is_running()? {
        ensure!(sends.elapsed() < LIMIT * 4, "it does not end");
        for port in [2, 3, 3, 4, 4, 4] {
            socket.send_to(&[0; 100], at(REMOTE_V4, port))?;
        }
        thread::sleep(Duration::from_millis(20));
    }
    let flows: Value = serde_json::from_str(&top.stdout()?)?;
    let found: Vec<_> = flows.as_array().into_iter().flatten().map(|flow| &flow["dport"]).collect();
    assert_eq!(found, [4, 3], "{flows:#}");
    let rate = |place: usize| flows[place]["out_per_second"]["packets"].as_f64().unwrap_or(0.0);
    // Three to two, and never more than were sent.
    assert!((1.3..1.7).contains(&(rate(0) / rate(1))) && rate(0) < 3.0 * 51.0, "{flows:#}");
    Ok(())
}
