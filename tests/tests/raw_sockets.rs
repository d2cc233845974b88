//! Raw sockets hear what is their container's, and nothing else.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::thread;

use anyhow::{Result, anyhow};
use berth_tests::echo::Echo;
use berth_tests::exchange::{body, datagrams, pings, receive, stream};
use berth_tests::frame::Packet;
use berth_tests::sockets::{errno, icmp, send_packet};
use berth_tests::topology::{NODE_V4, NODE_V6, REMOTE_V4, REMOTE_V6, at, remote_addresses};
use berth_tests::{Endpoint, Ledger, SharedNode, Sockets, privileged};
use socket2::{Protocol, Socket};

const ECHO: u16 = 7;
const CLOSED: u16 = 9999;
const ESP: i32 = 50;
const HOSTS: [(IpAddr, IpAddr); 2] = [(NODE_V4, REMOTE_V4), (NODE_V6, REMOTE_V6)];

/// Raw sockets of A, B and the host, which all hear one protocol.
struct Ears {
    sockets: [Socket; 3],
    family: IpAddr,
}

impl Ears {
    fn open(node: &SharedNode, family: IpAddr, protocol: Protocol) -> Result<Self> {
        let open = |endpoint: &dyn Endpoint| {
            let socket = endpoint.raw(family, protocol)?;
            socket.set_nonblocking(true)?;
            anyhow::Ok(socket)
        };
        let sockets = [open(&node.a)?, open(&node.b)?, open(&node.topology.node)?];
        Ok(Self { sockets, family })
    }

    /// What each of them has heard, reduced to what `tell` makes of a message; and how often.
    fn heard<T: Ord>(&self, tell: impl Fn(&[u8]) -> T) -> [BTreeMap<T, usize>; 3] {
        let mut all = [BTreeMap::new(), BTreeMap::new(), BTreeMap::new()];
        for (socket, heard) in self.sockets.iter().zip(&mut all) {
            loop {
                match receive(socket, self.family) {
                    Ok(message) => *heard.entry(tell(&message)).or_insert(0) += 1,
                    error => break assert_eq!(errno(error), Some(libc::EAGAIN)),
                }
            }
        }
        all
    }
}

fn word(message: &[u8], place: usize) -> u16 {
    message.get(place..place + 2).map_or(0, |bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
}

/// Has A and B do the same at once.
fn both<T: Send>(node: &SharedNode, act: impl Fn(&dyn Endpoint, u16) -> Result<T> + Sync) -> Result<[T; 2]> {
    thread::scope(|scope| {
        let [a, b] = [(&node.a, 1), (&node.b, 2)].map(|(tenant, number)| {
            let act = &act;
            scope.spawn(move || act(tenant, number))
        });
        let join = |thread: thread::ScopedJoinHandle<'_, Result<T>>| {
            thread.join().map_err(|_| anyhow!("a container's thread failed"))?
        };
        Ok([join(a)?, join(b)?])
    })
}

#[test]
fn echo_replies() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    for (local, remote) in HOSTS {
        let senders = [node.a.raw(remote, icmp(remote))?, node.b.raw(remote, icmp(remote))?];
        let hosts = node.topology.node.raw(remote, icmp(remote))?;
        let ears = Ears::open(&node, remote, icmp(remote))?;
        let ledger = Ledger::open(&node)?;
        let growth = ledger.growth(|| {
            both(&node, |_, number| pings(&senders[usize::from(number) - 1], (local, remote), number, 5))?;
            pings(&hosts, (local, remote), 3, 5)
        })?;
        let heard = ears.heard(|message| word(message, 4));
        assert_eq!(heard, [[(1, 5)].into(), [(2, 5)].into(), [(1, 5), (2, 5), (3, 5)].into()], "{remote}");
        let packets = [("a", (5, 5)), ("b", (5, 5)), ("host", (0, 5)), ("unowned", (5, 0))];
        assert_eq!(growth.packets(), packets.into());
        // Two sockets of each were offered five packets of the other's and five of the host's.
        assert_eq!(growth.drops(), [(("a", "not-owner"), 20), (("b", "not-owner"), 20)].into());
    }
    Ok(())
}

#[test]
fn datagrams_of_others() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let _echo = Echo::start(&node.topology.remote, &remote_addresses(), ECHO)?;
    for (_, remote) in HOSTS {
        let ears = Ears::open(&node, remote, Protocol::UDP)?;
        let ledger = Ledger::open(&node)?;
        let ([a, b], growth) = ledger.during(|| {
            both(&node, |endpoint, _| {
                let socket = endpoint.udp_connect(at(remote, ECHO))?;
                datagrams(&socket, 5, 100)?;
                Ok(socket.local_addr()?.port())
            })
        })?;
        let heard = ears.heard(|message| (word(message, 0), word(message, 2)));
        let (for_a, for_b) = (((ECHO, a), 5), ((ECHO, b), 5));
        assert_eq!(heard, [[for_a].into(), [for_b].into(), [for_a, for_b].into()], "{remote}");
        assert_eq!(growth.packets(), [("a", (5, 5)), ("b", (5, 5))].into());
        assert_eq!(growth.drops(), [(("a", "not-owner"), 5), (("b", "not-owner"), 5)].into());
    }
    Ok(())
}

#[test]
fn segments_of_others() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let _echo = Echo::start(&node.topology.remote, &remote_addresses(), ECHO)?;
    for (_, remote) in HOSTS {
        let ears = Ears::open(&node, remote, Protocol::TCP)?;
        let [a, b] = both(&node, |endpoint, _| {
            let connection = endpoint.tcp_connect(at(remote, ECHO))?;
            stream(&connection, 10_000)?;
            Ok(connection.local_addr()?.port())
        })?;
        let hosts = node.topology.node.tcp_connect(at(remote, ECHO))?;
        let host = hosts.local_addr()?.port();
        stream(&hosts, 10_000)?;
        let heard = ears.heard(|message| word(message, 2)).map(|heard| heard.into_keys().collect::<Vec<_>>());
        let mut all = [a, b, host];
        all.sort_unstable();
        assert_eq!(heard, [vec![a], vec![b], all.to_vec()], "{remote}");
    }
    Ok(())
}

#[test]
fn icmp_errors_about_others() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    for (local, remote) in HOSTS {
        // B has something to do with this pair of addresses, too: a message of no conversation.
        let solicitation = if local.is_ipv4() { 10 } else { 133 };
        send_packet(&node.b.raw(remote, icmp(remote))?, &[solicitation, 0, 0, 0, 0, 0, 0, 0], remote)?;
        let ears = Ears::open(&node, remote, icmp(remote))?;
        let ledger = Ledger::open(&node)?;
        let growth = ledger.growth(|| {
            let socket = node.a.udp_connect(at(remote, CLOSED))?;
            socket.send(b"anybody?")?;
            assert_eq!(errno(socket.recv(&mut [0; 16])), Some(libc::ECONNREFUSED));
            Ok(())
        })?;
        let unreachable = if local.is_ipv4() { 3 } else { 1 };
        let heard = ears.heard(|message| message.first().copied());
        let it = [(Some(unreachable), 1)];
        assert_eq!(heard, [it.into(), [].into(), it.into()], "{remote}");
        assert_eq!(growth.packets(), [("a", (1, 1))].into());
        assert_eq!(growth.drops(), [(("b", "not-owner"), 1)].into());
    }
    Ok(())
}

/// Those who send to a pair of addresses by a protocol without ports share what comes back.
#[test]
fn protocols_without_ports() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    for (local, remote) in HOSTS {
        let there = node.topology.remote.raw(remote, Protocol::from(ESP))?;
        let ears = Ears::open(&node, remote, Protocol::from(ESP))?;
        let [of_a, of_b, _] = &ears.sockets;
        let reply = || send_packet(&there, &[7; 32], local).map(drop);
        send_packet(of_a, &[1; 32], remote)?;
        reply()?;
        let heard = ears.heard(<[u8]>::len);
        assert_eq!(heard, [[(32, 1)].into(), [].into(), [(32, 1)].into()], "{remote}");
        send_packet(of_b, &[2; 32], remote)?;
        let ledger = Ledger::open(&node)?;
        let growth = ledger.growth(|| Ok(reply()?))?;
        let heard = ears.heard(<[u8]>::len);
        assert_eq!(heard, [[(32, 1)].into(), [(32, 1)].into(), [(32, 1)].into()], "{remote}");
        // Counted once, for the one who was first.
        assert_eq!(growth.packets(), [("a", (1, 0))].into());
    }
    Ok(())
}

/// Requests that a container answers itself are heard by it if it asked for the id to be its own, and by nobody else.
#[test]
fn echo_requests_are_heard_by_no_container() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    for (local, remote) in HOSTS {
        let ears = Ears::open(&node, remote, icmp(remote))?;
        let caller = node.topology.remote.raw(remote, icmp(remote))?;
        pings(&caller, (remote, local), 9, 3)?;
        let request = body(&Packet::echo_request(remote, local, 9, 0), remote)?[0];
        let heard = ears.heard(|message| message.first().copied());
        assert_eq!(heard, [[].into(), [].into(), [(Some(request), 3)].into()], "{remote}");
    }
    Ok(())
}
