//! What a container may not send within the node.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};

use anyhow::Result;
use berth_tests::echo::Echo;
use berth_tests::exchange::{datagrams, pings, receive, stream};
use berth_tests::frame::{Packet, ethernet, ethernet_ip};
use berth_tests::packet::packet_socket;
use berth_tests::sockets::{errno, icmp, send_packet};
use berth_tests::topology::{NODE_V4, NODE_V6, REMOTE_V4, REMOTE_V6, at, remote_addresses};
use berth_tests::{Endpoint, Ledger, SharedNode, Sockets, privileged};
use socket2::{Protocol, Socket};

const ECHO: u16 = 7;
const PORT: u16 = 7777;
const NOWHERE: [u8; 6] = [0; 6];
const LO_V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const LO_V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

/// Addresses that are reached over lo.
const LOCAL: [IpAddr; 4] = [LO_V4, LO_V6, NODE_V4, NODE_V6];

/// B's ways to send whatever it likes to the node itself.
struct Intruder {
    raw: Socket,
    frames: Socket,
}

impl Intruder {
    fn new(node: &SharedNode, family: IpAddr) -> Result<Self> {
        let raw = node.b.raw_with_header(family, Protocol::from(libc::IPPROTO_RAW))?;
        Ok(Self { raw, frames: packet_socket(&node.b, "lo", 0)? })
    }

    /// Sends a packet in every way, and sees each refused for `reason`, and nothing else happen.
    fn is_refused(&self, ledger: &Ledger<'_>, packet: &Packet, to: IpAddr, reason: &str) -> Result<()> {
        let packet = packet.build()?;
        let growth = ledger.growth(|| {
            assert_eq!(errno(send_packet(&self.raw, &packet, to)), Some(libc::EPERM), "{reason} {to}");
            let frame = ethernet_ip(NOWHERE, NOWHERE, &packet);
            assert_eq!(errno(self.frames.send(&frame)), Some(libc::ENOBUFS), "{reason} {to}");
            Ok(())
        })?;
        assert_eq!(growth.drops(), BTreeMap::from([(("b", reason), 2)]), "{to}");
        assert_eq!(growth.packets(), BTreeMap::new());
        // Counted as B's and as dropped; and nobody else had any.
        assert_eq!(growth.local(), BTreeMap::from([("b", (0, 2))]), "{to}");
        Ok(())
    }
}

fn segment(from: SocketAddr, to: SocketAddr) -> Packet {
    Packet::tcp(from, to, |header| header.ack = true).payload("intruder")
}

fn reset(from: SocketAddr, to: SocketAddr) -> Packet {
    Packet::tcp(from, to, |header| header.rst = true)
}

#[test]
fn a_connection_with_the_host() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    for address in LOCAL {
        let _echo = Echo::start(&node.topology.node, &[address], ECHO)?;
        let connection = node.a.tcp_connect(at(address, ECHO))?;
        is_safe_from_both_ends(&node, &connection, ["hijack", "hijack"])?;
    }
    Ok(())
}

#[test]
fn a_connection_of_the_host() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    for address in LOCAL {
        let _echo = Echo::start(&node.topology.node, &[address], ECHO)?;
        let connection = node.topology.node.tcp_connect(at(address, ECHO))?;
        is_safe_from_both_ends(&node, &connection, ["hijack", "hijack"])?;
    }
    Ok(())
}

#[test]
fn a_connection_of_a_container_with_itself() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    for address in LOCAL {
        let _echo = Echo::start(&node.a, &[address], ECHO)?;
        let connection = node.a.tcp_connect(at(address, ECHO))?;
        is_safe_from_both_ends(&node, &connection, ["hijack", "port-reserved"])?;
    }
    Ok(())
}

/// B sends from the connection's own end, and from the other one.
fn is_safe_from_both_ends(node: &SharedNode, connection: &TcpStream, reasons: [&str; 2]) -> Result<()> {
    let (here, there) = (connection.local_addr()?, connection.peer_addr()?);
    stream(connection, 1000)?;
    let (intruder, ledger) = (Intruder::new(node, here.ip())?, Ledger::open(node)?);
    for ((from, to), reason) in [(here, there), (there, here)].into_iter().zip(reasons) {
        intruder.is_refused(&ledger, &segment(from, to), to.ip(), reason)?;
        intruder.is_refused(&ledger, &reset(from, to), to.ip(), reason)?;
    }
    stream(connection, 1000)
}

/// As if it came from the remote host.
#[test]
fn a_connection_with_the_remote_host() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let _echo = Echo::start(&node.topology.remote, &remote_addresses(), ECHO)?;
    for remote in [REMOTE_V4, REMOTE_V6] {
        for endpoint in [&node.a as &dyn Endpoint, &node.topology.node] {
            let connection = endpoint.tcp_connect(at(remote, ECHO))?;
            let (here, there) = (connection.local_addr()?, connection.peer_addr()?);
            let (intruder, ledger) = (Intruder::new(&node, remote)?, Ledger::open(&node)?);
            intruder.is_refused(&ledger, &segment(there, here), here.ip(), "spoofed-source")?;
            intruder.is_refused(&ledger, &reset(there, here), here.ip(), "spoofed-source")?;
            stream(&connection, 1000)?;
        }
    }
    Ok(())
}

#[test]
fn ports_and_ids_of_others() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    for address in LOCAL {
        let _listener = node.a.tcp_listen(at(address, PORT))?;
        let _socket = node.a.udp_bind(at(address, PORT))?;
        let _hosts = node.topology.node.udp_bind(at(address, 53))?;
        pings(&node.a.raw(address, icmp(address))?, (address, address), 77, 1)?;
        let (intruder, ledger) = (Intruder::new(&node, address)?, Ledger::open(&node)?);
        for (packet, reason) in [
            (segment(at(address, PORT), at(address, 1234)), "port-reserved"),
            (Packet::udp(at(address, PORT), at(address, 1234)), "port-reserved"),
            (Packet::udp(at(address, 53), at(address, 1234)), "hijack"),
            (Packet::echo_request(address, address, 77, 2), "icmp-id-in-use"),
        ] {
            intruder.is_refused(&ledger, &packet, address, reason)?;
        }
    }
    Ok(())
}

#[test]
fn frames_that_are_not_ip() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let (socket, ledger) = (packet_socket(&node.b, "lo", 0)?, Ledger::open(&node)?);
    let growth = ledger.growth(|| {
        for ethertype in [0x88b5, 0x0806] {
            let frame = ethernet(NOWHERE, NOWHERE, ethertype, &[0; 46]);
            assert_eq!(errno(socket.send(&frame)), Some(libc::ENOBUFS));
        }
        Ok(())
    })?;
    assert_eq!(growth.drops(), BTreeMap::from([(("b", "non-ip"), 2)]));
    Ok(())
}

/// B has spoken from a port before; then it is somebody else's.
#[test]
fn a_port_that_is_bound_later() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    for address in LOCAL {
        let _echo = Echo::start(&node.topology.node, &[address], ECHO)?;
        for (later, port, reason) in
            [(&node.a as &dyn Endpoint, PORT, "port-reserved"), (&node.topology.node, PORT + 1, "hijack")]
        {
            let (intruder, ledger) = (Intruder::new(&node, address)?, Ledger::open(&node)?);
            let packet = Packet::udp(at(address, port), at(address, ECHO)).payload("first");
            let first = packet.build()?;
            // Its echo has come and gone when that has settled.
            ledger.growth(|| Ok(send_packet(&intruder.raw, &first, address).map(drop)?))?;
            let ear = node.b.raw(address, Protocol::UDP)?;
            ear.set_nonblocking(true)?;
            let socket = later.udp_bind(at(address, port))?;
            socket.connect(at(address, ECHO))?;
            datagrams(&socket, 3, 100)?;
            assert_eq!(errno(receive(&ear, address)), Some(libc::EAGAIN), "{address} {reason}");
            intruder.is_refused(&ledger, &packet, address, reason)?;
        }
    }
    Ok(())
}
