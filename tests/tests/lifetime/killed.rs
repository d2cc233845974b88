//! `kill -9` of the daemon in the middle of traffic.

use std::time::Duration;

use anyhow::{Context, Result};
use berth_tests::topology::{NODE_V4, REMOTE_V4, UPLINK, at};
use berth_tests::view::{Both, Status, Traffic};
use berth_tests::{Pair, Place, SharedNode, Sockets, iperf, privileged};

use crate::pings::{self, Pings};

/// Where iperf3 serves.
const SERVICE: u16 = 5_201;
/// The transfer takes 4 seconds; five times that will do on any machine.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn no_packet_is_lost_and_none_unaccounted_for() -> Result<()> {
    privileged!();
    let mut node = SharedNode::new()?;
    let wire = Pair::attach(node.netns(), UPLINK, Place::First)?;
    let (quiet, before) = (wire.settle()?, node.berth.status()?);
    let _server = iperf::server(&node.topology.remote, SERVICE)?;
    let mut transfer = iperf::client(&node.a, (REMOTE_V4, SERVICE), &["-t", "4", "-b", "200M"])?;
    let pings = Pings::of(&node.b)?;
    let berth = &mut node.berth;
    pings.during(|| {
        pings.wait_for(20)?;
        berth.kill9()?;
        assert!(transfer.is_running()?);
        let orphaned = berth.status()?;
        assert_eq!(orphaned.rest["daemon"]["running"], false);
        // Counted and attributed without a daemon as with one.
        pings.wait_for(50)?;
        assert!(received(&berth.status()?, "b")? >= received(&orphaned, "b")? + 50);
        berth.restart()?;
        assert_eq!(berth.status()?.rest["daemon"]["running"], true);
        pings.wait_for(50)
    })?;
    let report = iperf::report(transfer, PATIENCE)?;
    let carried = iperf::received(&report)?;
    assert!(carried > 0, "{report}");

    let (seen, after) = (wire.settle()? - quiet, node.berth.status()?);
    let frames = [seen.ingress.frames, seen.egress.frames];
    let [incoming, outgoing] = frames.map(|tally| Traffic { packets: tally.packets, bytes: tally.bytes });
    assert_eq!(after.total() - before.total(), Both { incoming, outgoing });
    let count = pings.count();
    let each_way = Traffic { packets: count, bytes: count * pings::LENGTH };
    let of_b = traffic(&after, "b")? - traffic(&before, "b")?;
    assert_eq!(of_b, Both { incoming: each_way, outgoing: each_way });
    // And the rest is A's to the last byte: nothing was the host's or nobody's.
    let of_a = traffic(&after, "a")? - traffic(&before, "a")?;
    assert_eq!(of_a + of_b, Both { incoming, outgoing });
    assert!(of_a.outgoing.bytes > carried, "{of_a:?}");
    assert!(after.containers.iter().all(|container| container.plane.drops.is_empty()), "{after:?}");
    Ok(())
}

#[test]
fn ports_and_flows_are_enforced_without_a_daemon() -> Result<()> {
    privileged!();
    let mut node = SharedNode::new()?;
    let listener = node.topology.remote.tcp_listen(at(REMOTE_V4, 80))?;
    let old = node.a.tcp_listen(at(NODE_V4, 8080))?;
    node.berth.kill9()?;

    let refused = |port| {
        let socket = node.b.tcp(NODE_V4)?;
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(true)?;
        socket.bind(&at(NODE_V4, port).into())
    };
    assert_eq!(refused(8080).err().and_then(|error| error.raw_os_error()), Some(libc::EADDRINUSE));
    let new = node.a.tcp_listen(at(NODE_V4, 8081))?;
    assert_eq!(node.holders(8081)?.len(), 1);
    assert_eq!(refused(8081).err().and_then(|error| error.raw_os_error()), Some(libc::EADDRINUSE));
    drop(old);
    assert_eq!(node.holders(8080)?, []);
    refused(8080)?;
    let _connection = node.a.tcp_connect(listener.local_addr()?)?;

    node.berth.restart()?;
    assert_eq!(node.holders(8081)?.len(), 1);
    let flows = node.berth.flows()?;
    assert!(flows.iter().any(|flow| flow.owner == "a" && flow.dport == 80), "{flows:?}");
    drop(new);
    assert_eq!((node.holders(8081)?, node.ports_held("a")?), (vec![], 0));
    Ok(())
}

fn received(status: &Status, name: &str) -> Result<u64> {
    Ok(traffic(status, name)?.incoming.packets)
}

fn traffic(status: &Status, name: &str) -> Result<Both> {
    Ok(status.container(name).with_context(|| format!("there is no {name}"))?.plane.traffic)
}
