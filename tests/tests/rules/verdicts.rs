//! What rules let through, and what not.

use std::io::ErrorKind;
use std::time::Duration;

use anyhow::Result;
use berth_tests::echo::Echo;
use berth_tests::exchange::{datagrams, stream};
use berth_tests::frame::{Packet, ethernet_ip};
use berth_tests::packet::packet_socket;
use berth_tests::sockets::errno;
use berth_tests::topology::{
    NODE_MAC, NODE_V4, NODE_V6, REMOTE_MAC, REMOTE_V4, REMOTE_V6, UPLINK, at, remote_addresses,
};
use berth_tests::{SharedNode, Sockets as _, privileged};

use crate::helpers::{counted, filter};

const ECHO: u16 = 7;
const OTHER: u16 = 9;

#[test]
fn what_a_container_sends() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let _echo = Echo::start(&node.topology.remote, &remote_addresses(), ECHO)?;
    let _other = Echo::start(&node.topology.remote, &remote_addresses(), OTHER)?;
    for (remote, local, family) in [(REMOTE_V4, NODE_V4, &[][..]), (REMOTE_V6, NODE_V6, &["--ipv6"][..])] {
        filter(
            &node,
            "a",
            family,
            ":OUTPUT ACCEPT\n-A OUTPUT -p udp --dport 9 -j DROP\n-A OUTPUT -p udp --dport 7\n",
        )?;
        let socket = node.a.udp_bind(at(local, 0))?;
        assert_eq!(errno(socket.send_to(b"x", at(remote, OTHER))), Some(libc::EPERM));
        socket.connect(at(remote, ECHO))?;
        datagrams(&socket, 3, 100)?;
        // Others are not concerned.
        let others = node.b.udp_bind(at(local, 0))?;
        others.connect(at(remote, OTHER))?;
        datagrams(&others, 2, 100)?;
        if family.is_empty() {
            assert_eq!(counted(&node, "a", "OUTPUT")?, [1, 3, 3]);
        }
    }
    assert_eq!(node.berth.container("a")?.plane.drops["rule"], 2);
    Ok(())
}

#[test]
fn what_a_container_receives() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let addresses = [NODE_V4, NODE_V6];
    let _echo = Echo::start(&node.a, &addresses, ECHO)?;
    let _other = Echo::start(&node.a, &addresses, OTHER)?;
    let rules = ":INPUT DROP\n-A INPUT -p tcp --dport 7 -j ACCEPT\n";
    filter(&node, "a", &[], rules)?;
    filter(&node, "a", &["--ipv6"], rules)?;
    for local in addresses {
        stream(&node.topology.remote.tcp_connect(at(local, ECHO))?, 10_000)?;
        let refused =
            node.topology.remote.udp_bind(at(if local == NODE_V4 { REMOTE_V4 } else { REMOTE_V6 }, 0))?;
        refused.set_read_timeout(Some(Duration::from_millis(200)))?;
        refused.send_to(b"x", at(local, ECHO))?;
        let answer = refused.recv(&mut [0; 10]);
        assert!(matches!(answer, Err(error) if error.kind() == ErrorKind::WouldBlock));
    }
    let [accepted, policy] = counted(&node, "a", "INPUT")?[..] else { panic!("two counters") };
    assert!(accepted >= 4 && policy == 1, "{accepted} {policy}");
    // What is dropped makes no flow.
    assert!(node.berth.flows()?.iter().all(|flow| flow.protocol != "udp"), "{:?}", node.berth.flows()?);
    Ok(())
}

#[test]
fn answers_to_what_was_asked() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    node.berth.ok(["container", "set", "a", "--mode", "stateful"])?;
    let _echo = Echo::start(&node.topology.remote, &remote_addresses(), ECHO)?;
    let _own = Echo::start(&node.a, &[NODE_V4], OTHER)?;
    filter(
        &node,
        "a",
        &[],
        ":INPUT DROP\n:OUTPUT ACCEPT\n-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n\
         -A OUTPUT -m conntrack --ctstate NEW\n-A OUTPUT -m conntrack --ctstate INVALID -j DROP\n",
    )?;
    stream(&node.a.tcp_connect(at(REMOTE_V4, ECHO))?, 10_000)?;
    let socket = node.a.udp_bind(at(NODE_V4, 0))?;
    socket.connect(at(REMOTE_V4, ECHO))?;
    datagrams(&socket, 3, 100)?;
    // One SYN and one first datagram.
    assert_eq!(counted(&node, "a", "OUTPUT")?[..2], [2, 0]);
    let asked = node.topology.remote.udp_bind(at(REMOTE_V4, 0))?;
    asked.set_read_timeout(Some(Duration::from_millis(200)))?;
    asked.send_to(b"x", at(NODE_V4, OTHER))?;
    assert!(asked.recv(&mut [0; 10]).is_err());
    assert_eq!(counted(&node, "a", "INPUT")?[1], 1);
    Ok(())
}

#[test]
fn what_containers_send_to_each_other() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let local = at(NODE_V4, ECHO);
    let _echo = Echo::start(&node.b, &[NODE_V4], ECHO)?;
    let socket = node.a.udp_bind(at(NODE_V4, 0))?;
    socket.connect(local)?;
    datagrams(&socket, 1, 100)?;
    filter(&node, "b", &[], ":INPUT ACCEPT\n-A INPUT -i lo -p udp -j DROP\n")?;
    socket.set_read_timeout(Some(Duration::from_millis(200)))?;
    socket.send(b"x")?;
    assert!(socket.recv(&mut [0; 10]).is_err());
    assert_eq!(counted(&node, "b", "INPUT")?, [1, 0]);
    filter(&node, "b", &[], ":INPUT ACCEPT\n-A INPUT -i uplink0 -p udp -j DROP\n")?;
    socket.set_read_timeout(None)?;
    datagrams(&socket, 1, 100)?;
    filter(&node, "a", &[], ":OUTPUT ACCEPT\n-A OUTPUT -o lo -m length --length 128 -j DROP\n")?;
    assert_eq!(errno(socket.send(&[0; 100])), Some(libc::EPERM));
    datagrams(&socket, 1, 101)?;
    Ok(())
}

#[test]
fn packet_sockets_cannot_go_round_them() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    filter(&node, "a", &[], ":OUTPUT ACCEPT\n-A OUTPUT -p udp --dport 9 -j DROP\n")?;
    let socket = packet_socket(&node.a, UPLINK, 0)?;
    let frame = |port| -> Result<Vec<u8>> {
        let packet = Packet::udp(at(NODE_V4, 5000), at(REMOTE_V4, port)).payload("x").build()?;
        Ok(ethernet_ip(NODE_MAC, REMOTE_MAC, &packet))
    };
    // With what the cgroup hook tells by the mark, too.
    for mark in [0, 0x0100_0000, 0x0200_0000, u32::MAX] {
        socket.set_mark(mark)?;
        assert_eq!(errno(socket.send(&frame(OTHER)?)), Some(libc::ENOBUFS), "{mark:#x}");
        socket.send(&frame(ECHO)?)?;
    }
    assert_eq!(counted(&node, "a", "OUTPUT")?, [4, 4]);
    Ok(())
}
