//! Containers on one address: each packet is counted, once, for whom it belongs to.

use std::collections::BTreeMap;
use std::net::{IpAddr, TcpStream};
use std::thread;

use anyhow::{Result, anyhow};
use berth_tests::echo::Echo;
use berth_tests::exchange::{datagrams, pings, stream};
use berth_tests::ledger::Growth;
use berth_tests::sniffer::Frame;
use berth_tests::sockets::{icmp, unspecified};
use berth_tests::topology::{NODE_V4, NODE_V6, REMOTE_V4, REMOTE_V6, WIRE, at, remote_addresses};
use berth_tests::view::{Both, Traffic};
use berth_tests::wait::LIMIT;
use berth_tests::{Endpoint, Ledger, SharedNode, Sniffer, Sockets, Topology, privileged};

const ECHO: u16 = 7;
const SERVICE: u16 = 8080;

#[test]
fn every_packet_of_two_containers_with_offloads() -> Result<()> {
    privileged!();
    two_containers(true)
}

#[test]
fn every_packet_of_two_containers_without_offloads() -> Result<()> {
    privileged!();
    two_containers(false)
}

/// Both at once, with everything they have to the same remote host and port.
fn two_containers(offloads: bool) -> Result<()> {
    let topology = Topology::builder().with_known_neighbours().offloads(offloads).build()?;
    let node = SharedNode::on(topology, "")?;
    let _echo = Echo::start(&node.topology.remote, &remote_addresses(), ECHO)?;
    for ends in [(NODE_V4, REMOTE_V4), (NODE_V6, REMOTE_V6)] {
        let ledger = Ledger::open(&node)?;
        let sniffer = Sniffer::start(&node.topology.remote, WIRE)?;
        let (marks, growth) = ledger.during(|| {
            thread::scope(|scope| {
                let a = scope.spawn(|| talk(&node.a, ends, [1001, 1002]));
                let b = scope.spawn(|| talk(&node.b, ends, [2001, 2002]));
                [("a", a), ("b", b)].into_iter().map(|(name, thread)| Ok((name, joined(thread)?))).collect()
            })
        })?;
        let marks: Vec<(&str, Marks)> = marks;
        let expected = by_owner(&sniffer.frames()?, &marks);
        assert_eq!(traffic(&growth)?, expected);
        // A raw socket is offered the other's replies, too, if it is open at the time.
        assert!(growth.drops().keys().all(|&(_, reason)| reason == "not-owner"), "{:?}", growth.drops());
        assert!(expected.values().all(|both| both.incoming.packets > 100 && both.outgoing.packets > 100));
        if !offloads {
            growth.agrees_with_interface()?;
        }
    }
    Ok(())
}

/// What tells a container's packets from others.
#[derive(Debug)]
struct Marks {
    ports: [u16; 2],
    ids: [u16; 2],
}

fn talk(endpoint: &dyn Endpoint, (local, remote): (IpAddr, IpAddr), ids: [u16; 2]) -> Result<Marks> {
    let connection = endpoint.tcp_connect(at(remote, ECHO))?;
    let socket = endpoint.udp_connect(at(remote, ECHO))?;
    let ports = [connection.local_addr()?.port(), socket.local_addr()?.port()];
    stream(&connection, 5)?;
    datagrams(&socket, 30, 700)?;
    stream(&connection, 400_000)?;
    pings(&endpoint.ping_socket(remote, ids[0])?, (local, remote), ids[0], 10)?;
    pings(&endpoint.raw(remote, icmp(remote))?, (local, remote), ids[1], 10)?;
    datagrams(&socket, 30, 1)?;
    Ok(Marks { ports, ids })
}

fn joined<T>(thread: thread::ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    thread.join().map_err(|_| anyhow!("a container's thread failed"))?
}

/// The traffic of each owner by what the frames on the wire say, taken down at the remote host.
fn by_owner<'a>(frames: &[Frame], marks: &[(&'a str, Marks)]) -> BTreeMap<&'a str, Both> {
    let mut owners = BTreeMap::new();
    for frame in frames {
        let is_of = |marks: &Marks| match (frame.ports(), frame.echo_id()) {
            (Some((from, to)), _) => marks.ports.contains(if frame.is_sent { &to } else { &from }),
            (None, Some(id)) => marks.ids.contains(&id),
            (None, None) => false,
        };
        let owner = marks.iter().find(|(_, marks)| is_of(marks)).map_or("nobody we know", |(name, _)| name);
        let traffic = Traffic { packets: frame.packets, bytes: frame.bytes };
        let both = if frame.is_sent {
            Both { incoming: traffic, ..Both::default() }
        } else {
            Both { outgoing: traffic, ..Both::default() }
        };
        let total = owners.entry(owner).or_insert(Both::default());
        *total = *total + both;
    }
    owners
}

/// IPv4 through IPv6 sockets.
#[test]
fn every_packet_to_mapped_addresses() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let _echo = Echo::start(&node.topology.remote, &remote_addresses(), ECHO)?;
    let IpAddr::V4(remote) = REMOTE_V4 else { unreachable!() };
    let out = node.a.tcp(NODE_V6)?;
    let listener = node.b.tcp(NODE_V6)?;
    listener.set_only_v6(false)?;
    listener.bind(&unspecified(NODE_V6, SERVICE).into())?;
    listener.listen(1)?;
    let (ledger, sniffer) = (Ledger::open(&node)?, Sniffer::start(&node.topology.remote, WIRE)?);
    let ((connection, _caller, _accepted), growth) = ledger.during(|| {
        out.connect_timeout(&at(remote.to_ipv6_mapped().into(), ECHO).into(), LIMIT)?;
        let connection: TcpStream = out.into();
        stream(&connection, 100_000)?;
        let caller = node.topology.remote.tcp_connect(at(NODE_V4, SERVICE))?;
        Ok((connection, caller, listener.accept()?))
    })?;
    let marks = [
        ("a", Marks { ports: [connection.local_addr()?.port(); 2], ids: [0; 2] }),
        ("b", Marks { ports: [SERVICE; 2], ids: [0; 2] }),
    ];
    let expected = by_owner(&sniffer.frames()?, &marks);
    assert_eq!(traffic(&growth)?, expected);
    assert_eq!(expected.len(), 2);
    assert_eq!(growth.drops(), BTreeMap::new());
    Ok(())
}

/// What was counted for each owner who had anything.
fn traffic(growth: &Growth) -> Result<BTreeMap<&str, Both>> {
    growth.packets().into_keys().map(|name| Ok((name, growth.of(name)?.traffic))).collect()
}
