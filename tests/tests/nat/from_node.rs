//! The node's own sockets, and those of containers that share its network, reach published ports, where they are to.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};

use anyhow::{Context as _, Result, ensure};
use berth_tests::echo::Echo;
use berth_tests::exchange::{datagrams, stream};
use berth_tests::sockets::{accept, errno, timed, unspecified};
use berth_tests::topology::{UPLINK, WIRE, at};
use berth_tests::wait::uninterrupted;
use berth_tests::{Endpoint as _, Sniffer, Sockets as _, Tenant, Topology, in_netns, privileged};
use socket2::{Domain, Protocol, Type};

use crate::{INSIDE, NODE, Net, OUTSIDE};

const MUCH: usize = 4 << 20;
const LOOPBACK: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
const ON: &str = "[nat]\nfrom_node = true\n";

/// With `c`'s port published, and this configuration.
fn published(config: &str) -> Result<Net> {
    let net = Net::with(config, Topology::builder().with_known_neighbours().build()?, &[])?;
    for protocol in ["tcp", "udp"] {
        net.publish(protocol, &[])?;
    }
    Ok(net)
}

/// All names of the node's by which it reaches the port.
fn names(net: &Net) -> impl Iterator<Item = IpAddr> {
    let any = LOOPBACK.map(|address| unspecified(address, 0).ip());
    NODE.into_iter().chain(net.bridge.addresses()).chain(LOOPBACK).chain(any)
}

/// Sends a datagram, and says who has answered it.
fn asked(socket: &UdpSocket, to: SocketAddr) -> Result<SocketAddr> {
    let mut buffer = [0; 16];
    uninterrupted(|| socket.send_to(b"who", to))?;
    let (length, from) = uninterrupted(|| socket.recv_from(&mut buffer))?;
    ensure!(&buffer[..length] == b"who", "another datagram came back");
    Ok(from)
}

#[test]
fn by_each_of_its_addresses() -> Result<()> {
    privileged!();
    let net = published(ON)?;
    let _echo = Echo::start(&net.c.host, &net.c.addresses, INSIDE)?;
    let node = &net.topology.node;
    for name in names(&net) {
        let told = || format!("by {name}");
        let to = at(name, OUTSIDE);
        let connection = node.tcp_connect(to).with_context(told)?;
        assert_eq!(connection.peer_addr()?, to);
        stream(&connection, MUCH).with_context(told)?;
        let connected = node.udp_connect(to)?;
        assert_eq!(connected.peer_addr()?, to);
        datagrams(&connected, 10, 1_000).with_context(told)?;
        assert_eq!(asked(&node.udp_bind(unspecified(name, 0))?, to).with_context(told)?, to);
    }
    let plane = net.berth.container("c")?.plane;
    assert!(plane.drops.is_empty(), "{plane:?}");
    Ok(())
}

/// What it sees is the node as its own network has it.
#[test]
fn the_container_sees_the_node() -> Result<()> {
    privileged!();
    let net = published(ON)?;
    for (family, inner) in net.c.addresses.into_iter().enumerate() {
        let listener = net.c.host.tcp_listen(at(inner, INSIDE))?;
        let client = net.topology.node.tcp_connect(at(NODE[family], OUTSIDE))?;
        let (_, seen) = accept(&listener)?;
        assert_eq!(seen, at(net.bridge.addresses()[family], client.local_addr()?.port()));
        assert_eq!(client.local_addr()?, seen);
    }
    // And its rules are asked about what it sees.
    let rule = ["rules", "append", "c", "INPUT", "-p", "tcp", "--dport", &INSIDE.to_string()];
    net.berth.ok([&rule[..], &["-j", "REJECT", "--reject-with", "tcp-reset"]].concat())?;
    let _echo = Echo::start(&net.c.host, &net.c.addresses, INSIDE)?;
    let refused = errno(net.topology.node.tcp_connect(at(NODE[0], OUTSIDE)));
    assert_eq!(refused, Some(libc::ECONNREFUSED));
    assert_eq!(net.drops("rejected")?, 1);
    Ok(())
}

#[test]
fn nobody_does_unless_it_is_asked_for() -> Result<()> {
    privileged!();
    let mut net = published("")?;
    let _echo = Echo::start(&net.c.host, &net.c.addresses, INSIDE)?;
    let to = at(NODE[0], OUTSIDE);
    let refused = |net: &Net| errno(net.topology.node.tcp_connect(to));
    assert_eq!(refused(&net), Some(libc::ECONNREFUSED));
    fs::write(net.berth.config_file(), ON)?;
    net.berth.restart()?;
    let connection = net.topology.node.tcp_connect(to)?;
    // Without a daemon, too.
    net.berth.kill9()?;
    stream(&connection, 100)?;
    stream(&net.topology.node.tcp_connect(to)?, 100)?;
    fs::write(net.berth.config_file(), "")?;
    net.berth.restart()?;
    assert_eq!(refused(&net), Some(libc::ECONNREFUSED));
    stream(&connection, 100)?;
    fs::write(net.berth.config_file(), ON)?;
    net.berth.restart()?;
    stream(&net.topology.node.tcp_connect(to)?, 100)?;
    net.berth.stop()?;
    net.berth.ok(["down"])?;
    assert_eq!(refused(&net), Some(libc::ECONNREFUSED));
    Ok(())
}

/// An IPv6 socket that talks IPv4.
#[test]
fn mapped_addresses_are_ipv4_s() -> Result<()> {
    privileged!();
    let net = published(ON)?;
    let _echo = Echo::start(&net.c.host, &net.c.addresses, INSIDE)?;
    let node = &net.topology.node;
    let IpAddr::V4(v4) = NODE[0] else { unreachable!() };
    let to = SocketAddr::V6(SocketAddrV6::new(v4.to_ipv6_mapped(), OUTSIDE, 0, 0));
    let socket = timed(node.socket(Domain::IPV6, Type::STREAM, Some(Protocol::TCP))?)?;
    socket.connect(&to.into())?;
    assert_eq!(socket.peer_addr()?.as_socket(), Some(to));
    stream(&socket.into(), 100)?;
    let socket = timed(node.socket(Domain::IPV6, Type::DGRAM, Some(Protocol::UDP))?)?;
    assert_eq!(asked(&socket.into(), to)?, to);
    // With each of these the kernel itself names the end that the socket has got.
    let socket: UdpSocket = timed(node.socket(Domain::IPV6, Type::DGRAM, Some(Protocol::UDP))?)?.into();
    socket.connect(to)?;
    datagrams(&socket, 2, 100)?;
    let mut buffer = [0; 16];
    uninterrupted(|| socket.send(b"who"))?;
    assert_eq!(uninterrupted(|| socket.recv_from(&mut buffer))?, (3, to));
    assert_eq!(socket.peer_addr()?, to);
    Ok(())
}

/// What is to leave by an interface leaves by that one.
#[test]
fn who_is_bound_to_an_interface_is_left_alone() -> Result<()> {
    privileged!();
    let net = published(ON)?;
    let node = &net.topology.node;
    let there = Sniffer::start(net.remote(), WIRE)?;
    let socket = node.tcp(NODE[0])?;
    in_netns(node.netns(), || socket.bind_device(Some(UPLINK.as_bytes())))??;
    let to = at(NODE[0], OUTSIDE);
    assert_eq!(errno(socket.connect(&to.into())), Some(libc::ECONNREFUSED));
    assert!(there.frames()?.is_empty());
    Ok(())
}

/// One socket, several published ports, and the container's end itself.
#[test]
fn who_answers_is_called_as_he_was_asked() -> Result<()> {
    privileged!();
    let net = published(ON)?;
    let more: Vec<u16> = (1..8).map(|number| OUTSIDE + number).collect();
    let _echoes: Vec<Echo> = more
        .iter()
        .map(|&port| {
            net.berth.ok(["publish", "add", "c", &format!("udp/{port}")])?;
            Echo::start(&net.c.host, &net.c.addresses, port)
        })
        .collect::<Result<_>>()?;
    let _echo = Echo::start(&net.c.host, &net.c.addresses, INSIDE)?;
    for (family, inner) in net.c.addresses.into_iter().enumerate() {
        let socket = net.topology.node.udp_bind(unspecified(inner, 0))?;
        for _ in 0..2 {
            for port in more.iter().copied().chain([OUTSIDE]) {
                let to = at(NODE[family], port);
                assert_eq!(asked(&socket, to)?, to);
            }
        }
        for to in [at(inner, INSIDE), at(NODE[family], OUTSIDE), at(inner, INSIDE)] {
            assert_eq!(asked(&socket, to)?, to);
        }
        // Who connects to the end itself is told of it, and not of what he had before.
        let to = at(inner, INSIDE);
        socket.connect(at(NODE[family], OUTSIDE))?;
        socket.connect(to)?;
        assert_eq!(socket.peer_addr()?, to);
        datagrams(&socket, 1, 100)?;
    }
    Ok(())
}

/// For its rules the packet goes to where it goes.
#[test]
fn a_container_that_shares_the_node_s_network_does_so_too() -> Result<()> {
    privileged!();
    let net = published(ON)?;
    let _echo = Echo::start(&net.c.host, &net.c.addresses, INSIDE)?;
    let a = Tenant::new(&net.topology.node, "a")?;
    net.berth.add_container("a", a.cgroup().path())?;
    for (family, flag) in [(0, &[][..]), (1, &["--ipv6"][..])] {
        let to = at(NODE[family], OUTSIDE);
        stream(&a.tcp_connect(to)?, MUCH)?;
        let connected = a.udp_connect(to)?;
        datagrams(&connected, 10, 1_000)?;
        let rule = |address: IpAddr, port: u16| {
            let (address, port) = (address.to_string(), port.to_string());
            let rule = ["a", "OUTPUT", "-d", &address, "-p", "udp", "--dport", &port, "-j", "DROP"];
            net.berth.ok([&["rules", "append"], flag, &rule].concat()).map(drop)
        };
        rule(NODE[family], OUTSIDE)?;
        datagrams(&connected, 1, 100)?;
        rule(net.c.addresses[family], INSIDE)?;
        assert_eq!(errno(connected.send(b"dropped")), Some(libc::EPERM));
        assert_eq!(errno(a.udp_bind(unspecified(to.ip(), 0))?.send_to(b"dropped", to)), Some(libc::EPERM));
    }
    let flows = net.berth.flows()?;
    let of_a: Vec<_> = flows.iter().filter(|flow| flow.owner == "a").collect();
    assert!(of_a.len() >= 2 && of_a.iter().all(|flow| flow.dport == INSIDE), "{flows:?}");
    assert_eq!(net.berth.container("a")?.plane.drops_for("rule"), 4);
    Ok(())
}

/// The programs are on all of the machine's sockets.
#[test]
fn other_networks_are_left_alone() -> Result<()> {
    privileged!();
    let net = published(ON)?;
    // Each has somebody of its own where the node has published something.
    for host in [net.remote(), &net.c.host] {
        let own = at(LOOPBACK[0], OUTSIDE);
        let _echo = Echo::start(host, &LOOPBACK[..1], OUTSIDE)?;
        let client = host.tcp_connect(own)?;
        stream(&client, 100)?;
        assert_eq!(client.peer_addr()?, own);
        assert_eq!(asked(&host.udp_bind(unspecified(own.ip(), 0))?, own)?, own);
    }
    Ok(())
}

/// What is not published is the node's as before.
#[test]
fn other_ports_of_the_node_are_left_alone() -> Result<()> {
    privileged!();
    let net = published(ON)?;
    let node = &net.topology.node;
    let _echo = Echo::start(node, &NODE, OUTSIDE + 1)?;
    for address in NODE {
        let to = at(address, OUTSIDE + 1);
        stream(&node.tcp_connect(to)?, 100)?;
        assert_eq!(asked(&node.udp_bind(unspecified(address, 0))?, to)?, to);
    }
    // Nor is another host's port.
    let _echo = Echo::start(net.remote(), &crate::REMOTE, OUTSIDE)?;
    for address in crate::REMOTE {
        let to = at(address, OUTSIDE);
        let client = node.tcp_connect(to)?;
        assert_eq!(client.peer_addr()?, to);
        stream(&client, 100)?;
    }
    // And what is taken back is the node's again.
    net.berth.ok(["publish", "rm", "c", &format!("tcp/{OUTSIDE}")])?;
    let to = at(NODE[0], OUTSIDE);
    assert_eq!(errno(node.tcp_connect(to)), Some(libc::ECONNREFUSED));
    let _echo = Echo::start(node, &NODE[..1], OUTSIDE).context("serve at a port that was published")?;
    stream(&node.tcp_connect(to)?, 100)
}
