//! Checksums are right on the wire, whoever computes them.

use std::fs;

use anyhow::{Context as _, Result};
use berth_tests::echo::Echo;
use berth_tests::exchange::{datagrams, stream};
use berth_tests::topology::at;
use berth_tests::{Endpoint as _, Host, Netns, Sockets as _, Topology, in_netns, offload, privileged};

use crate::{INSIDE, NODE, Net, OUTSIDE, REMOTE, THERE};

/// What a host's kernel has found wrong checksums in, of all protocols.
pub fn wrong(netns: &Netns) -> Result<u64> {
    let read = |file: &str| in_netns(netns, || fs::read_to_string(format!("/proc/thread-self/net/{file}")));
    let (snmp, snmp6) = (read("snmp")??, read("snmp6")??);
    let mut count = 0;
    let lines: Vec<_> = snmp.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).collect();
    for pair in lines.chunks(2) {
        let [names, values] = pair else { continue };
        for (name, value) in names.iter().zip(values) {
            if name.ends_with("InCsumErrors") {
                count += value.parse::<u64>()?;
            }
        }
    }
    for line in snmp6.lines().filter(|line| line.contains("CsumErrors")) {
        count += line.split_whitespace().nth(1).context("a value")?.parse::<u64>()?;
    }
    Ok(count)
}

/// All that goes between guest and remote host, both ways, opened by either.
fn talk(net: &Net) -> Result<()> {
    let _there = Echo::start(net.remote(), &REMOTE, THERE)?;
    let _here = Echo::start(&net.c.host, &net.c.addresses, INSIDE)?;
    for (node, remote) in NODE.into_iter().zip(REMOTE) {
        for (from, to) in [(&net.c.host, at(remote, THERE)), (net.remote(), at(node, OUTSIDE))] {
            stream(&from.tcp_connect(to)?, 1 << 20)?;
            for size in [1, 100, 1_401] {
                datagrams(&from.udp_connect(to)?, 2, size)?;
            }
        }
    }
    Ok(())
}

#[test]
fn with_offload_and_without() -> Result<()> {
    privileged!();
    for on in [true, false] {
        let topology = Topology::builder().offloads(on).with_known_neighbours().build()?;
        let net = Net::with("", topology, &["--masquerade", "yes"])?;
        for protocol in ["tcp", "udp"] {
            net.publish(protocol, &[])?;
        }
        offload::set(net.c.host.netns(), berth_tests::bridge::INSIDE, on)?;
        offload::set(net.topology.node.netns(), &net.c.port, on)?;
        talk(&net)?;
        for host in [&net.c.host, net.remote(), &net.topology.node] as [&Host; 3] {
            assert_eq!(wrong(host.netns())?, 0, "offload {on}");
        }
    }
    Ok(())
}
