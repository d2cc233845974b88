//! Everything that passes an uplink is counted exactly once, whatever it is.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::Result;
use berth_tests::echo::Echo;
use berth_tests::exchange::{datagrams, pings, stream};
use berth_tests::frame::{Packet, ethernet, ethernet_ip, ethernet_vlan};
use berth_tests::packet::packet_socket;
use berth_tests::sockets::{errno, icmp, send_packet, unspecified};
use berth_tests::topology::{
    NODE_MAC, NODE_V4, NODE_V6, REMOTE_MAC, REMOTE_V4, REMOTE_V6, REMOTE2_V4, REMOTE2_V6, UPLINK, WIRE, at,
    remote_addresses,
};
use berth_tests::{Endpoint, Ledger, SharedNode, Sockets, Topology, privileged};
use socket2::Protocol;

const ECHO: u16 = 7;
const SERVICE: u16 = 8080;
const CLOSED: u16 = 9999;
const UNUSED: u16 = 0x88b5;

const HOSTS: [(IpAddr, IpAddr, IpAddr); 2] =
    [(NODE_V4, REMOTE_V4, REMOTE2_V4), (NODE_V6, REMOTE_V6, REMOTE2_V6)];

#[test]
fn of_all_kinds_with_offloads() -> Result<()> {
    privileged!();
    of_all_kinds(true)
}

#[test]
fn of_all_kinds_without_offloads() -> Result<()> {
    privileged!();
    of_all_kinds(false)
}

fn of_all_kinds(offloads: bool) -> Result<()> {
    // Neighbours ask where each other is, too.
    let node = SharedNode::on(Topology::builder().offloads(offloads).build()?, "")?;
    let _echo = Echo::start(&node.topology.remote, &remote_addresses(), ECHO)?;
    let _service = Echo::start(&node.a, &[NODE_V4, NODE_V6], SERVICE)?;
    let _hosts = Echo::start(&node.topology.node, &[NODE_V4, NODE_V6], SERVICE + 1)?;
    let ledger = Ledger::open(&node)?;
    let growth = ledger.growth(|| {
        for hosts in HOSTS {
            wanted(&node, hosts)?;
            unwanted(&node, hosts)?;
        }
        to_groups(&node)?;
        nonsense(&node)
    })?;
    // That it adds up has been seen to. There was something of every kind in it:
    for owner in ["a", "b", "host", "non_ip"] {
        let traffic = growth.of(owner)?.traffic;
        assert!(traffic.incoming.packets > 0 && traffic.outgoing.packets > 0, "{owner} {traffic:?}");
    }
    assert!(growth.of("unowned")?.traffic.incoming.packets > 20);
    assert_eq!((growth.looped, growth.dropped()), (2, (0, 6)));
    let drops = [(("b", "hijack"), 2), (("b", "non-ip"), 2), (("b", "spoofed-source"), 4)];
    assert_eq!(growth.drops(), drops.into());
    if offloads {
        // Segments are counted, not buffers.
        assert!(growth.interface.outgoing.packets < growth.passed.outgoing.packets, "{growth:#?}");
    } else {
        growth.agrees_with_interface()?;
    }
    Ok(())
}

fn wanted(node: &SharedNode, (local, remote, other): (IpAddr, IpAddr, IpAddr)) -> Result<()> {
    for endpoint in [&node.a as &dyn Endpoint, &node.b, &node.topology.node] {
        stream(&endpoint.tcp_connect(at(remote, ECHO))?, 300_000)?;
        datagrams(&endpoint.udp_connect(at(other, ECHO))?, 5, 5000)?;
    }
    for port in [SERVICE, SERVICE + 1] {
        stream(&node.topology.remote.tcp_connect(at(local, port))?, 300_000)?;
        datagrams(&node.topology.remote.udp_connect(at(local, port))?, 5, 5000)?;
    }
    pings(&node.topology.remote.raw(remote, icmp(remote))?, (remote, local), 7, 5)?;
    pings(&node.b.raw(remote, icmp(remote))?, (local, remote), 8, 5)
}

fn unwanted(node: &SharedNode, (local, remote, other): (IpAddr, IpAddr, IpAddr)) -> Result<()> {
    assert_eq!(
        errno(node.topology.remote.tcp_connect(at(local, CLOSED))),
        Some(libc::ECONNREFUSED),
        "{local}"
    );
    let socket = node.topology.remote.udp_connect(at(local, CLOSED))?;
    socket.send(b"anybody?")?;
    assert_eq!(errno(socket.recv(&mut [0; 16])), Some(libc::ECONNREFUSED));
    for protocol in [libc::IPPROTO_GRE, libc::IPPROTO_SCTP, 50, 200] {
        let socket = node.topology.remote.raw(remote, Protocol::from(protocol))?;
        send_packet(&socket, &[0, 0, 8, 0, 1, 2, 3, 4, 5, 6, 7, 8], local)?;
    }
    // B on a connection of A's, and from an address of the remote host's.
    let connection = node.a.tcp_connect(at(remote, ECHO))?;
    let hijack =
        Packet::tcp(connection.local_addr()?, at(remote, ECHO), |header| header.rst = true).build()?;
    let frames = packet_socket(&node.b, UPLINK, 0)?;
    assert_eq!(errno(frames.send(&ethernet_ip(NODE_MAC, REMOTE_MAC, &hijack))), Some(libc::ENOBUFS));
    let spoofed = Packet::udp(at(other, 1234), at(remote, ECHO)).build()?;
    assert_eq!(errno(frames.send(&ethernet_ip(NODE_MAC, REMOTE_MAC, &spoofed))), Some(libc::ENOBUFS));
    let raw = node.b.raw_with_header(local, Protocol::from(libc::IPPROTO_RAW))?;
    assert_eq!(errno(send_packet(&raw, &spoofed, remote)), Some(libc::EPERM));
    let other = ethernet(NODE_MAC, REMOTE_MAC, UNUSED, &[0; 46]);
    assert_eq!(errno(frames.send(&other)), Some(libc::ENOBUFS));
    stream(&connection, 1000)
}

/// What is sent to a group that the sender is in is looped to it, before there is an Ethernet header.
fn to_groups(node: &SharedNode) -> Result<()> {
    let group = Ipv4Addr::new(239, 1, 2, 3);
    let IpAddr::V4(own) = NODE_V4 else { unreachable!() };
    for (endpoint, port) in [(&node.a as &dyn Endpoint, 7001), (&node.topology.node, 7002)] {
        let member = endpoint.udp_bind(unspecified(NODE_V4, port))?;
        member.join_multicast_v4(&group, &own)?;
        member.send_to(b"to all", SocketAddr::from((group, port)))?;
        member.recv(&mut [0; 16])?;
    }
    Ok(())
}

/// Frames from the remote host, and from the node itself, that nobody makes anything of.
fn nonsense(node: &SharedNode) -> Result<()> {
    let there = packet_socket(&node.topology.remote, WIRE, 0)?;
    let here = packet_socket(&node.topology.node, UPLINK, 0)?;
    let whole = Packet::udp(at(REMOTE_V4, 1), at(NODE_V4, CLOSED)).build()?;
    let mut packets = vec![vec![], vec![0x45], vec![0x45; 46], vec![0xff; 46], whole[..21].to_vec()];
    packets.extend((0..40).map(|place| {
        let mut packet = whole.clone();
        if let Some(byte) = packet.get_mut(place) {
            *byte ^= 0xff;
        }
        packet
    }));
    for packet in &packets {
        for ethertype in [0x0800, 0x86dd, UNUSED, 46] {
            there.send(&ethernet(REMOTE_MAC, NODE_MAC, ethertype, packet))?;
            here.send(&ethernet(NODE_MAC, REMOTE_MAC, ethertype, packet))?;
        }
    }
    Ok(())
}

/// Tags, in the frame or beside it, are not in the way.
#[test]
fn in_tagged_frames() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let there = packet_socket(&node.topology.remote, WIRE, 0)?;
    for (local, remote, _) in HOSTS {
        let _held = node.a.udp_bind(at(local, SERVICE))?;
        let packet = Packet::udp(at(remote, 1), at(local, SERVICE)).payload("tagged").build()?;
        let ledger = Ledger::open(&node)?;
        let growth = ledger.growth(|| {
            for tags in [&[5][..], &[5, 6]] {
                there.send(&ethernet_vlan(REMOTE_MAC, NODE_MAC, tags, &packet))?;
            }
            Ok(())
        })?;
        assert_eq!(growth.packets(), [("a", (2, 0))].into(), "{local}");
    }
    Ok(())
}
