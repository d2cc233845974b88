//! One container opens flows without end, from within and from without, while another lives on its own quota.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use anyhow::{Context, Result, ensure};
use berth_tests::flood::{outward, syns};
use berth_tests::sockets::accept;
use berth_tests::topology::{NODE_V4, REMOTE_V4, at};
use berth_tests::view::Flow;
use berth_tests::{SharedNode, Sockets as _, privileged};

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

fn flood(config: &str, is_full: bool) -> Result<()> {
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

    let (stop, sent, sent_out) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| -> Result<()> {
        let out = scope.spawn(|| outward(&node.b, &stop, &sent_out));
        let inner = scope.spawn(|| syns(&node.topology, SERVICE + 1, &stop, &sent));
        let result = (|| {
            while [&sent, &sent_out].iter().any(|count| count.load(Ordering::Relaxed) < FLOOD) {
                ensure!(!inner.is_finished() && !out.is_finished(), "a flood has ended early");
                connections.carry()?;
                if !is_full && connections.ends.len() < CONNECTIONS + 50 {
                    connections.one(&node)?;
                }
            }
            connections.carry()
        })();
        stop.store(true, Ordering::Relaxed);
        inner.join().expect("the flood from outside")?;
        out.join().expect("the flood from inside")?;
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
    assert!(b.flows_evicted + refused + b.flows.maxheld >= FLOOD / 2, "{b:?}; {sent_out:?} sent by it");
    assert!(b.flows_evicted > 0, "{b:?}");
    // Nothing has passed as nobody's.
    let status = node.berth.status()?;
    assert_eq!(status.unowned.traffic.incoming.packets, 0, "{:?}", status.unowned);
    Ok(())
}

#[test]
fn a_container_that_is_flooded_hurts_no_other() -> Result<()> {
    privileged!();
    flood("[defaults]\nmode = 'stateful'\n", false)
}

/// The table has fewer slots than the flooded container may have flows.
#[test]
fn nor_does_it_with_a_full_table() -> Result<()> {
    privileged!();
    flood("[defaults]\nmode = 'stateful'\n[sizes]\nflows = 4096\n", true)
}
