//! The fast path: what is established goes through the node without its stack, and is the same for all else.

use std::fs;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsFd as _;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use berth_tests::echo::Echo;
use berth_tests::exchange::{datagrams, stream};
use berth_tests::process::ok;
use berth_tests::sockets::errno;
use berth_tests::topology::{UPLINK, at};
use berth_tests::wait::{self, LIMIT};
use berth_tests::{
    Endpoint as _, Host, Sockets as _, Topology, in_netns, notice, offload, privileged, sysctl,
};
use nix::sys::socket::{setsockopt, sockopt};

use crate::checksums::wrong;
use crate::{INSIDE, NODE, Net, OUTSIDE, REMOTE, THERE};

const FAST: &str = "fastpath = true\n";
/// Datagrams of a flow.
const COUNT: usize = 20;

/// Published and masqueraded.
fn net(config: &str, topology: Topology) -> Result<Net> {
    let net = Net::with(config, topology, &["--masquerade", "yes"])?;
    for protocol in ["tcp", "udp"] {
        net.publish(protocol, &[])?;
    }
    Ok(net)
}

/// How many packets the stack of a host has forwarded.
fn forwarded(host: &Host) -> Result<u64> {
    let read =
        |file: &str| in_netns(host.netns(), || fs::read_to_string(format!("/proc/thread-self/net/{file}")));
    let (snmp, snmp6) = (read("snmp")??, read("snmp6")??);
    let lines: Vec<Vec<_>> = snmp.lines().take(2).map(|line| line.split(' ').collect()).collect();
    let [names, values] = lines.as_slice() else { bail!("{snmp}") };
    let v4 = names.iter().zip(values).find(|(name, _)| **name == "ForwDatagrams");
    let v6 = snmp6.lines().find_map(|line| line.strip_prefix("Ip6OutForwDatagrams"));
    let (_, v4) = v4.context("ForwDatagrams")?;
    Ok(v4.parse::<u64>()? + v6.context("Ip6OutForwDatagrams")?.trim().parse::<u64>()?)
}

/// Both sides serve, and talk to each other.
fn both(net: &Net, talk: impl Fn(&Host, IpAddr, u16) -> Result<()>) -> Result<()> {
    let _there = Echo::start(net.remote(), &REMOTE, THERE)?;
    let _here = Echo::start(&net.c.host, &net.c.addresses, INSIDE)?;
    for family in [0, 1] {
        talk(&net.c.host, REMOTE[family], THERE)?;
        talk(net.remote(), NODE[family], OUTSIDE)?;
    }
    Ok(())
}

#[test]
fn the_stack_sees_the_first_packets_alone_and_berth_counts_all() -> Result<()> {
    privileged!();
    for (config, expected) in [(FAST, 0), ("", 2 * COUNT as u64)] {
        let net = net(config, Topology::builder().with_known_neighbours().build()?)?;
        let node = &net.topology.node;
        both(&net, |from, address, port| {
            let socket = established(&net, from, at(address, port))?;
            let (stack, plane) = (forwarded(node)?, net.berth.container("c")?.plane);
            datagrams(&socket, COUNT, 100)?;
            assert_eq!(forwarded(node)? - stack, expected, "{config} {address}");
            let now = &net.berth.container("c")?.plane - &plane;
            // On its own interface, where neighbours may have been looked for meanwhile, and on the uplink.
            let (own, uplink) = (now.traffic, now.forwarded);
            assert_eq!(
                (uplink.incoming.packets, uplink.outgoing.packets),
                (COUNT as u64, COUNT as u64),
                "{config} {address}"
            );
            assert!(own.incoming.packets >= COUNT as u64 && own.outgoing.packets >= COUNT as u64, "{own:?}");
            assert!(now.drops.is_empty(), "{:?}", now.drops);
            Ok(())
        })?;
    }
    Ok(())
}

/// A socket whose flow has gone on after an answer.
fn established(net: &Net, from: &Host, to: SocketAddr) -> Result<UdpSocket> {
    let socket = from.udp_connect(to)?;
    let port = socket.local_addr()?.port();
    wait::until_true("the flow to be established", LIMIT, || {
        datagrams(&socket, 1, 100)?;
        Ok(net.berth.flows()?.iter().any(|flow| flow.sport == port && flow.assured))
    })?;
    Ok(socket)
}

#[test]
fn bytes_and_checksums_are_right_with_offload_and_without() -> Result<()> {
    privileged!();
    for on in [true, false] {
        let net = net(FAST, Topology::builder().offloads(on).with_known_neighbours().build()?)?;
        offload::set(net.c.host.netns(), berth_tests::bridge::INSIDE, on)?;
        offload::set(net.topology.node.netns(), &net.c.port, on)?;
        both(&net, |from, address, port| {
            stream(&from.tcp_connect(at(address, port))?, 1 << 21)?;
            for size in [1, 1_401, 4_000] {
                datagrams(&from.udp_connect(at(address, port))?, 3, size)?;
            }
            Ok(())
        })?;
        for host in [&net.c.host, net.remote(), &net.topology.node] as [&Host; 3] {
            assert_eq!(wrong(host.netns())?, 0, "offload {on}");
        }
        assert!(net.berth.container("c")?.plane.drops.is_empty());
    }
    Ok(())
}

/// What has no hop left is told so by the node, and what does not fit, as without a fast path.
#[test]
fn the_stack_answers_what_cannot_go_on() -> Result<()> {
    privileged!();
    let net = net(FAST, Topology::builder().with_known_neighbours().build()?)?;
    ok(net.topology.node.command("ip")?.args(["link", "set", UPLINK, "mtu", "1300"]))?;
    both(&net, |from, address, port| {
        let socket = established(&net, from, at(address, port))?;
        notice::tell_all(&socket, address)?;
        hops(&socket, address, 1)?;
        socket.send(b"too far")?;
        let error = errno(socket.recv(&mut [0; 16]));
        assert_eq!(error, Some(libc::EHOSTUNREACH), "{address}");
        hops(&socket, address, 64)?;
        datagrams(&socket, 3, 100)
    })?;
    // Of what leaves by the narrow link.
    let _there = Echo::start(net.remote(), &REMOTE, THERE)?;
    for address in REMOTE {
        let socket = established(&net, &net.c.host, at(address, THERE))?;
        socket.send(&[7; 1_400])?;
        assert_eq!(errno(socket.recv(&mut [0; 1_500])), Some(libc::EMSGSIZE), "{address}");
        stream(&net.c.host.tcp_connect(at(address, THERE))?, 1 << 20)?;
    }
    Ok(())
}

fn hops(socket: &UdpSocket, address: IpAddr, count: u8) -> Result<()> {
    match address {
        IpAddr::V4(_) => setsockopt(&socket.as_fd(), sockopt::Ipv4Ttl, &count.into())?,
        IpAddr::V6(_) => setsockopt(&socket.as_fd(), sockopt::Ipv6Ttl, &count.into())?,
    }
    Ok(())
}

/// What a guest sends to another router on its bridge is that one's.
#[test]
fn a_way_that_is_not_the_node_s_stays_so() -> Result<()> {
    privileged!();
    let net = net(FAST, Topology::builder().with_known_neighbours().build()?)?;
    let other = net.bridge.guest(9)?;
    net.add("other", &other, &["--routes", "yes"])?;
    sysctl::set(other.host.netns(), "ipv4/ip_forward", "0")?;
    let _there = Echo::start(net.remote(), &REMOTE, THERE)?;
    let socket = established(&net, &net.c.host, at(REMOTE[0], THERE))?;
    // It takes the fast path. Now its packets go to somebody who does not route.
    let before = net.berth.container("c")?.plane;
    let via = other.addresses[0];
    ok(net.c.host.command("ip")?.args(["route", "replace", "default", "via", &via.to_string()]))?;
    socket.set_read_timeout(Some(Duration::from_millis(300)))?;
    socket.send(b"elsewhere")?;
    assert!(socket.recv(&mut [0; 16]).is_err());
    let (c, there) = (&net.berth.container("c")?.plane - &before, net.berth.container("other")?.plane);
    assert_eq!(c.forwarded.outgoing.packets, 0, "{c:?}");
    assert!(c.traffic.outgoing.packets >= 1 && there.traffic.incoming.packets >= 1, "{c:?} {there:?}");
    Ok(())
}
