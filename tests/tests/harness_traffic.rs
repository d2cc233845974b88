//! The harness's traffic and its independent counters.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::thread;

use anyhow::Result;
use berth_tests::bpf::counter::Tally;
use berth_tests::bpf::query;
use berth_tests::echo::Echo;
use berth_tests::frame::{Packet, ethernet, ethernet_ip, ethernet_vlan};
use berth_tests::packet::{self, packet_socket};
use berth_tests::sockets::{accept, send_packet, unspecified};
use berth_tests::topology::{
    NODE_MAC, NODE_V4, NODE_V6, REMOTE_MAC, REMOTE_V4, REMOTE_V6, REMOTE2_V4, REMOTE2_V6, UPLINK, WIRE, at,
    remote_addresses,
};
use berth_tests::wait::{self, LIMIT, uninterrupted};
use berth_tests::{Counter, Direction, Endpoint, Pair, Place, Sockets, Tenant, Topology, link, privileged};
use socket2::Protocol;

const ETHERNET: u64 = 14;
const ARP: u16 = 0x0806;
/// For local experiments.
const UNUSED: u16 = 0x88b5;

#[test]
fn a_counter_counts_every_datagram() -> Result<()> {
    privileged!();
    let topology = Topology::builder().with_known_neighbours().build()?;
    for (node, remote, headers) in [(NODE_V4, REMOTE_V4, 20 + 8), (NODE_V6, REMOTE_V6, 40 + 8)] {
        let here = topology.node.udp_bind(at(node, 7000))?;
        let there = topology.remote.udp_bind(at(remote, 7000))?;
        let counters = Pair::attach(topology.node.netns(), UPLINK, Place::First)?;
        let before = counters.settle()?;
        let mut buffer = [0; 256];
        for _ in 0..100 {
            here.send_to(&[0; 100], at(remote, 7000))?;
            uninterrupted(|| there.recv(&mut buffer))?;
        }
        for _ in 0..37 {
            there.send_to(&[0; 10], at(node, 7000))?;
            uninterrupted(|| here.recv(&mut buffer))?;
        }
        let seen = counters.read()? - before;
        let expected = |count, payload, wire_headers| {
            let len = count * (ETHERNET + headers + payload);
            let wire_len = count * (wire_headers + headers + payload);
            Tally { skbs: count, packets: count, len, bytes: len, wire_len }
        };
        assert_eq!(seen.egress.frames, expected(100, 100, ETHERNET), "{node} out");
        assert_eq!(seen.ingress.frames, expected(37, 10, 0), "{node} in");
        assert_eq!(seen.egress.looped, Tally::default());
    }
    Ok(())
}

#[test]
fn a_counter_agrees_with_the_interface() -> Result<()> {
    privileged!();
    for (offloads, remote) in [(true, REMOTE_V4), (false, REMOTE_V4), (true, REMOTE_V6), (false, REMOTE_V6)] {
        let topology = Topology::builder().offloads(offloads).build()?;
        let node = Pair::attach(topology.node.netns(), UPLINK, Place::First)?;
        let peer = Pair::attach(topology.remote.netns(), WIRE, Place::First)?;
        let statistics = || link::statistics(topology.node.netns(), UPLINK);
        let before = (node.settle()?, peer.settle()?, statistics()?);
        exchange(&topology, remote, 3_000_000)?;
        exchange(&topology, remote, 5)?;
        let (seen, there) = (node.settle()? - before.0, peer.settle()? - before.1);
        let after = statistics()?;
        let (sent, received) = (seen.egress.frames, seen.ingress.frames);
        let sent_by_interface = (after.tx_packets - before.2.tx_packets, after.tx_bytes - before.2.tx_bytes);
        let received_by_interface =
            (after.rx_packets - before.2.rx_packets, after.rx_bytes - before.2.rx_bytes);
        // What leaves one end comes in at the other, however it is cut.
        assert_eq!((sent.packets, sent.bytes), (there.ingress.frames.packets, there.ingress.frames.bytes));
        assert_eq!(
            (received.packets, received.bytes),
            (there.egress.frames.packets, there.egress.frames.bytes)
        );
        assert_eq!(sent.bytes, sent.wire_len, "the kernel reckons otherwise");
        if offloads {
            assert_eq!((sent.skbs, sent.len), sent_by_interface);
            assert_eq!((received.skbs, received.len), received_by_interface);
            for tally in [sent, received] {
                assert!(tally.packets > 3_000_000 / 1448 && tally.skbs < tally.packets / 4, "{tally:?}");
            }
        } else {
            assert_eq!((sent.packets, sent.bytes), sent_by_interface);
            assert_eq!((received.packets, received.bytes), received_by_interface);
            assert_eq!((received.skbs, received.len), received_by_interface);
        }
    }
    Ok(())
}

#[test]
fn counters_stand_where_they_are_put() -> Result<()> {
    privileged!();
    let topology = Topology::new()?;
    let netns = topology.node.netns();
    let ids = || query::on_interface(netns, UPLINK, Direction::Egress);
    assert!(ids()?.is_empty());
    let _middle = Counter::attach(netns, UPLINK, Direction::Egress, Place::First)?;
    let middle = ids()?;
    let _last = Counter::attach(netns, UPLINK, Direction::Egress, Place::Last)?;
    let first = Counter::attach(netns, UPLINK, Direction::Egress, Place::First)?;
    let all = ids()?;
    assert_eq!((all.len(), all.get(1)), (3, middle.first()));
    drop(first);
    assert_eq!(ids()?, all[1..]);
    Ok(())
}

#[test]
fn looped_copies_are_counted_apart() -> Result<()> {
    privileged!();
    let topology = Topology::builder().with_known_neighbours().build()?;
    let group = Ipv4Addr::new(239, 1, 2, 3);
    let member = topology.node.udp_bind(unspecified(NODE_V4, 7001))?;
    let IpAddr::V4(own) = NODE_V4 else { unreachable!() };
    member.join_multicast_v4(&group, &own)?;
    let counters = Pair::attach(topology.node.netns(), UPLINK, Place::First)?;
    let before = counters.settle()?;
    member.send_to(b"to all", SocketAddr::from((group, 7001)))?;
    member.recv(&mut [0; 16])?;
    let seen = counters.read()? - before;
    assert_eq!((seen.ingress.frames.packets, seen.ingress.looped.packets), (0, 1), "{seen:?}");
    assert_eq!(seen.egress.frames.packets, 1, "{seen:?}");
    Ok(())
}

#[test]
fn the_echo_server_echoes() -> Result<()> {
    privileged!();
    let topology = Topology::new()?;
    let tenant = Tenant::new(&topology.node, "a")?;
    let echo = Echo::start(&topology.remote, &remote_addresses(), 7)?;
    for address in remote_addresses() {
        let mut stream = tenant.tcp_connect(at(address, 7))?;
        let sent = vec![7; 300_000];
        let mut received = vec![0; sent.len()];
        thread::scope(|scope| {
            let writing = scope.spawn(|| (&stream).write_all(&sent));
            (&stream).read_exact(&mut received)?;
            writing.join().map_err(|_| anyhow::anyhow!("the writer failed"))??;
            anyhow::Ok(())
        })?;
        assert_eq!(received, sent);
        stream.write_all(b"more")?;
        stream.read_exact(&mut received[..4])?;

        let socket = topology.node.udp_connect(at(address, 7))?;
        socket.send(&[1; 8192])?;
        assert_eq!(socket.recv(&mut [0; 9000])?, 8192);
    }
    let left_open = tenant.tcp_connect(at(REMOTE_V4, 7))?;
    drop(echo);
    assert!(tenant.tcp_connect(at(REMOTE_V4, 7)).is_err());
    assert_eq!((&left_open).read(&mut [0]).unwrap_or(0), 0);
    Ok(())
}

#[test]
fn raw_sockets_send_what_they_are_given() -> Result<()> {
    privileged!();
    let topology = Topology::new()?;
    let tenant = Tenant::new(&topology.node, "a")?;
    for (node, remote) in [(NODE_V4, REMOTE_V4), (NODE_V6, REMOTE_V6)] {
        let receiver = topology.remote.udp_bind(at(remote, 9000))?;
        let socket = tenant.raw_with_header(node, Protocol::from(libc::IPPROTO_RAW))?;
        let datagram = Packet::udp(at(node, 1234), at(remote, 9000)).payload("raw");
        let mut packets = vec![datagram.build()?];
        let large = datagram.payload(vec![5; 3000]);
        packets.extend(large.fragments(1, 1024)?.into_iter().rev());
        if node.is_ipv6() {
            packets.push(large.hop_by_hop().payload("hop").build()?);
        }
        for packet in &packets {
            send_packet(&socket, packet, remote)?;
        }
        let mut buffer = [0; 4000];
        assert_eq!(uninterrupted(|| receiver.recv_from(&mut buffer))?, (3, at(node, 1234)));
        assert_eq!(uninterrupted(|| receiver.recv_from(&mut buffer))?, (3000, at(node, 1234)));
        if node.is_ipv6() {
            assert_eq!(uninterrupted(|| receiver.recv_from(&mut buffer))?, (3, at(node, 1234)));
        }
    }
    Ok(())
}

#[test]
fn ping_sockets_ping() -> Result<()> {
    privileged!();
    let topology = Topology::new()?;
    let tenant = Tenant::new(&topology.node, "a")?;
    for (remote, request, reply) in [(REMOTE2_V4, 8, 0), (REMOTE2_V6, 128, 129)] {
        let socket = tenant.ping_socket(remote, 77)?;
        socket.send_to(&[request, 0, 0, 0, 0, 0, 0, 1, 42], &at(remote, 0).into())?;
        let mut buffer = [0; 64];
        let length = (&socket).read(&mut buffer)?;
        assert_eq!((length, buffer[0], buffer[5], buffer[8]), (9, reply, 77, 42));
    }
    Ok(())
}

#[test]
fn packet_sockets_see_and_send_frames() -> Result<()> {
    privileged!();
    let topology = Topology::builder().with_known_neighbours().build()?;
    let tenant = Tenant::new(&topology.node, "a")?;
    let sender = packet_socket(&tenant, UPLINK, 0)?;
    let receiver = packet_socket(&topology.remote, WIRE, packet::ALL)?;
    let datagram = Packet::udp(at(NODE_V4, 1), at(REMOTE_V4, 2)).payload("frame").build()?;
    let frames = [
        ethernet_ip(NODE_MAC, REMOTE_MAC, &datagram),
        ethernet_vlan(NODE_MAC, REMOTE_MAC, &[5, 6], &datagram),
        ethernet(NODE_MAC, REMOTE_MAC, UNUSED, &[0; 46]),
        ethernet(NODE_MAC, [0xff; 6], ARP, &[0; 46]),
    ];
    for frame in &frames {
        sender.send(frame)?;
        wait::until_true("the frame", LIMIT, || {
            let mut buffer = [0; 2000];
            let length = (&receiver).read(&mut buffer)?;
            let frame_seen = &buffer[..length];
            // The outer tag is taken off into the packet's metadata.
            Ok(frame_seen == frame || frame_seen.len() + 4 == frame.len() && frame_seen[12..] == frame[16..])
        })?;
    }
    sender.set_nonblocking(true)?;
    assert!((&sender).read(&mut [0; 10]).is_err(), "a socket that only sends has received");
    Ok(())
}

/// Sends `size` bytes by TCP to the remote host, and as many back.
fn exchange(topology: &Topology, remote: IpAddr, size: usize) -> Result<()> {
    let listener = topology.remote.tcp_listen(at(remote, 0))?;
    let target = listener.local_addr()?;
    let serve = || -> Result<()> {
        let (mut stream, _) = accept(&listener)?;
        let mut data = vec![0; size];
        stream.read_exact(&mut data)?;
        Ok(stream.write_all(&data)?)
    };
    thread::scope(|scope| {
        let serving = scope.spawn(serve);
        let mut stream = topology.node.tcp_connect(target)?;
        stream.write_all(&vec![1; size])?;
        let mut data = Vec::new();
        stream.read_to_end(&mut data)?;
        assert_eq!(data.len(), size);
        serving.join().map_err(|_| anyhow::anyhow!("the server failed"))?
    })
}
