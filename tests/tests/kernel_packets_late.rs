//! What the node's kernel says after the end: acknowledgements in TIME_WAIT, and resets.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::{Result, anyhow};
use berth_tests::frame::Packet;
use berth_tests::ghost::{Connection, GHOST_V4, GHOST_V6};
use berth_tests::process::ok;
use berth_tests::sockets::accept;
use berth_tests::topology::{NODE_V4, NODE_V6, at};
use berth_tests::{Endpoint, Ghost, Ledger, SharedNode, Sockets, privileged};
use etherparse::{TcpSlice, TransportSlice};
use socket2::SockRef;

const PORT: u16 = 8080;
const CLOSED: u16 = 9999;

const GHOSTS: [(IpAddr, IpAddr); 2] = [(NODE_V4, GHOST_V4), (NODE_V6, GHOST_V6)];

/// Packets (in, out) of each owner.
fn packets<const N: usize>(owners: [(&'static str, (u64, u64)); N]) -> BTreeMap<&'static str, (u64, u64)> {
    owners.into()
}

#[test]
fn a_time_wait_ack_is_of_who_had_the_connection() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    for (local, ghostly) in GHOSTS {
        let ghost = Ghost::appear(&node.topology, ghostly)?;
        let (stream, mut connection) = call(&node.a, &ghost, local)?;
        drop(stream);
        connection.close_after_peer()?;
        again_in_time_wait(&node, &connection)?;
    }
    Ok(())
}

#[test]
fn a_time_wait_ack_is_the_listeners() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    for (local, ghostly) in GHOSTS {
        let listener = node.a.tcp_listen(at(local, PORT))?;
        let ghost = Ghost::appear(&node.topology, ghostly)?;
        let mut connection = ghost.connect(7777, at(local, PORT))?;
        drop(accept(&listener)?);
        connection.close_after_peer()?;
        again_in_time_wait(&node, &connection)?;
    }
    Ok(())
}

#[test]
fn a_reset_of_a_port_of_nobody_is_the_hosts() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    for (local, ghostly) in GHOSTS {
        let ghost = Ghost::appear(&node.topology, ghostly)?;
        let ledger = Ledger::open(&node)?;
        let growth = ledger.growth(|| knock(&ghost, at(local, CLOSED)))?;
        assert_eq!(growth.packets(), packets([("unowned", (1, 0)), ("host", (0, 1))]), "{local}");
    }
    Ok(())
}

#[test]
fn a_reset_of_a_reserved_port_is_the_holders() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    node.berth.ok(["ports", "reserve", "a", &format!("tcp/{CLOSED}")])?;
    for (local, ghostly) in GHOSTS {
        let ghost = Ghost::appear(&node.topology, ghostly)?;
        let ledger = Ledger::open(&node)?;
        let growth = ledger.growth(|| knock(&ghost, at(local, CLOSED)))?;
        assert_eq!(growth.packets(), packets([("a", (1, 1))]), "{local}");
    }
    Ok(())
}

#[test]
fn a_reset_on_a_closed_flow_is_of_who_had_it() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    for (local, ghostly) in GHOSTS {
        let ghost = Ghost::appear(&node.topology, ghostly)?;
        let (stream, connection) = call(&node.a, &ghost, local)?;
        // So that closing is a reset, and nothing is left of the connection.
        SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
        drop(stream);
        connection.wait_for("the reset", is_reset)?;
        let ledger = Ledger::open(&node)?;
        let growth = ledger.growth(|| {
            connection.send(b"late", |header| header.psh = true)?;
            connection.wait_for("another reset", is_reset)
        })?;
        assert_eq!(growth.packets(), packets([("a", (1, 1))]), "{local}");
    }
    Ok(())
}

/// Has a container call a ghost.
fn call<'a>(
    endpoint: &(dyn Endpoint + Sync),
    ghost: &'a Ghost,
    local: IpAddr,
) -> Result<(TcpStream, Connection<'a>)> {
    thread::scope(|scope| {
        let calling = scope.spawn(|| endpoint.tcp_connect(ghost.at(7)));
        let connection = ghost.accept(local, 7)?;
        let stream = calling.join().map_err(|_| anyhow!("the caller failed"))??;
        Ok((stream, connection))
    })
}

/// A FIN that comes again in TIME_WAIT is acknowledged again, and all of that is A's.
fn again_in_time_wait(node: &SharedNode, connection: &Connection<'_>) -> Result<()> {
    let sockets = ok(node.topology.node.command("ss")?.args(["-Htan", "state", "time-wait"]))?;
    let peer = connection.peer.ip().to_string();
    assert_eq!(sockets.lines().filter(|line| line.contains(&peer)).count(), 1, "{sockets}");
    let ledger = Ledger::open(node)?;
    let growth = ledger.growth(|| {
        connection.send_fin()?;
        connection.wait_for_fin_ack()
    })?;
    assert_eq!(growth.packets(), packets([("a", (1, 1))]), "{connection:?}");
    Ok(())
}

/// Sends a SYN and waits for the reset.
fn knock(ghost: &Ghost, node: SocketAddr) -> Result<()> {
    ghost.send(&Packet::tcp(ghost.at(7777), node, |header| header.syn = true))?;
    ghost.receive("a reset", |packet| match &packet.transport {
        Some(TransportSlice::Tcp(tcp)) if tcp.rst() && tcp.destination_port() == 7777 => Some(()),
        _ => None,
    })
}

fn is_reset(tcp: &TcpSlice<'_>) -> bool {
    tcp.rst()
}
