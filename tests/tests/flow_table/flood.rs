//! One container opens flows without end, from within and from without, while another lives on its own quota.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, ScopedJoinHandle};

use anyhow::{Context, Result, ensure};
use berth_tests::flood::{outward, outward_syns, syns};
use berth_tests::sockets::accept;
use berth_tests::topology::{NODE_V4, REMOTE_V4, at};
use berth_tests::view::{Container, Flow};
use berth_tests::wait::{self, LIMIT};
use berth_tests::{SharedNode, Sockets as _, privileged};
use serde_json::Value;

const SERVICE: u16 = 8080;
/// Of a quota of 1,000.
const CONNECTIONS: usize = 900;
/// Each way, at least.
const FLOOD: u64 = 200_000;

/// Connections of A's that have gone to and fro: some that it has opened, some that were opened to it.
struct Connections {
    ends: Vec<(TcpStream, TcpStream)>,
    listeners: [TcpListener; 2],
}

impl Connections {
    fn open(node: &SharedNode) -> Result<Self> {
        let far = node.topology.remote.tcp_listen(at(REMOTE_V4, SERVICE))?;
        let own = node.a.tcp_listen(at(NODE_V4, SERVICE))?;
        let mut all = Self { ends: Vec::new(), listeners: [far, own] };
        while all.ends.len() < CONNECTIONS {
            all.one(node)?;
        }
        Ok(all)
    }

    /// One more, each second one the other way.
    fn one(&mut self, node: &SharedNode) -> Result<()> {
        let [far, own] = &self.listeners;
        let (near, there) = if self.ends.len().is_multiple_of(2) {
            let near = node.a.tcp_connect(at(REMOTE_V4, SERVICE))?;
            (near, accept(far)?.0)
        } else {
            let there = node.topology.remote.tcp_connect(at(NODE_V4, SERVICE))?;
            (accept(own)?.0, there)
        };
        self.ends.push((near, there));
        Ok(())
    }

    /// Each carries something, both ways.
    fn carry(&self) -> Result<()> {
        for (number, (near, there)) in self.ends.iter().enumerate() {
            let told = || format!("connection {number} of {}", self.ends.len());
            byte(near, there).with_context(told)?;
            byte(there, near).with_context(told)?;
        }
        Ok(())
    }
}

fn byte(mut from: &TcpStream, mut to: &TcpStream) -> Result<()> {
    from.write_all(b"x")?;
    Ok(to.read_exact(&mut [0])?)
}

/// The flows of A's connections.
fn of_a(node: &SharedNode) -> Result<Vec<Flow>> {
    let mut flows = node.berth.flows()?;
    flows.retain(|flow| flow.owner == "a" && flow.state == "ESTABLISHED");
    Ok(flows)
}

fn flood(config: &str) -> Result<()> {
    let node = SharedNode::configured(config)?;
    node.berth.ok(["container", "set", "a", "--max-flows", "1000"])?;
    node.berth.ok(["container", "set", "b", "--max-flows", "10000"])?;
    let mut connections = Connections::open(&node)?;
    connections.carry()?;
    let before = of_a(&node)?;
    assert_eq!(before.len(), CONNECTIONS);
    assert!(before.iter().all(|flow| flow.assured));
    // What comes to it is B's, though nobody listens.
    node.berth.ok(["ports", "reserve", "b", &format!("tcp/{}", SERVICE + 1)])?;

    let (stop, sent) = (AtomicBool::new(false), <[AtomicU64; 3]>::default());
    let [inward, datagrams, outward_sent] = &sent;
    thread::scope(|scope| -> Result<()> {
        let floods = [
            scope.spawn(|| syns(&node.topology, SERVICE + 1, &stop, inward)),
            scope.spawn(|| outward(&node.b, &stop, datagrams)),
            scope.spawn(|| outward_syns(&node.b, &stop, outward_sent)),
        ];
        let result = (|| {
            while sent.iter().any(|count| count.load(Ordering::Relaxed) < FLOOD) {
                ensure!(!floods.iter().any(ScopedJoinHandle::is_finished), "a flood has ended early");
                connections.carry()?;
                if connections.ends.len() < CONNECTIONS + 50 {
                    connections.one(&node)?;
                }
            }
            connections.carry()?;
            ensure!(connections.ends.len() > CONNECTIONS, "A has opened none meanwhile");
            none_is_left(&node)
        })();
        stop.store(true, Ordering::Relaxed);
        for flood in floods {
            flood.join().expect("a flood")?;
        }
        result
    })?;
    connections.carry()?;
    let after = of_a(&node)?;
    assert_eq!(after.len(), connections.ends.len(), "A's connections are all known");
    let [a, b] = ["a", "b"].map(|name| node.berth.container(name));
    let (a, b) = (a?, b?);
    assert_eq!((a.flows.failcnt, a.flows_evicted), (0, 0), "{a:?}");
    assert!(a.plane.drops.is_empty(), "{:?}", a.plane.drops);
    // B has had more than it may have, and each too many was another one less, or was refused.
    assert!(b.flows.maxheld <= 10_000, "{b:?}");
    let refused = b.plane.drops.values().sum::<u64>();
    assert!(b.flows_evicted + refused + b.flows.maxheld >= FLOOD, "{b:?}; {sent:?} sent");
    assert!(b.flows_evicted > 0, "{b:?}");
    // Half of its SYNs were from addresses that are not its own.
    assert!(b.plane.drops.get("spoofed-source").is_some_and(|count| *count >= FLOOD / 3), "{b:?}");
    // Nothing has passed as nobody's.
    let status = node.berth.status()?;
    assert_eq!(status.unowned.traffic.incoming.packets, 0, "{:?}", status.unowned);
    Ok(())
}

/// B may have none any more, while it goes on: that is counted, and told.
fn none_is_left(node: &SharedNode) -> Result<()> {
    let before = node.berth.container("b")?;
    node.berth.ok(["container", "set", "b", "--max-flows", "0"])?;
    wait::until_true(
        "B to have no more flows",
        LIMIT * 4,
        || Ok(node.berth.container("b")?.flows.held == 0),
    )?;
    let after = node.berth.container("b")?;
    let refused = |b: &Container| b.plane.drops.get("flow-quota").copied().unwrap_or(0);
    ensure!(after.flows.failcnt >= before.flows.failcnt + 1_000, "{before:?}, {after:?}");
    ensure!(refused(&after) >= refused(&before) + 1_000, "{before:?}, {after:?}");
    let mut told = BTreeSet::new();
    for line in node.berth.ok(["events", "--last", "1000", "--json"])?.lines() {
        let event: Value = serde_json::from_str(line)?;
        told.insert(
            [&event["container"], &event["reason"]].map(|text| text.as_str().unwrap_or("").to_owned()),
        );
    }
    for reason in ["flow-quota", "spoofed-source"] {
        ensure!(told.contains(&["b".to_owned(), reason.to_owned()]), "{reason} is not told: {told:?}");
    }
    ensure!(told.iter().all(|[container, _]| container != "a"), "of A there is nothing to tell: {told:?}");
    Ok(())
}

#[test]
fn a_container_that_is_flooded_hurts_no_other() -> Result<()> {
    privileged!();
    flood("[defaults]\nmode = 'stateful'\n")
}

/// The table has fewer slots than the flooded container may have flows.
#[test]
fn nor_does_it_with_a_full_table() -> Result<()> {
    privileged!();
    flood("[defaults]\nmode = 'stateful'\n[sizes]\nflows = 4096\n")
}
