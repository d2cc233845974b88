//! Two nodes with berth on each: from behind the one to what the other one has published.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use berth_tests::echo::Echo;
use berth_tests::exchange::{datagrams, pings, stream};
use berth_tests::process::settle;
use berth_tests::sockets::{accept, icmp};
use berth_tests::topology::{WIRE, at};
use berth_tests::{Berth, Bridge, Endpoint as _, Guest, Host, Sockets as _, iperf, privileged};
use serde_json::json;

use crate::checksums::wrong;
use crate::{INSIDE, NODE, Net, OUTSIDE, REMOTE, routes};

const MUCH: usize = 4 << 20;
const PATIENCE: Duration = Duration::from_secs(20);
/// Of both nodes: a container's own address says nothing outside of its node.
const NET: u8 = 77;

/// `c` on the one node and `d` on the other have the same address. Both are masqueraded, and their ports published.
struct Nodes {
    d: Guest,
    there: Berth,
    _bridge: Bridge,
    here: Net,
}

/// One of the two ways: who asks, whom, by which address of each node.
struct Way<'a> {
    client: &'a Guest,
    server: &'a Guest,
    /// The addresses of the client's node, and of the server's.
    nodes: [[IpAddr; 2]; 2],
    /// Who keeps the client, by what name, and who the server.
    berths: [(&'a Berth, &'static str); 2],
}

impl Nodes {
    fn new() -> Result<Self> {
        let here = Net::published()?;
        here.berth.ok(["container", "set", "c", "--masquerade", "yes"])?;
        let node = &here.topology.remote;
        routes(node)?;
        let bridge = Bridge::create(node, NET)?;
        let d = bridge.guest(2)?;
        let there = Berth::builder_on(node).uplinks(&[WIRE]).start()?;
        let add = ["container", "add", "d", "--mode", "full", "--masquerade", "yes"].map(str::to_owned);
        there.ok(add.into_iter().chain(d.options()))?;
        for protocol in ["tcp", "udp"] {
            let service = format!("{protocol}/{OUTSIDE}");
            there.ok(["publish", "add", "d", &service, "--to-port", &INSIDE.to_string()])?;
        }
        Ok(Self { d, there, _bridge: bridge, here })
    }

    fn ways(&self) -> [Way<'_>; 2] {
        let (c, d) = (&self.here.c, &self.d);
        let (here, there) = ((&self.here.berth, "c"), (&self.there, "d"));
        [
            Way { client: c, server: d, nodes: [NODE, REMOTE], berths: [here, there] },
            Way { client: d, server: c, nodes: [REMOTE, NODE], berths: [there, here] },
        ]
    }

    fn check_sums(&self) -> Result<()> {
        let topology = &self.here.topology;
        for host in [&self.here.c.host, &self.d.host, &topology.node, &topology.remote] as [&Host; 4] {
            assert_eq!(wrong(host.netns())?, 0);
        }
        Ok(())
    }
}

#[test]
fn each_container_is_its_node_to_the_other() -> Result<()> {
    privileged!();
    let nodes = Nodes::new()?;
    for way in nodes.ways() {
        for family in [0, 1] {
            let ([near, far], inside) = (way.nodes.map(|of| of[family]), way.server.addresses[family]);
            let listener = way.server.host.tcp_listen(at(inside, INSIDE))?;
            let client = way.client.host.tcp_connect(at(far, OUTSIDE))?;
            let seen = accept(&listener)?.1;
            assert_eq!((seen.ip(), client.local_addr()?.ip()), (near, way.client.addresses[family]));
            // Each node knows its own half of it.
            let [(keeper, name), (other, other_name)] = way.berths;
            let mine = |berth: &Berth, owner: &str, port: u16| -> Result<serde_json::Value> {
                let flows = berth.flows()?;
                let flow = flows.iter().find(|flow| {
                    flow.owner == owner && flow.dport == port && flow.dst.is_ipv4() == near.is_ipv4()
                });
                Ok(flow.with_context(|| format!("no flow of {owner}: {flows:?}"))?.nat.clone())
            };
            assert_eq!(mine(keeper, name, OUTSIDE)?, json!({ "address": near, "port": seen.port() }));
            assert_eq!(mine(other, other_name, INSIDE)?, json!({ "address": far, "port": OUTSIDE }));
            for (berth, name) in way.berths {
                berth.ok(["flows", "flush", "--owner", name])?;
            }
        }
    }
    Ok(())
}

#[test]
fn whatever_goes_from_one_to_the_other() -> Result<()> {
    privileged!();
    let nodes = Nodes::new()?;
    let (c, d) = (&nodes.here.c, &nodes.d);
    let _echoes = [Echo::start(&c.host, &c.addresses, INSIDE)?, Echo::start(&d.host, &d.addresses, INSIDE)?];
    for way in nodes.ways() {
        for family in [0, 1] {
            let (own, far) = (way.client.addresses[family], way.nodes[1][family]);
            let connections = (0..20).map(|_| way.client.host.tcp_connect(at(far, OUTSIDE)));
            let connections = connections.collect::<std::io::Result<Vec<_>>>()?;
            connections.iter().try_for_each(|connection| stream(connection, 10_000))?;
            stream(&connections[0], MUCH)?;
            for size in [1, 1_000, 4_000] {
                datagrams(&way.client.host.udp_connect(at(far, OUTSIDE))?, 10, size)?;
            }
            // The other node answers for itself.
            pings(&way.client.host.raw(own, icmp(own))?, (own, far), 77, 3)?;
        }
    }
    nodes.check_sums()?;
    settle();
    for (berth, name) in nodes.ways()[0].berths {
        let (container, status) = (berth.container(name)?, berth.status()?);
        assert!(container.plane.drops.is_empty(), "{container:?}");
        assert!(status.unowned.drops.is_empty(), "{:?}", status.unowned);
    }
    Ok(())
}

#[test]
fn iperf3_from_one_to_the_other() -> Result<()> {
    privileged!();
    let nodes = Nodes::new()?;
    for way in nodes.ways() {
        let _server = iperf::server(&way.server.host, INSIDE)?;
        for far in way.nodes[1] {
            for more in [&["-R"][..], &[]] {
                iperf::listens(&way.server.host, INSIDE)?;
                let arguments = [&["-t", "2", "-P", "4"][..], more].concat();
                let client = iperf::client(&way.client.host, (far, OUTSIDE), &arguments)?;
                let received = iperf::received_by_each(&iperf::report(client, PATIENCE)?)?;
                assert!(
                    received.len() == 4 && received.iter().all(|bytes| *bytes > 0),
                    "{far}: {received:?}"
                );
            }
        }
    }
    nodes.check_sums()
}
