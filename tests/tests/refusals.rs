//! What a container may not send: on another's flow, from another's port or socket, from an address that is not the
//! node's.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, TcpStream};

use anyhow::{Context, Result};
use berth_tests::echo::Echo;
use berth_tests::exchange::stream;
use berth_tests::frame::{Packet, ethernet_ip, ethernet_vlan};
use berth_tests::ledger::Growth;
use berth_tests::packet::packet_socket;
use berth_tests::sockets::{accept, errno, send_packet};
use berth_tests::topology::{
    NODE_MAC, NODE_V4, NODE_V6, REMOTE_MAC, REMOTE_V4, REMOTE_V6, REMOTE2_V4, REMOTE2_V6, UPLINK, at,
    remote_addresses,
};
use berth_tests::{Endpoint, Ledger, SharedNode, Sockets, privileged};
use socket2::{Domain, Protocol, Socket, Type};

const ECHO: u16 = 7;
const SERVICE: u16 = 8080;

/// An address of the node, one of the remote host, another of it, and one that nobody has.
const HOSTS: [(IpAddr, IpAddr, IpAddr, &str); 2] =
    [(NODE_V4, REMOTE_V4, REMOTE2_V4, "198.18.0.99"), (NODE_V6, REMOTE_V6, REMOTE2_V6, "fd62:6572:7468::99")];

/// B's ways to send whatever it likes.
struct Intruder {
    raw: Socket,
    frames: Socket,
}

impl Intruder {
    fn new(node: &SharedNode, family: IpAddr) -> Result<Self> {
        let raw = node.b.raw_with_header(family, Protocol::from(libc::IPPROTO_RAW))?;
        Ok(Self { raw, frames: packet_socket(&node.b, UPLINK, 0)? })
    }

    /// Sends a packet in every way, and sees each refused for `reason`: a raw socket with EPERM, a packet socket with
    /// ENOBUFS, with VLAN tags or without. Nothing is let through.
    fn is_refused(&self, ledger: &Ledger<'_>, packet: &Packet, to: IpAddr, reason: &str) -> Result<()> {
        let packet = packet.build()?;
        let growth = ledger.growth(|| {
            assert_eq!(errno(send_packet(&self.raw, &packet, to)), Some(libc::EPERM), "{reason}");
            Ok(())
        })?;
        assert_refused(&growth, 0, &[(reason, 1)]);
        let growth = ledger.growth(|| {
            let tagged = |tags| ethernet_vlan(NODE_MAC, REMOTE_MAC, tags, &packet);
            for frame in [ethernet_ip(NODE_MAC, REMOTE_MAC, &packet), tagged(&[5]), tagged(&[5, 6])] {
                assert_eq!(errno(self.frames.send(&frame)), Some(libc::ENOBUFS), "{reason}");
            }
            Ok(())
        })?;
        assert_refused(&growth, 3, &[(reason, 3)]);
        Ok(())
    }
}

/// All that B has sent was refused: `frames` at the uplink, the others before; and there was nothing else.
fn assert_refused(growth: &Growth, frames: u64, drops: &[(&str, u64)]) {
    let packets = if frames == 0 { BTreeMap::new() } else { BTreeMap::from([("b", (0, frames))]) };
    assert_eq!(growth.packets(), packets);
    assert_eq!(growth.passed.outgoing.packets, 0, "{growth:#?}");
    let drops: BTreeMap<_, _> = drops.iter().map(|&(reason, count)| (("b", reason), count)).collect();
    assert_eq!(growth.drops(), drops);
}

/// A segment of somebody's connection, such as ends it.
fn reset(connection: &TcpStream) -> Result<Packet> {
    let (local, remote) = (connection.local_addr()?, connection.peer_addr()?);
    Ok(Packet::tcp(local, remote, |header| header.rst = true))
}

fn segment(from: SocketAddr, to: SocketAddr) -> Packet {
    Packet::tcp(from, to, |header| header.ack = true).payload("intruder")
}

#[test]
fn on_anothers_connection() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let _echo = Echo::start(&node.topology.remote, &remote_addresses(), ECHO)?;
    for (local, remote, ..) in HOSTS {
        let connection = node.a.tcp_connect(at(remote, ECHO))?;
        stream(&connection, 1000)?;
        let (intruder, ledger) = (Intruder::new(&node, local)?, Ledger::open(&node)?);
        intruder.is_refused(&ledger, &reset(&connection)?, remote, "hijack")?;
        let data = segment(connection.local_addr()?, connection.peer_addr()?);
        intruder.is_refused(&ledger, &data, remote, "hijack")?;
        stream(&connection, 1000)?;
    }
    Ok(())
}

#[test]
fn from_anothers_port() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let _echo = Echo::start(&node.topology.remote, &remote_addresses(), ECHO)?;
    for (local, remote, other, _) in HOSTS {
        let listener = node.a.tcp_listen(at(local, SERVICE))?;
        let caller = node.topology.remote.tcp_connect(at(local, SERVICE))?;
        let (accepted, from) = accept(&listener)?;
        let socket = node.a.udp_bind(at(local, SERVICE))?;
        socket.connect(at(remote, ECHO))?;
        let (intruder, ledger) = (Intruder::new(&node, local)?, Ledger::open(&node)?);
        for to in [from, at(remote, 1234), at(other, 1234)] {
            let packet = segment(at(local, SERVICE), to);
            intruder.is_refused(&ledger, &packet, to.ip(), "port-reserved")?;
        }
        for to in [at(remote, ECHO), at(other, 1234)] {
            let packet = Packet::udp(at(local, SERVICE), to).payload("intruder");
            intruder.is_refused(&ledger, &packet, to.ip(), "port-reserved")?;
        }
        berth_tests::exchange::datagrams(&socket, 1, 10)?;
        pass_a_word(&accepted, &caller)?;
        pass_a_word(&caller, &accepted)?;
    }
    Ok(())
}

#[test]
fn from_an_address_that_is_not_the_nodes() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    for (_, remote, other, nobodys) in HOSTS {
        let (intruder, ledger) = (Intruder::new(&node, remote)?, Ledger::open(&node)?);
        for from in [nobodys.parse()?, other] {
            for packet in [
                Packet::udp(at(from, 1234), at(remote, ECHO)).payload("intruder"),
                segment(at(from, 1234), at(remote, ECHO)),
                Packet::echo_request(from, remote, 7, 1),
                Packet::other(from, remote, 50).payload([0; 16]),
            ] {
                intruder.is_refused(&ledger, &packet, remote, "spoofed-source")?;
            }
        }
        // The kernel would let it be bound to any address.
        let foreign: IpAddr = nobodys.parse()?;
        let socket = node.b.socket(Domain::for_address(at(foreign, 0)), Type::DGRAM, Some(Protocol::UDP))?;
        match foreign {
            IpAddr::V4(_) => socket.set_ip_transparent_v4(true)?,
            IpAddr::V6(_) => socket.set_freebind_v6(true)?,
        }
        socket.bind(&at(foreign, 1234).into())?;
        let growth = ledger.growth(|| {
            assert_eq!(errno(socket.send_to(b"intruder", &at(remote, ECHO).into())), Some(libc::EPERM));
            Ok(())
        })?;
        assert_refused(&growth, 0, &[("spoofed-source", 1)]);
    }
    Ok(())
}

#[test]
fn on_a_connection_of_the_host() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let _echo = Echo::start(&node.topology.remote, &remote_addresses(), ECHO)?;
    for (local, remote, other, _) in HOSTS {
        let listener = node.topology.node.tcp_listen(at(local, 22))?;
        let caller = node.topology.remote.tcp_connect(at(local, 22))?;
        let (accepted, _) = accept(&listener)?;
        let outgoing = node.topology.node.tcp_connect(at(remote, ECHO))?;
        let socket = node.topology.node.udp_bind(at(local, 53))?;
        let (intruder, ledger) = (Intruder::new(&node, local)?, Ledger::open(&node)?);
        for connection in [&accepted, &outgoing] {
            intruder.is_refused(&ledger, &reset(connection)?, remote, "hijack")?;
            let data = segment(connection.local_addr()?, connection.peer_addr()?);
            intruder.is_refused(&ledger, &data, remote, "hijack")?;
        }
        // From its listener's port, where it has no connection.
        intruder.is_refused(&ledger, &segment(at(local, 22), at(other, 1234)), other, "hijack")?;
        let packet = Packet::udp(socket.local_addr()?, at(other, 1234)).payload("intruder");
        intruder.is_refused(&ledger, &packet, other, "hijack")?;
        stream(&outgoing, 1000)?;
        pass_a_word(&accepted, &caller)?;
        pass_a_word(&caller, &accepted)?;
    }
    Ok(())
}

#[test]
fn an_icmp_error_about_what_another_is_sent() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let _echo = Echo::start(&node.topology.remote, &remote_addresses(), ECHO)?;
    for (local, remote, ..) in HOSTS {
        let connection = node.a.tcp_connect(at(remote, ECHO))?;
        let hosts = node.topology.node.tcp_connect(at(remote, ECHO))?;
        let (intruder, ledger) = (Intruder::new(&node, local)?, Ledger::open(&node)?);
        for connection in [&connection, &hosts] {
            let (here, there) = (connection.local_addr()?, connection.peer_addr()?);
            let quoted = segment(there, here).build()?;
            let (protocol, kind) = if local.is_ipv4() { (1, 3) } else { (58, 1) };
            let error = [&[kind, 1, 0, 0, 0, 0, 0, 0][..], &quoted].concat();
            let packet = Packet::other(local, remote, protocol).payload(error);
            intruder.is_refused(&ledger, &packet, remote, "hijack")?;
            stream(connection, 1000)?;
        }
    }
    Ok(())
}

/// One end says something, and the other hears it.
fn pass_a_word(mut from: &TcpStream, mut to: &TcpStream) -> Result<()> {
    use std::io::{Read, Write};
    let mut word = [0; 5];
    from.write_all(b"hello").context("say something")?;
    to.read_exact(&mut word).context("hear it")?;
    assert_eq!(&word, b"hello");
    Ok(())
}
