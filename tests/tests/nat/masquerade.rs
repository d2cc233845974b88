//! Masquerading.

use std::collections::BTreeSet;
use std::net::IpAddr;

use anyhow::Result;
use berth_tests::bridge::INSIDE as INTERFACE;
use berth_tests::echo::Echo;
use berth_tests::exchange::{datagrams, pings, stream};
use berth_tests::link;
use berth_tests::process::settle;
use berth_tests::sockets::accept;
use berth_tests::topology::{UPLINK, WIRE, at};
use berth_tests::{Endpoint as _, Sniffer, Sockets as _, privileged};
use etherparse::NetSlice;
use serde_json::json;

use crate::{NODE, Net, REMOTE, THERE};

const MUCH: usize = 4 << 20;

#[test]
fn the_world_sees_the_node() -> Result<()> {
    privileged!();
    let net = Net::masqueraded()?;
    let wire = Sniffer::start(net.remote(), WIRE)?;
    let _echo = Echo::start(net.remote(), &REMOTE, THERE)?;
    for (family, remote) in REMOTE.into_iter().enumerate() {
        stream(&net.c.host.tcp_connect(at(remote, THERE))?, MUCH)?;
        datagrams(&net.c.host.udp_connect(at(remote, THERE))?, 10, 1_000)?;
        let socket = net.c.host.raw(remote, berth_tests::sockets::icmp(remote))?;
        pings(&socket, (net.c.addresses[family], remote), 7, 3)?;
        let listener = net.remote().tcp_listen(at(remote, THERE + 1))?;
        let client = net.c.host.tcp_connect(at(remote, THERE + 1))?;
        let seen = accept(&listener)?.1;
        assert_eq!((seen.ip(), seen.port() >= 61_000), (NODE[family], true));
        let flows = net.berth.flows()?;
        let own = client.local_addr()?.port();
        let flow = flows.iter().find(|flow| flow.sport == own && flow.dst == remote).expect("its flow");
        assert_eq!(flow.nat, json!({"address": seen.ip().to_string(), "port": seen.port()}));
        assert_eq!(flow.src, net.c.addresses[family]);
    }
    settle();
    let own: BTreeSet<IpAddr> = net.c.addresses.into_iter().collect();
    let frames = wire.frames()?;
    for frame in frames.iter().filter(|frame| !frame.is_sent) {
        let source = match frame.sliced().and_then(|sliced| sliced.net) {
            Some(NetSlice::Ipv4(ip)) => ip.header().source_addr().into(),
            Some(NetSlice::Ipv6(ip)) => IpAddr::V6(ip.header().source_addr()),
            _ => continue,
        };
        assert!(!own.contains(&source), "{source} is on the wire");
    }
    assert!(net.berth.container("c")?.plane.drops.is_empty());
    Ok(())
}

/// As with an application-level answer that is no answer: a reset for a connection that nobody knows.
#[test]
fn what_is_in_no_flow_stays_inside() -> Result<()> {
    privileged!();
    let net = Net::masqueraded()?;
    let wire = Sniffer::start(net.remote(), WIRE)?;
    let stray = berth_tests::frame::Packet::tcp(at(net.c.addresses[0], 5_000), at(REMOTE[0], 80), |tcp| {
        tcp.rst = true;
    });
    let socket = net.c.host.raw_with_header(REMOTE[0], socket2::Protocol::from(libc::IPPROTO_RAW))?;
    berth_tests::sockets::send_packet(&socket, &stray.build()?, REMOTE[0])?;
    // And an error about what nobody has sent it.
    let quoted = berth_tests::frame::Packet::udp(at(REMOTE[0], 53), at(net.c.addresses[0], 5_000)).build()?;
    let error = [&[3, 3, 0, 0, 0, 0, 0, 0], &quoted[..]].concat();
    let error = berth_tests::frame::Packet::other(net.c.addresses[0], REMOTE[0], 1).payload(error);
    berth_tests::sockets::send_packet(&socket, &error.build()?, REMOTE[0])?;
    settle();
    assert_eq!(net.drops("not-translated")?, 2);
    let sent =
        |frame: &berth_tests::sniffer::Frame| !frame.is_sent && frame.data.get(12..14) == Some(&[8, 0]);
    assert_eq!(wire.frames()?.iter().filter(|frame| sent(frame)).count(), 0);
    Ok(())
}

#[test]
fn the_daemon_is_not_needed_and_a_restart_keeps_all() -> Result<()> {
    privileged!();
    let mut net = Net::masqueraded()?;
    let _echo = Echo::start(net.remote(), &REMOTE, THERE)?;
    let connection = net.c.host.tcp_connect(at(REMOTE[0], THERE))?;
    stream(&connection, 100)?;
    net.berth.kill9()?;
    stream(&connection, 100)?;
    stream(&net.c.host.tcp_connect(at(REMOTE[0], THERE))?, 100)?;
    net.berth.restart()?;
    stream(&connection, 100)?;
    // What is established goes on; what is new goes nowhere, as nobody knows a way back.
    net.berth.ok(["container", "set", "c", "--masquerade", "no"])?;
    stream(&connection, 100)?;
    let wire = Sniffer::start(net.remote(), WIRE)?;
    net.c.host.udp_connect(at(REMOTE[0], THERE))?.send(b"lost")?;
    settle();
    assert_eq!(wire.frames()?.iter().filter(|frame| !frame.is_sent && frame.ports().is_some()).count(), 1);
    net.berth.ok(["container", "set", "c", "--masquerade", "yes"])?;
    stream(&net.c.host.tcp_connect(at(REMOTE[0], THERE))?, 100)
}

#[test]
fn an_address_can_be_given() -> Result<()> {
    privileged!();
    let net = Net::new(&[])?;
    let second = IpAddr::from([198, 18, 0, 9]);
    let refused = net.berth.run(["container", "set", "c", "--masquerade", &second.to_string()])?;
    assert_eq!(refused.code(), Some(1), "{refused:?}");
    link::add_address(net.topology.node.netns(), UPLINK, second, 24)?;
    berth_tests::wait::until_true("the daemon to see the address", berth_tests::wait::LIMIT, || {
        Ok(net.berth.run(["container", "set", "c", "--masquerade", &second.to_string()])?.success())
    })?;
    let listener = net.remote().tcp_listen(at(REMOTE[0], THERE))?;
    let _client = net.c.host.tcp_connect(at(REMOTE[0], THERE))?;
    assert_eq!(accept(&listener)?.1.ip(), second);
    Ok(())
}

/// The veth becomes a port of the bridge after the container is known.
#[test]
fn an_interface_that_joins_a_bridge_later_is_found() -> Result<()> {
    privileged!();
    let net = Net::masqueraded()?;
    let _echo = Echo::start(net.remote(), &REMOTE, THERE)?;
    let free = berth_tests::topology::host(&berth_tests::name::unique())?;
    let (node, mac) = (net.topology.node.netns(), net.bridge.mac(9));
    let ends = [
        link::End { netns: node, name: "late0", mac: [2, 0x70, 0, 0, 1, 9] },
        link::End { netns: free.netns(), name: INTERFACE, mac },
    ];
    link::wire(ends[0], ends[1], 1500)?;
    let [address, _] = net.bridge.at(9);
    let add = ["container", "add", "late", "--mode", "full", "--masquerade", "yes", "--interface", "late0"];
    net.berth.ok([&add[..], &["--address", &address.to_string()]].concat())?;
    link::enslave(node, "late0", &net.bridge.name)?;
    link::add_address(free.netns(), INTERFACE, address, 24)?;
    link::add_route(free.netns(), INTERFACE, ([0, 0, 0, 0].into(), 0), net.bridge.addresses()[0])?;
    let limit = berth_tests::wait::LIMIT;
    berth_tests::wait::until_true("its flows to be translated", limit, || {
        let socket = free.udp_connect(at(REMOTE[0], THERE))?;
        socket.set_read_timeout(Some(std::time::Duration::from_millis(200)))?;
        socket.send(b"there?")?;
        Ok(socket.recv(&mut [0; 8]).is_ok())
    })
}
