//! Containers that ping one host with one id at once, as `ping` in every fresh pid namespace does.

use std::net::IpAddr;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Result, ensure};
use berth_tests::exchange::{body, pings, receive};
use berth_tests::frame::Packet;
use berth_tests::process::settle;
use berth_tests::sockets::{icmp, send_packet};
use berth_tests::topology::{NODE_V4, NODE_V6, REMOTE_V4, REMOTE_V6, Topology, WIRE};
use berth_tests::{
    Berth, Endpoint as _, Ledger, Lxc, Process, SharedNode, Sniffer, Sockets as _, privileged,
};
use socket2::Socket;

const ID: u16 = 1;
const HOSTS: [(IpAddr, IpAddr); 2] = [(NODE_V4, REMOTE_V4), (NODE_V6, REMOTE_V6)];
/// More than fits into a packet of the wire.
const LARGE: usize = 4_000;
/// Between one ping's packets and the other's.
const APART: Duration = Duration::from_millis(50);

#[test]
fn both_get_their_replies() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    for (local, remote) in HOSTS {
        let (first, second) = (node.a.raw(remote, icmp(remote))?, node.b.raw(remote, icmp(remote))?);
        let ledger = Ledger::open(&node)?;
        let wire = Sniffer::start(&node.topology.remote, WIRE)?;
        let growth = ledger.growth(|| {
            for _ in 0..3 {
                pings(&first, (local, remote), ID, 1)?;
                pings(&second, (local, remote), ID, 1)?;
            }
            Ok(())
        })?;
        assert_eq!(growth.packets(), [("a", (3, 3)), ("b", (3, 3))].into(), "{remote}");
        // Raw sockets are offered everybody's.
        let withheld = [(("a", "not-owner"), 3), (("b", "not-owner"), 3)];
        assert_eq!(growth.drops(), withheld.into(), "{remote}");
        // Two conversations, each with its own id all along. That there are replies says that the checksums were right.
        let mut ids: Vec<u16> =
            wire.frames()?.iter().filter_map(berth_tests::sniffer::Frame::echo_id).collect();
        ids.sort_unstable();
        let ours = ids.iter().filter(|id| **id == ID).count();
        ids.dedup();
        assert_eq!((ids.len(), ours), (2, 6), "{remote}: {ids:?}");
        // Nobody has seen the other's.
        for socket in [&first, &second] {
            nothing_is_left(socket, remote)?;
        }
        let flows = node.berth.flows()?;
        let mut owners: Vec<_> =
            flows.iter().filter(|flow| flow.dst == remote).map(|flow| flow.owner.as_str()).collect();
        owners.sort_unstable();
        assert_eq!(owners, ["a", "b"], "{flows:?}");
    }
    Ok(())
}

/// Only the first fragment has the id.
#[test]
fn large_ones_too() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    for (local, remote) in HOSTS {
        let (first, second) = (node.a.raw(remote, icmp(remote))?, node.b.raw(remote, icmp(remote))?);
        for (sequence, socket) in [&first, &second, &first, &second].into_iter().enumerate() {
            let sequence = u16::try_from(sequence)?;
            let request = Packet::echo_request(local, remote, ID, sequence).payload(vec![7; LARGE]);
            send_packet(socket, &body(&request, local)?, remote)?;
            let reply = receive(socket, local)?;
            assert_eq!(reply.len(), LARGE + 8, "{remote}");
            assert_eq!(reply[4..8], [ID.to_be_bytes(), sequence.to_be_bytes()].concat(), "{remote}");
        }
        settle();
        for socket in [&first, &second] {
            nothing_is_left(socket, remote)?;
        }
    }
    Ok(())
}

/// Rules are asked about it once, where it gets its id.
#[test]
fn rules_are_asked_once() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    node.berth.ok(["rules", "append", "b", "OUTPUT", "-p", "icmp", "-j", "ACCEPT"])?;
    node.berth.ok(["rules", "append", "b", "INPUT", "-p", "icmp", "-j", "ACCEPT"])?;
    let (first, second) = (node.a.raw(REMOTE_V4, icmp(REMOTE_V4))?, node.b.raw(REMOTE_V4, icmp(REMOTE_V4))?);
    pings(&first, (NODE_V4, REMOTE_V4), ID, 1)?;
    pings(&second, (NODE_V4, REMOTE_V4), ID, 5)?;
    let saved = node.berth.ok(["rules", "save", "b", "--counters"])?;
    for chain in ["INPUT", "OUTPUT"] {
        let counted = saved.lines().any(|line| line.starts_with("[5:") && line.contains(chain));
        ensure!(counted, "{saved}");
    }
    node.berth.ok(["rules", "insert", "b", "OUTPUT", "1", "-p", "icmp", "-j", "DROP"])?;
    let request = Packet::echo_request(NODE_V4, REMOTE_V4, ID, 9);
    let growth = Ledger::open(&node)?.growth(|| {
        // What is dropped on its way out by the uplink is told to nobody whose socket is raw.
        let _ = send_packet(&second, &body(&request, NODE_V4)?, REMOTE_V4);
        Ok(())
    })?;
    assert_eq!(growth.drops(), [(("b", "rule"), 1)].into());
    Ok(())
}

/// Two containers of LXC's, in each of which `ping` is one of the first processes.
#[test]
fn busybox_pings_in_two_containers() -> Result<()> {
    privileged!();
    let topology = Topology::builder().with_known_neighbours().build()?;
    let berth = Berth::start(&topology)?;
    let containers = ["a", "b"].map(|label| Lxc::start(&topology.node, label));
    let [a, b] = containers;
    let (a, b) = (a?, b?);
    for (name, container) in [("a", &a), ("b", &b)] {
        berth.ok(["container", "add", name, "--lxc", container.name()])?;
    }
    for remote in [REMOTE_V4, REMOTE_V6] {
        let both = [&a, &b].map(|container| -> Result<Process> {
            let mut command = container.command("/bin/busybox")?;
            // Not in the same microsecond, time after time, as equal timers would have it: see docs/adr/0021.
            sleep(APART);
            Process::spawn(command.args(["ping", "-c", "3", "-i", "0.2", "-W", "5", &remote.to_string()]))
        });
        for ping in both {
            let output = ping?.wait(Duration::from_secs(30))?;
            let text = output.stdout;
            let is_well = text.contains("3 packets received") && !text.contains("DUP");
            ensure!(is_well, "{remote}: {text}{}{}", output.stderr, berth.ok(["flows", "list"])?);
        }
    }
    Ok(())
}

fn nothing_is_left(socket: &Socket, family: IpAddr) -> Result<()> {
    socket.set_nonblocking(true)?;
    let left = receive(socket, family);
    socket.set_nonblocking(false)?;
    ensure!(left.is_err(), "{left:?}");
    Ok(())
}
