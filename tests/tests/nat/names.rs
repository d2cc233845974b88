//! Ports that flows go out by.

use anyhow::Result;
use berth_tests::echo::Echo;
use berth_tests::exchange::datagrams;
use berth_tests::process::settle;
use berth_tests::topology::{REMOTE2_V4, at};
use berth_tests::{Sockets as _, Topology, privileged};

use crate::{NODE, Net, REMOTE, THERE};

fn with_few_ports() -> Result<Net> {
    let topology = Topology::builder().with_known_neighbours().build()?;
    Net::with("[nat]\nports = '61000-61003'\n", topology, &["--masquerade", "yes"])
}

#[test]
fn neither_the_node_s_sockets_nor_reservations_are_in_the_way() -> Result<()> {
    privileged!();
    let net = with_few_ports()?;
    let _echo = Echo::start(net.remote(), &[REMOTE[0], REMOTE2_V4], THERE)?;
    let node = net.topology.node.udp_bind(at(NODE[0], 61_001))?;
    net.berth.ok(["ports", "reserve", "c", "udp/61002"])?;
    let connect = || Ok::<_, anyhow::Error>(net.c.host.udp_connect(at(REMOTE[0], THERE))?);
    let (first, second, third) = (connect()?, connect()?, connect()?);
    datagrams(&first, 1, 10)?;
    datagrams(&second, 1, 10)?;
    // There is no more.
    third.send(b"lost")?;
    settle();
    assert_eq!(net.drops("nat-ports")?, 1);
    let mut ports: Vec<_> = net.berth.flows()?.iter().filter_map(|flow| flow.nat["port"].as_u64()).collect();
    ports.sort_unstable();
    assert_eq!(ports, [61_000, 61_003]);
    // To another address the same serve again, and the node's own socket is undisturbed.
    datagrams(&net.c.host.udp_connect(at(REMOTE2_V4, THERE))?, 1, 10)?;
    node.connect(at(REMOTE[0], THERE))?;
    datagrams(&node, 1, 10)?;
    drop(node);
    net.berth.ok(["ports", "release", "c", "udp/61002"])?;
    datagrams(&third, 1, 10)
}

/// The node's own socket, bound later, may not speak for a flow that goes by its port.
#[test]
fn a_flow_s_port_is_its_own() -> Result<()> {
    privileged!();
    let net = with_few_ports()?;
    let _echo = Echo::start(net.remote(), &[REMOTE[0], REMOTE2_V4], THERE)?;
    let own = net.c.host.udp_connect(at(REMOTE[0], THERE))?;
    datagrams(&own, 1, 10)?;
    let flows = net.berth.flows()?;
    let port = flows.iter().find_map(|flow| flow.nat["port"].as_u64()).and_then(|port| port.try_into().ok());
    let node = net.topology.node.udp_bind(at(NODE[0], port.expect("a port")))?;
    node.connect(at(REMOTE[0], THERE))?;
    let before = net.berth.status()?.host.drops_for("hijack");
    // An error is all that it may hear of it.
    let _ = node.send(b"mine?");
    settle();
    assert_eq!(net.berth.status()?.host.drops_for("hijack"), before + 1);
    datagrams(&own, 1, 10)?;
    // With anybody else it may.
    node.connect(at(REMOTE2_V4, THERE))?;
    datagrams(&node, 1, 10)
}

#[test]
fn a_range_that_the_kernel_hands_out_is_refused() -> Result<()> {
    privileged!();
    let topology = Topology::builder().with_known_neighbours().build()?;
    let net = Net::with("[nat]\nports = '40000-65000'\n", topology, &[])?;
    let refused = net.berth.run(["container", "set", "c", "--masquerade", "yes"])?;
    assert_eq!(refused.code(), Some(1), "{refused:?}");
    assert!(refused.stderr.contains("40000-65000"), "{}", refused.stderr);
    Ok(())
}
