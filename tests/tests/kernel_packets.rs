//! Packets that the node's kernel makes: no socket, or none that says anything, sends them.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};

use anyhow::{Context, Result};
use berth_tests::exchange::pings;
use berth_tests::process::ok;
use berth_tests::sockets::{accept, icmp, timed};
use berth_tests::topology::{NODE_V4, NODE_V6, REMOTE_V4, REMOTE_V6, at};
use berth_tests::{Endpoint, Ledger, SharedNode, Sockets, privileged, sysctl};
use socket2::{Domain, Protocol, Type};

const PORT: u16 = 8080;
const CLOSED: u16 = 9999;

const HOSTS: [(IpAddr, IpAddr); 2] = [(NODE_V4, REMOTE_V4), (NODE_V6, REMOTE_V6)];

/// Packets (in, out) of each owner.
fn packets<const N: usize>(owners: [(&'static str, (u64, u64)); N]) -> BTreeMap<&'static str, (u64, u64)> {
    owners.into()
}

#[test]
fn a_syn_ack_is_the_listeners() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    for (local, _) in HOSTS {
        let listener = node.a.tcp_listen(at(local, PORT))?;
        handshake(&node, local, &listener)?;
    }
    Ok(())
}

#[test]
fn a_syn_ack_of_an_autobound_listener_is_the_listeners() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    for (local, _) in HOSTS {
        handshake(&node, local, &autobound(&node.a, local)?)?;
    }
    Ok(())
}

#[test]
fn a_syn_cookie_is_the_listeners() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    // Cookies always, not just in need.
    sysctl::set(node.netns(), "ipv4/tcp_syncookies", "2")?;
    for (local, _) in HOSTS {
        let listener = node.a.tcp_listen(at(local, PORT))?;
        let before = cookies_sent(&node)?;
        handshake(&node, local, &listener)?;
        assert_eq!(cookies_sent(&node)?, before + 1);
    }
    Ok(())
}

#[test]
fn a_syn_cookie_of_an_autobound_listener_is_the_listeners() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    sysctl::set(node.netns(), "ipv4/tcp_syncookies", "2")?;
    for (local, _) in HOSTS {
        handshake(&node, local, &autobound(&node.a, local)?)?;
    }
    Ok(())
}

#[test]
fn a_hosts_syn_ack_is_the_hosts() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    for (cookies, port) in [("1", PORT), ("2", PORT + 1)] {
        sysctl::set(node.netns(), "ipv4/tcp_syncookies", cookies)?;
        for (local, _) in HOSTS {
            let listener = node.topology.node.tcp_listen(at(local, port))?;
            let ledger = Ledger::open(&node)?;
            let (_connection, growth) = ledger.during(|| connect(&node, local, &listener))?;
            assert_eq!(growth.packets(), packets([("host", (2, 1))]), "{local} {cookies}");
        }
    }
    Ok(())
}

#[test]
fn an_echo_reply_is_the_hosts() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    for (local, remote) in HOSTS {
        let socket = node.topology.remote.raw(remote, icmp(remote))?;
        let ledger = Ledger::open(&node)?;
        let growth = ledger.growth(|| pings(&socket, (remote, local), 7, 5))?;
        // No socket is there for the requests.
        assert_eq!(growth.packets(), packets([("unowned", (5, 0)), ("host", (0, 5))]), "{local}");
    }
    Ok(())
}

#[test]
fn an_icmp_error_about_a_port_of_nobody_is_the_hosts() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    for (local, remote) in HOSTS {
        let socket = node.topology.remote.udp_connect(at(local, CLOSED))?;
        assert_eq!(socket.peer_addr()?.ip(), local, "{remote}");
        let ledger = Ledger::open(&node)?;
        let growth = ledger.growth(|| refused_datagram(&socket))?;
        assert_eq!(growth.packets(), packets([("unowned", (1, 0)), ("host", (0, 1))]), "{local}");
    }
    Ok(())
}

#[test]
fn an_icmp_error_about_a_late_datagram_is_of_who_had_the_flow() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    for (local, remote) in HOSTS {
        let there = node.topology.remote.udp_bind(at(remote, 7000))?;
        let here = autobound_udp(&node.a, at(remote, 7000))?;
        here.send(b"request")?;
        let (_, from) = there.recv_from(&mut [0; 16])?;
        assert_eq!(from.ip(), local);
        drop(here);
        there.connect(from)?;
        let ledger = Ledger::open(&node)?;
        let growth = ledger.growth(|| refused_datagram(&there))?;
        assert_eq!(growth.packets(), packets([("a", (1, 1))]), "{local}");
    }
    Ok(())
}

/// A handshake with a listener of A's counts three packets for A and none for anybody else.
fn handshake(node: &SharedNode, local: IpAddr, listener: &TcpListener) -> Result<()> {
    let ledger = Ledger::open(node)?;
    let (_connection, growth) = ledger.during(|| connect(node, local, listener))?;
    assert_eq!(growth.packets(), packets([("a", (2, 1))]), "{listener:?}");
    Ok(())
}

/// Both ends of a connection from the remote host.
fn connect(node: &SharedNode, local: IpAddr, listener: &TcpListener) -> Result<(TcpStream, TcpStream)> {
    let ours = node.topology.remote.tcp_connect(at(local, listener.local_addr()?.port()))?;
    Ok((ours, accept(listener)?.0))
}

/// A listener that has never been bound, at every address.
fn autobound(endpoint: &dyn Endpoint, family: IpAddr) -> Result<TcpListener> {
    let socket = endpoint.tcp(family)?;
    socket.listen(1)?;
    let local = socket.local_addr()?.as_socket().context("no address")?;
    assert!(local.ip().is_unspecified() && local.port() != 0);
    Ok(socket.into())
}

/// A UDP socket whose port the kernel chooses as it connects.
fn autobound_udp(endpoint: &dyn Endpoint, remote: SocketAddr) -> io::Result<UdpSocket> {
    let socket = timed(endpoint.socket(Domain::for_address(remote), Type::DGRAM, Some(Protocol::UDP))?)?;
    socket.connect(&remote.into())?;
    Ok(socket.into())
}

/// Sends a datagram from a connected socket, which is told that nobody wants it.
fn refused_datagram(socket: &UdpSocket) -> Result<()> {
    socket.send(b"anybody?")?;
    let error = socket.recv(&mut [0; 16]).map_err(|error| error.kind());
    assert_eq!(error, Err(io::ErrorKind::ConnectionRefused));
    Ok(())
}

fn cookies_sent(node: &SharedNode) -> Result<u64> {
    let text = ok(node.topology.node.command("cat")?.arg("/proc/net/netstat"))?;
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("TcpExt: "));
    let (names, values) = (lines.next().context("no names")?, lines.next().context("no values")?);
    let mut columns = names.split(' ').zip(values.split(' '));
    let (_, value) = columns.find(|(name, _)| *name == "SyncookiesSent").context("no count of cookies")?;
    Ok(value.parse()?)
}
