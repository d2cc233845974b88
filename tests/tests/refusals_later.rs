//! A container that sends first from a port owns the flow; never over a socket that comes later.

use std::collections::BTreeMap;
use std::mem::MaybeUninit;
use std::net::IpAddr;

use anyhow::Result;
use berth_tests::echo::Echo;
use berth_tests::exchange::{datagrams, stream};
use berth_tests::frame::Packet;
use berth_tests::sockets::{accept, errno, send_packet};
use berth_tests::topology::{NODE_V4, NODE_V6, REMOTE_V4, REMOTE_V6, WIRE, at};
use berth_tests::wait::uninterrupted;
use berth_tests::{Endpoint, Ledger, SharedNode, Sniffer, Sockets, privileged, sysctl};
use socket2::{Protocol, Socket};

const ECHO: u16 = 7;
const PORT: u16 = 7777;
const THERE: u16 = 9;

const HOSTS: [(IpAddr, IpAddr); 2] = [(NODE_V4, REMOTE_V4), (NODE_V6, REMOTE_V6)];

/// B's raw sockets.
struct Opener {
    sends: Socket,
    hears: Socket,
}

impl Opener {
    fn new(node: &SharedNode, family: IpAddr, protocol: Protocol) -> Result<Self> {
        let sends = node.b.raw_with_header(family, Protocol::from(libc::IPPROTO_RAW))?;
        let hears = node.b.raw(family, protocol)?;
        hears.set_nonblocking(true)?;
        Ok(Self { sends, hears })
    }

    fn forget(&self) {
        while self.hears.recv(&mut [MaybeUninit::uninit(); 100]).is_ok() {}
    }

    fn has_heard_nothing(&self) {
        assert_eq!(errno(self.hears.recv(&mut [MaybeUninit::uninit(); 100])), Some(libc::EAGAIN));
    }
}

#[test]
fn a_port_that_is_bound_later() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    for (local, remote) in HOSTS {
        let there = node.topology.remote.udp_bind(at(remote, THERE))?;
        let opener = Opener::new(&node, local, Protocol::UDP)?;
        let datagram = Packet::udp(at(local, PORT), at(remote, THERE)).payload("first");
        send_packet(&opener.sends, &datagram.build()?, remote)?;
        uninterrupted(|| there.recv(&mut [0; 16]))?;
        let ledger = Ledger::open(&node)?;
        let growth = ledger.growth(|| Ok(there.send_to(b"reply", at(local, PORT)).map(drop)?))?;
        // The flow was B's; nobody listens, so that is what the kernel replies for it.
        assert_eq!(growth.packets(), BTreeMap::from([("b", (1, 1))]));
        opener.forget();

        let socket = node.a.udp_bind(at(local, PORT))?;
        let growth = ledger.growth(|| {
            there.send_to(b"for a", at(local, PORT))?;
            let mut buffer = [0; 16];
            assert_eq!(uninterrupted(|| socket.recv_from(&mut buffer))?, (5, at(remote, THERE)));
            assert_eq!(errno(send_packet(&opener.sends, &datagram.build()?, remote)), Some(libc::EPERM));
            Ok(())
        })?;
        assert_eq!(growth.packets(), BTreeMap::from([("a", (1, 0))]));
        opener.has_heard_nothing();
        let growth = ledger.growth(|| {
            socket.send_to(b"from a", at(remote, THERE))?;
            uninterrupted(|| there.recv(&mut [0; 16]))?;
            there.send_to(b"for a", at(local, PORT))?;
            uninterrupted(|| socket.recv(&mut [0; 16]))?;
            Ok(())
        })?;
        assert_eq!(growth.packets(), BTreeMap::from([("a", (1, 1))]));
        opener.has_heard_nothing();
    }
    Ok(())
}

#[test]
fn a_listener_that_comes_later() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    for (local, remote) in HOSTS {
        let opener = Opener::new(&node, local, Protocol::TCP)?;
        // As if a connection from there had been B's, and alive.
        let segment = Packet::tcp(at(local, PORT), at(remote, THERE), |header| header.ack = true);
        send_packet(&opener.sends, &segment.build()?, remote)?;
        let ledger = Ledger::open(&node)?;
        opener.forget();
        let listener = node.a.tcp_listen(at(local, PORT))?;
        let (_ends, growth) = ledger.during(|| {
            let caller = node.topology.remote.tcp_connect_from(at(remote, THERE), at(local, PORT))?;
            Ok((caller, accept(&listener)?))
        })?;
        assert_eq!(growth.packets(), BTreeMap::from([("a", (2, 1))]));
        opener.has_heard_nothing();
    }
    Ok(())
}

/// The kernel chooses the port, so there is no reservation.
#[test]
fn a_connection_that_comes_later() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    for (local, remote) in HOSTS {
        let _echo = Echo::start(&node.topology.remote, &[remote], ECHO)?;
        for (name, later, port) in
            [("a", &node.a as &dyn Endpoint, PORT), ("host", &node.topology.node, PORT + 1)]
        {
            let opener = Opener::new(&node, local, Protocol::TCP)?;
            sysctl::set(node.netns(), "ipv4/ip_local_port_range", &format!("{port} {port}"))?;
            let segment = Packet::tcp(at(local, port), at(remote, ECHO), |header| header.ack = true);
            send_packet(&opener.sends, &segment.build()?, remote)?;
            let ledger = Ledger::open(&node)?;
            opener.forget();
            let sniffer = Sniffer::start(&node.topology.remote, WIRE)?;
            let (_connection, growth) = ledger.during(|| {
                let connection = later.tcp_connect(at(remote, ECHO))?;
                assert_eq!(connection.local_addr()?.port(), port);
                stream(&connection, 1000)?;
                Ok(connection)
            })?;
            let frames = sniffer.frames()?;
            let sent = frames.iter().filter(|frame| frame.is_sent).count();
            let counts = (u64::try_from(sent)?, u64::try_from(frames.len() - sent)?);
            assert_eq!(growth.packets(), BTreeMap::from([(name, counts)]), "{local}");
            opener.has_heard_nothing();
        }
    }
    Ok(())
}

/// The host's sockets reserve nothing.
#[test]
fn a_port_that_the_host_binds_later() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    for (local, remote) in HOSTS {
        let _echo = Echo::start(&node.topology.remote, &[remote], ECHO)?;
        let opener = Opener::new(&node, local, Protocol::UDP)?;
        let datagram = Packet::udp(at(local, PORT), at(remote, ECHO)).payload("first");
        send_packet(&opener.sends, &datagram.build()?, remote)?;
        let ledger = Ledger::open(&node)?;
        opener.forget();
        let socket = node.topology.node.udp_bind(at(local, PORT))?;
        socket.connect(at(remote, ECHO))?;
        let growth = ledger.growth(|| datagrams(&socket, 3, 100))?;
        assert_eq!(growth.packets(), BTreeMap::from([("host", (3, 3))]), "{local}");
        opener.has_heard_nothing();
        assert_eq!(errno(send_packet(&opener.sends, &datagram.build()?, remote)), Some(libc::EPERM));
    }
    Ok(())
}
