//! Published ports.

use std::io::ErrorKind;

use anyhow::Result;
use berth_tests::echo::Echo;
use berth_tests::exchange::{datagrams, stream};
use berth_tests::process::settle;
use berth_tests::sockets::{accept, errno};
use berth_tests::topology::at;
use berth_tests::{Berth, Sockets as _, privileged};
use serde_json::json;

use crate::{INSIDE, NODE, Net, OUTSIDE};

/// Large enough to be cut into segments by the device, if it can.
const MUCH: usize = 4 << 20;

#[test]
fn who_connects_to_the_node_reaches_the_container() -> Result<()> {
    privileged!();
    let net = Net::published()?;
    let _echo = Echo::start(&net.c.host, &net.c.addresses, INSIDE)?;
    for (family, node) in NODE.into_iter().enumerate() {
        let outside = at(node, OUTSIDE);
        stream(&net.remote().tcp_connect(outside)?, MUCH)?;
        datagrams(&net.remote().udp_connect(outside)?, 10, 1_000)?;
        // It sees who connects: nothing but the destination is another.
        let inside = at(net.c.addresses[family], INSIDE + 1);
        let listener = net.c.host.tcp_listen(inside)?;
        let service = format!("tcp/{}", OUTSIDE + 1);
        let node = node.to_string();
        let to = (INSIDE + 1).to_string();
        net.berth.ok(["publish", "add", "c", &service, "--address", &node, "--to-port", &to])?;
        let client = net.remote().tcp_connect(at(outside.ip(), OUTSIDE + 1))?;
        assert_eq!(accept(&listener)?.1, client.local_addr()?);
        net.berth.ok(["publish", "rm", "c", &service, "--address", &node])?;
    }
    let flows = net.berth.flows()?;
    let of =
        |protocol: &str| flows.iter().filter(|flow| flow.protocol == protocol && flow.owner == "c").count();
    assert_eq!((of("tcp"), of("udp"), flows.len()), (4, 2, 6), "{flows:?}");
    for flow in flows.iter().filter(|flow| flow.dport == INSIDE) {
        assert_eq!(
            (&flow.nat["port"], flow.dst.is_ipv4()),
            (&json!(OUTSIDE), flow.nat["address"] == NODE[0].to_string())
        );
    }
    let total = net.berth.container("c")?.plane;
    assert!(total.drops.is_empty(), "{total:?}");
    Ok(())
}

#[test]
fn the_container_s_rules_see_the_packet_as_the_container_does() -> Result<()> {
    privileged!();
    let net = Net::published()?;
    let _echo = Echo::start(&net.c.host, &net.c.addresses, INSIDE)?;
    for (family, flag) in [(0, &[][..]), (1, &["--ipv6"][..])] {
        let outside = at(NODE[family], OUTSIDE);
        let rule = |port: u16, target: &[&str]| {
            let (port, base) = (port.to_string(), ["rules", "append"]);
            let rule = ["c", "INPUT", "-p", "tcp", "--dport", &port];
            net.berth.ok([&base[..], flag, &rule, target].concat()).map(drop)
        };
        rule(OUTSIDE, &["-j", "DROP"])?;
        net.remote().tcp_connect(outside)?;
        rule(INSIDE, &["-j", "REJECT", "--reject-with", "tcp-reset"])?;
        assert_eq!(errno(net.remote().tcp_connect(outside)), Some(libc::ECONNREFUSED));
        net.berth.ok([&["rules", "flush", "c"], flag].concat())?;
        net.remote().tcp_connect(outside)?;
    }
    Ok(())
}

#[test]
fn what_is_established_outlives_the_publication_and_the_daemon() -> Result<()> {
    privileged!();
    let mut net = Net::published()?;
    let _echo = Echo::start(&net.c.host, &net.c.addresses, INSIDE)?;
    let outside = at(NODE[0], OUTSIDE);
    let connection = net.remote().tcp_connect(outside)?;
    stream(&connection, 100)?;
    net.berth.kill9()?;
    stream(&connection, 100)?;
    net.remote().tcp_connect(outside)?;
    net.berth.restart()?;
    stream(&connection, 100)?;
    stream(&net.remote().tcp_connect(outside)?, 100)?;
    assert_eq!(net.berth.ports()?.iter().filter(|port| port.by == "publish").count(), 4);

    net.berth.ok(["publish", "rm", "c", &format!("tcp/{OUTSIDE}")])?;
    stream(&connection, 100)?;
    assert_eq!(errno(net.remote().tcp_connect(outside)), Some(libc::ECONNREFUSED));
    // The other protocol's is there still.
    datagrams(&net.remote().udp_connect(outside)?, 1, 10)?;
    // All of it anew, from what is on file.
    net.berth.stop()?;
    net.berth.ok(["down"])?;
    net.berth.restart()?;
    datagrams(&net.remote().udp_connect(outside)?, 1, 10)
}

#[test]
fn a_port_is_published_once_and_for_nobody_else() -> Result<()> {
    privileged!();
    let net = Net::published()?;
    let other = net.bridge.guest(3)?;
    net.add("d", &other, &[])?;
    let service = format!("tcp/{OUTSIDE}");
    let refused = |berth: &Berth, arguments: &[&str], word: &str| -> Result<()> {
        let output = berth.run(arguments)?;
        assert_eq!(output.code(), Some(1), "{arguments:?}: {output:?}");
        assert!(output.stderr.contains(word), "{arguments:?}: {}", output.stderr);
        assert_eq!(output.stderr.trim().lines().count(), 1, "{}", output.stderr);
        Ok(())
    };
    refused(&net.berth, &["publish", "add", "d", &service], "c")?;
    refused(&net.berth, &["ports", "reserve", "d", &service], "c")?;
    refused(&net.berth, &["ports", "release", "c", &service], "publish rm")?;
    refused(&net.berth, &["container", "set", "c", "--mode", "stateful"], "publish")?;
    refused(&net.berth, &["container", "set", "d", "--address", "none", "--masquerade", "yes"], "address")?;
    let _node = net.topology.node.tcp_listen(at(NODE[0], OUTSIDE + 1))?;
    refused(&net.berth, &["publish", "add", "c", &format!("tcp/{}", OUTSIDE + 1)], "the node's own")?;
    // Nothing of it has changed anything.
    let _echo = Echo::start(&net.c.host, &net.c.addresses, INSIDE)?;
    stream(&net.remote().tcp_connect(at(NODE[0], OUTSIDE))?, 100)
}

#[test]
fn a_range_leads_to_a_range() -> Result<()> {
    privileged!();
    let net = Net::new(&[])?;
    net.berth.ok(["publish", "add", "c", "tcp/9000-9009", "--to-port", "100"])?;
    let listener = net.c.host.tcp_listen(at(net.c.addresses[0], 107))?;
    let _client = net.remote().tcp_connect(at(NODE[0], 9007))?;
    accept(&listener)?;
    let listed = net.berth.json(["publish", "list"])?;
    assert_eq!(listed.as_array().map(Vec::len), Some(20), "{listed}");
    net.berth.ok(["publish", "rm", "c", "tcp/9000-9009"])?;
    let after = net.remote().tcp_connect(at(NODE[0], 9007)).map_err(|error| error.kind());
    assert_eq!(after.err(), Some(ErrorKind::ConnectionRefused));
    Ok(())
}

/// A client that takes the same port over and over.
#[test]
fn a_client_s_port_may_be_used_again_at_once() -> Result<()> {
    privileged!();
    let net = Net::published()?;
    let _echo = Echo::start(&net.c.host, &net.c.addresses, INSIDE)?;
    let remote = net.remote();
    for _ in 0..20 {
        let socket = remote.tcp(NODE[0])?;
        socket.set_reuse_address(true)?;
        socket.bind(&at(crate::REMOTE[0], 40_000).into())?;
        // Closed by a reset.
        socket.set_linger(Some(std::time::Duration::ZERO))?;
        socket.connect(&at(NODE[0], OUTSIDE).into())?;
        stream(&socket.into(), 1_000)?;
        settle();
    }
    Ok(())
}
