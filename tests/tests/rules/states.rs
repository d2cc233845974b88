//! What connections are to rules: nothing that TCP does is invalid, what others send into them is, and what ends one is heard.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::{Context, Result};
use berth_tests::echo::Echo;
use berth_tests::exchange::stream;
use berth_tests::frame::Packet;
use berth_tests::sockets::{errno, send_packet};
use berth_tests::topology::{NODE_V4, NODE_V6, REMOTE_V4, REMOTE_V6, at};
use berth_tests::wait::{self, LIMIT};
use berth_tests::{SharedNode, Sockets as _, cases, privileged};
use socket2::Protocol;

use crate::helpers::{counted, counted_in, filter};

const ECHO: u16 = 7;
const LO: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const FAMILIES: [&[&str]; 2] = [&[], &["--ipv6"]];
/// Bytes of a transfer, there and back.
const SIZE: usize = 8_000_000;
const LEAST_SIZE: usize = 200_000;

/// What a careful tenant has: answers, what is asked of the echo server, and whatever he asks himself. What is invalid is counted
/// first, and dropped like all else.
const CAREFUL: &str = ":INPUT DROP\n:OUTPUT DROP\n\
     -A INPUT -m conntrack --ctstate INVALID\n\
     -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT\n\
     -A INPUT -p tcp --dport 7 -m conntrack --ctstate NEW -j ACCEPT\n\
     -A OUTPUT -m conntrack --ctstate INVALID\n\
     -A OUTPUT -m conntrack --ctstate NEW,ESTABLISHED,RELATED -j ACCEPT\n";

/// A node, configured so, whose tenants are both careful.
fn careful(config: &str) -> Result<SharedNode> {
    let node = SharedNode::configured(config)?;
    for name in ["a", "b"] {
        node.berth.ok(["container", "set", name, "--mode", "stateful"])?;
        for family in FAMILIES {
            filter(&node, name, family, CAREFUL)?;
        }
    }
    Ok(node)
}

/// How many packets were invalid: to a container, and from it.
fn invalid(node: &SharedNode, name: &str) -> Result<[u64; 2]> {
    let mut counts = [0; 2];
    for family in FAMILIES {
        for (count, chain) in counts.iter_mut().zip(["INPUT", "OUTPUT"]) {
            *count += counted_in(node, name, family, chain)?[0];
        }
    }
    Ok(counts)
}

#[test]
fn nothing_that_tcp_does_is_invalid() -> Result<()> {
    privileged!();
    let node = careful("")?;
    let size = cases::number(SIZE, LEAST_SIZE)?;
    let SharedNode { topology, a, b, .. } = &node;
    let (host, remote) = (&topology.node, &topology.remote);
    let _tenant = Echo::start(b, &[NODE_V4, NODE_V6], ECHO)?;
    let _host = Echo::start(host, &[LO], ECHO)?;
    let _remote = Echo::start(remote, &[REMOTE_V4, REMOTE_V6], ECHO)?;
    let connections = [
        ("a to the remote host", a.tcp_connect(at(REMOTE_V4, ECHO))),
        ("a to the remote host", a.tcp_connect(at(REMOTE_V6, ECHO))),
        ("a to b", a.tcp_connect(at(NODE_V4, ECHO))),
        ("a to b", a.tcp_connect(at(NODE_V6, ECHO))),
        ("a to the host", a.tcp_connect(at(LO, ECHO))),
        ("the host to b", host.tcp_connect(at(NODE_V4, ECHO))),
        ("the host to b", host.tcp_connect(at(NODE_V6, ECHO))),
        ("the remote host to b", remote.tcp_connect(at(NODE_V4, ECHO))),
        ("the remote host to b", remote.tcp_connect(at(NODE_V6, ECHO))),
    ];
    for (what, connection) in connections {
        stream(&connection.context(what)?, size).context(what)?;
    }
    for name in ["a", "b"] {
        assert_eq!(invalid(&node, name)?, [0, 0], "{name}");
    }
    Ok(())
}

/// The reset that answers a SYN is the end of the connection, and of it: it is not invalid for that.
#[test]
fn a_refused_connection_is_heard_of() -> Result<()> {
    privileged!();
    let node = careful("")?;
    for to in [LO, NODE_V4, REMOTE_V4] {
        let local = if to == LO { LO } else { NODE_V4 };
        // Again from the same port at once.
        for _ in 0..2 {
            let refused = node.a.tcp_connect_from(at(local, 5_555), at(to, 9));
            assert_eq!(errno(refused), Some(libc::ECONNREFUSED), "{to}");
        }
    }
    assert_eq!(invalid(&node, "a")?, [0, 0]);
    Ok(())
}

#[test]
fn what_is_out_of_the_window_is_invalid() -> Result<()> {
    privileged!();
    let node = careful("")?;
    let remote = &node.topology.remote;
    let _echo = Echo::start(remote, &[REMOTE_V4], ECHO)?;
    let connection = node.a.tcp_connect(at(REMOTE_V4, ECHO))?;
    stream(&connection, 1_000)?;
    let (local, far) = (connection.local_addr()?, connection.peer_addr()?);
    let forger = remote.raw_with_header(REMOTE_V4, Protocol::from(libc::IPPROTO_RAW))?;
    for number in 0..4_u32 {
        // No window is that large.
        let sequence = number << 30;
        for resets in [false, true] {
            let packet = Packet::tcp(far, local, |header| {
                header.sequence_number = sequence;
                (header.rst, header.ack) = (resets, !resets);
                header.window_size = 1_000;
            });
            send_packet(&forger, &packet.build()?, local.ip())?;
        }
    }
    // One of the four may be near.
    wait::until_true("forgeries to be counted", LIMIT, || Ok(invalid(&node, "a")?[0] >= 6))?;
    stream(&connection, 1_000)?;
    assert_eq!(invalid(&node, "a")?[1], 0);
    Ok(())
}

/// An acknowledgement that belongs to no connection, from the remote host, with these numbers: its own, and what it acknowledges.
fn stray(node: &SharedNode, (from, to): (SocketAddr, SocketAddr), numbers: (u32, u32)) -> Result<()> {
    let forger = node.topology.remote.raw_with_header(from.ip(), Protocol::from(libc::IPPROTO_RAW))?;
    let packet = Packet::tcp(from, to, |header| {
        (header.ack, header.sequence_number, header.acknowledgment_number) = (true, numbers.0, numbers.1);
    });
    send_packet(&forger, &packet.build()?, to.ip())?;
    Ok(())
}

/// As `nf_conntrack_tcp_be_liberal` has it.
#[test]
fn windows_count_unless_told() -> Result<()> {
    privileged!();
    for (config, is_invalid) in [("", true), ("tcp_liberal = true\n", false)] {
        let node = careful(config)?;
        let _echo = Echo::start(&node.b, &[NODE_V4], ECHO)?;
        let connection = node.topology.remote.tcp_connect(at(NODE_V4, ECHO))?;
        stream(&connection, 1_000)?;
        let ends = (connection.local_addr()?, connection.peer_addr()?);
        let before = counted(&node, "b", "INPUT")?;
        // From all over what there is of either number, since nobody knows those of the connection. What is old in both does no
        // harm and is not invalid: a quarter; what is ahead in one is.
        let numbers = (0..4).flat_map(|own| (0..4).map(move |acknowledged| (own << 30, acknowledged << 30)));
        let mut sent = 0;
        for numbers in numbers {
            stray(&node, ends, numbers)?;
            sent += 1;
        }
        // The rule that counts what is invalid, and the one for what is established.
        let counted = || {
            let now = counted(&node, "b", "INPUT")?;
            Ok((now[0] - before[0], now[1] - before[1]))
        };
        wait::until_true(&format!("strays to be counted with {config:?}"), LIMIT, || {
            counted().map(|(invalid, established)| invalid + established >= sent)
        })?;
        let (invalid, _) = counted()?;
        assert_eq!(invalid >= sent / 2, is_invalid, "{invalid} of {sent} with {config:?}");
        assert_eq!(invalid == 0, !is_invalid, "{invalid} of {sent} with {config:?}");
    }
    Ok(())
}

/// As `nf_conntrack_tcp_loose` has it.
#[test]
fn connections_are_met_in_mid_stream_unless_told() -> Result<()> {
    privileged!();
    for (config, place) in [("", 2), ("tcp_loose = false\n", 0)] {
        let node = careful(config)?;
        let _echo = Echo::start(&node.b, &[NODE_V4], ECHO)?;
        stray(&node, (at(REMOTE_V4, 5_000), at(NODE_V4, ECHO)), (1 << 20, 1 << 30))?;
        let counts = || Ok(counted(&node, "b", "INPUT")?[place] == 1);
        wait::until_true("a stray to be counted", LIMIT, counts)?;
    }
    Ok(())
}
