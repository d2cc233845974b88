//! Rejections beyond the first packet, and what becomes of notices.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result};
use berth_tests::echo::Echo;
use berth_tests::exchange::stream;
use berth_tests::frame::{Packet, ethernet_ip};
use berth_tests::packet::packet_socket;
use berth_tests::sockets::{errno, send_packet};
use berth_tests::topology::{
    NODE_MAC, NODE_V4, NODE_V6, REMOTE_MAC, REMOTE_V4, REMOTE_V6, UPLINK, at, remote_addresses,
};
use berth_tests::{Endpoint, SharedNode, Sockets as _, privileged};
use socket2::SockRef;

use crate::own_network::{self, OwnNetwork};

const ECHO: u16 = 7;
const OTHER: u16 = 9;

fn restore(node: &SharedNode, name: &str, family: IpAddr, rules: &str) -> Result<()> {
    let file = node.berth.run_dir().join("rules-under-test");
    std::fs::write(&file, format!("*filter\n{rules}COMMIT\n"))?;
    let option: &[&str] = if family.is_ipv4() { &[] } else { &["--ipv6"] };
    let file = file.to_str().context("a path that is not UTF-8")?;
    node.berth.ok([&["rules", "restore", name, file], option].concat())?;
    Ok(())
}

/// Writes more than one segment can hold, and waits for what that ends with.
fn reset(mut stream: &TcpStream) -> Option<ErrorKind> {
    let written = stream.write_all(&vec![0; 300_000]);
    let ended = written.and_then(|()| stream.read(&mut [0; 10]).map(drop));
    ended.err().map(|error| error.kind())
}

#[test]
fn connections_that_are_open_are_reset() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let own = OwnNetwork::beside(&node.topology.node)?;
    node.berth.ok(["container", "add", "c", "--interface", own_network::NODE_SIDE])?;
    let _echo = Echo::start(&node.topology.remote, &remote_addresses(), ECHO)?;
    for (local, remote) in [(NODE_V4, REMOTE_V4), (NODE_V6, REMOTE_V6)] {
        let (outside, _) = own_network::addresses(local);
        let _nearer = Echo::start(&node.topology.node, &[outside], ECHO)?;
        let cases: [(&str, &dyn Endpoint, IpAddr); 2] =
            [("a", &node.a, remote), ("c", &own.container, outside)];
        for (name, endpoint, server) in cases {
            let connection = endpoint.tcp_connect(at(server, ECHO))?;
            stream(&connection, 100_000)?;
            let rules = ":OUTPUT ACCEPT\n-A OUTPUT -p tcp --dport 7 -j REJECT --reject-with tcp-reset\n";
            restore(&node, name, local, rules)?;
            assert_eq!(reset(&connection), Some(ErrorKind::ConnectionReset), "{name}, {server}");
            restore(&node, name, local, "")?;
        }
    }
    Ok(())
}

#[test]
fn rules_are_asked_of_notices_as_of_what_is_related() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    node.berth.ok(["container", "set", "a", "--mode", "stateful"])?;
    let _listener = node.a.tcp_listen(at(NODE_V4, OTHER))?;
    let arriving = "-A INPUT -p tcp --dport 9 -j REJECT --reject-with tcp-reset\n";
    let counted = |chain: &str| -> Result<Vec<u64>> {
        let chains = node.berth.json(["rules", "list", "a"])?;
        let found = chains.as_array().and_then(|all| all.iter().find(|one| one["chain"] == chain)).cloned();
        let rules = found.context("no such chain")?["rules"].as_array().cloned().unwrap_or_default();
        Ok(rules.iter().filter_map(|rule| rule["counted"]["packets"].as_u64()).collect())
    };
    // What the container answers by the uplink.
    let rules = format!(
        "{arriving}-A OUTPUT -o uplink0 -m conntrack --ctstate RELATED -j ACCEPT\n-A OUTPUT -j DROP\n"
    );
    restore(&node, "a", NODE_V4, &rules)?;
    let refused = |result: std::io::Result<TcpStream>| result.err().map(|error| error.kind());
    let connect = || node.topology.remote.tcp_connect(at(NODE_V4, OTHER));
    assert_eq!(refused(connect()), Some(ErrorKind::ConnectionRefused));
    assert_eq!(counted("OUTPUT")?, [1, 0]);
    let flows = node.berth.flows()?;
    assert!(flows.iter().all(|flow| flow.owner != "a"), "{flows:?}");
    // A rule that drops them is heeded.
    restore(&node, "a", NODE_V4, &format!("{arriving}-A OUTPUT -j DROP\n"))?;
    let socket = node.topology.remote.tcp(REMOTE_V4)?;
    let ended = socket.connect_timeout(&at(NODE_V4, OTHER).into(), Duration::from_millis(300));
    assert_eq!(ended.err().map(|error| error.kind()), Some(ErrorKind::TimedOut));
    // What comes back of what it sends is on lo.
    let rules = "-A OUTPUT -p tcp --dport 7 -j REJECT --reject-with tcp-reset\n\
                 -A INPUT -i lo -m conntrack --ctstate RELATED -j ACCEPT\n-A INPUT -j DROP\n";
    restore(&node, "a", NODE_V4, rules)?;
    assert_eq!(refused(node.a.tcp_connect(at(REMOTE_V4, ECHO))), Some(ErrorKind::ConnectionRefused));
    assert_eq!(counted("INPUT")?, [1, 0]);
    Ok(())
}

#[test]
fn nobody_can_have_berth_take_a_packet_for_a_notice() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    node.berth.ok(["container", "set", "a", "--mode", "stateful"])?;
    let rules = ":OUTPUT DROP\n-A OUTPUT -m conntrack --ctstate RELATED -j ACCEPT\n";
    restore(&node, "a", NODE_V4, rules)?;
    let frames = packet_socket(&node.a, UPLINK, 0)?;
    let raw = node.a.raw_with_header(NODE_V4, socket2::Protocol::from(libc::IPPROTO_RAW))?;
    let packet = Packet::udp(at(NODE_V4, 5_000), at(REMOTE_V4, OTHER)).payload("x").build()?;
    for told in 0..16_u32 {
        for socket in [&frames, &raw] {
            socket.set_mark(told << 24)?;
        }
        let sent = frames.send(&ethernet_ip(NODE_MAC, REMOTE_MAC, &packet));
        assert_eq!(errno(sent), Some(libc::ENOBUFS), "{told}");
        assert_eq!(errno(send_packet(&raw, &packet, REMOTE_V4)), Some(libc::EPERM), "{told}");
    }
    Ok(())
}

#[test]
fn a_flood_is_told_so_many_times() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    restore(&node, "a", NODE_V4, "-A INPUT -p udp --dport 9 -j REJECT\n")?;
    let _socket = node.a.udp_bind(at(NODE_V4, OTHER))?;
    let before = node.berth.container("a")?.plane.traffic.outgoing.packets;
    let frames = packet_socket(&node.topology.remote, berth_tests::topology::WIRE, 0)?;
    let packet = Packet::udp(at(REMOTE_V4, 5_000), at(NODE_V4, OTHER)).payload("x").build()?;
    let frame = ethernet_ip(REMOTE_MAC, NODE_MAC, &packet);
    let start = std::time::Instant::now();
    for _ in 0..5_000 {
        frames.send(&frame)?;
    }
    let container = node.berth.container("a")?;
    let told = container.plane.traffic.outgoing.packets - before;
    // So many at once, and one more each millisecond.
    let most = 250 + u64::try_from(start.elapsed().as_millis())? + 10;
    assert!((250..=most).contains(&told), "{told} of at most {most}");
    assert_eq!(container.plane.drops["rejected"], 5_000);
    Ok(())
}

#[test]
fn marks_of_the_hosts_own_packets_reject_nothing() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let host = &node.topology.node;
    for (local, remote) in [(NODE_V4, REMOTE_V4), (NODE_V6, REMOTE_V6)] {
        let socket = host.udp_bind(at(local, 0))?;
        let receivers = [node.topology.remote.udp_bind(at(remote, OTHER))?, host.udp_bind(at(local, OTHER))?];
        for told in 0..16_u32 {
            SockRef::from(&socket).set_mark(told << 24)?;
            for (receiver, address) in receivers.iter().zip([remote, local]) {
                socket.send_to(&told.to_be_bytes(), at(address, OTHER))?;
                let mut received = [0; 4];
                receiver.recv(&mut received).with_context(|| format!("mark {told} to {address}"))?;
                assert_eq!(received, told.to_be_bytes());
            }
        }
    }
    Ok(())
}
