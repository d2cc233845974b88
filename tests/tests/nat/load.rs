//! Much at once, by those who connect out and those who connect in.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Result;
use berth_tests::echo::Echo;
use berth_tests::exchange::stream;
use berth_tests::topology::at;
use berth_tests::{Endpoint as _, Host, Sockets as _, cases, iperf, privileged};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::checksums::wrong;
use crate::{INSIDE, NODE, Net, OUTSIDE, REMOTE, THERE};

const CONNECTIONS: usize = 1_000;
const LEAST_CONNECTIONS: usize = 300;
const STREAMS: usize = 100;
const LEAST_STREAMS: usize = 20;
/// For tests of iperf3's that take two seconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// Published and masqueraded.
fn net() -> Result<Net> {
    let net = Net::published()?;
    net.berth.ok(["container", "set", "c", "--masquerade", "yes"])?;
    Ok(net)
}

#[test]
fn a_thousand_connections() -> Result<()> {
    privileged!();
    let net = net()?;
    let count = cases::number(CONNECTIONS, LEAST_CONNECTIONS)?;
    // Both ends of each are this process's.
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, soft.max(4_096), hard.max(4_096))?;
    let _there = Echo::start(net.remote(), &REMOTE[..1], THERE)?;
    let _here = Echo::start(&net.c.host, &net.c.addresses[..1], INSIDE)?;
    let mut connections = Vec::new();
    while connections.len() < count {
        connections.push(net.c.host.tcp_connect(at(REMOTE[0], THERE))?);
        connections.push(net.remote().tcp_connect(at(NODE[0], OUTSIDE))?);
    }
    for connection in &connections {
        stream(connection, 100)?;
    }
    let flows = net.berth.flows()?;
    let (out, inward): (Vec<_>, Vec<_>) = flows.iter().partition(|flow| flow.dport == THERE);
    assert_eq!((out.len(), inward.len()), (count.div_ceil(2), count.div_ceil(2)));
    let ports: BTreeSet<_> = out.iter().map(|flow| flow.nat["port"].as_u64()).collect();
    assert_eq!(ports.len(), out.len());
    Ok(())
}

/// A hundred connections at a time, in segments that are put together and taken apart on the way.
#[test]
fn iperf3_with_a_hundred_streams() -> Result<()> {
    privileged!();
    let net = net()?;
    let _there = iperf::server(net.remote(), THERE)?;
    let _here = iperf::server(&net.c.host, INSIDE)?;
    let (c, remote) = (&net.c.host, net.remote());
    // In an emulated machine the last of a hundred receives nothing in two seconds.
    let streams = cases::number(STREAMS, LEAST_STREAMS)?;
    let count = streams.to_string();
    for (from, to, server, port) in [
        (c, (REMOTE[0], THERE), remote, THERE),
        (remote, (NODE[0], OUTSIDE), c, INSIDE),
        (remote, (NODE[1], OUTSIDE), c, INSIDE),
    ] {
        for more in [&["-R"][..], &[]] {
            iperf::listens(server, port)?;
            let client = iperf::client(from, to, &[&["-t", "2", "-P", &count][..], more].concat())?;
            let received = iperf::received_by_each(&iperf::report(client, PATIENCE)?)?;
            let idle = received.iter().filter(|bytes| **bytes == 0).count();
            assert_eq!((received.len(), idle), (streams, 0), "{to:?} {more:?}: {received:?}");
        }
    }
    for host in [&net.c.host, net.remote(), &net.topology.node] as [&Host; 3] {
        assert_eq!(wrong(host.netns())?, 0);
    }
    let c = net.berth.container("c")?;
    assert!(c.plane.drops.is_empty(), "{:?}", c.plane.drops);
    Ok(())
}
