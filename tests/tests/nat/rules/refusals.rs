//! What containers may not have, or may not do by their rules.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr};

use anyhow::Result;
use berth_tests::bridge::INSIDE;
use berth_tests::frame::{Packet, ethernet_ip};
use berth_tests::packet::packet_socket;
use berth_tests::process::settle;
use berth_tests::topology::at;
use berth_tests::wait::{self, LIMIT};
use berth_tests::{SharedNode, Sockets as _, privileged};

use super::{FLAGS, Own, restore};
use crate::{REMOTE, THERE};

#[test]
fn what_cannot_be_is_refused_and_changes_nothing() -> Result<()> {
    privileged!();
    let own = Own::new(&[])?;
    let berth = &own.net.berth;
    for family in [0, 1] {
        own.nat(family, "-A PREROUTING -p tcp --dport 80 -j REDIRECT --to-ports 8080\n")?;
        let saved = || berth.ok([&["rules", "save", "c"], FLAGS[family]].concat());
        let before = saved()?;
        let redirect = "*nat\n-A OUTPUT -p tcp --dport 25 -j REDIRECT --to-ports 2525\nCOMMIT\n";
        let refused = restore(berth, "c", family, redirect)?;
        assert_eq!((refused.code(), refused.stderr.trim().lines().count()), (Some(1), 1), "{refused:?}");
        assert!(refused.stderr.contains("redirected in OUTPUT"), "{refused:?}");
        assert_eq!(saved()?, before);
        // Nor is the mode changed, in which they could not be.
        let refused = berth.run(["container", "set", "c", "--mode", "stateful"])?;
        assert_eq!((refused.code(), refused.stderr.contains("REDIRECT")), (Some(1), true), "{refused:?}");
        assert_eq!((saved()?, berth.container("c")?.mode.as_str()), (before, "full"));
        own.flush(family)?;
    }
    berth.ok(["container", "set", "c", "--mode", "stateful"])?;
    own.filter(0, "-A INPUT -p udp\n")?;
    let before = berth.ok(["rules", "save", "c"])?;
    let refused = restore(berth, "c", 0, "*nat\n-A PREROUTING -p tcp --dport 80 -j REDIRECT\nCOMMIT\n")?;
    assert_eq!((refused.code(), refused.stderr.contains("mode stateful")), (Some(1), true), "{refused:?}");
    assert_eq!(refused.stderr.trim().lines().count(), 1, "{refused:?}");
    assert_eq!(berth.ok(["rules", "save", "c"])?, before);
    Ok(())
}

#[test]
fn who_shares_the_node_s_network_has_none() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    node.berth.ok(["container", "set", "a", "--mode", "full"])?;
    let filter = "*filter\n-A INPUT -p udp\nCOMMIT\n";
    let output = restore(&node.berth, "a", 0, filter)?;
    assert!(output.success(), "{output:?}");
    let before = node.berth.ok(["rules", "save", "a"])?;
    let rule = "-A POSTROUTING -j MASQUERADE\n";
    let refused = restore(&node.berth, "a", 0, &format!("*nat\n{rule}COMMIT\n"))?;
    assert_eq!((refused.code(), refused.stderr.trim().lines().count()), (Some(1), 1), "{refused:?}");
    // That is the reason, whatever the mode.
    assert!(refused.stderr.contains("interface"), "{refused:?}");
    assert_eq!(node.berth.ok(["rules", "save", "a"])?, before);
    Ok(())
}

#[test]
fn it_may_not_speak_as_somebody_else() -> Result<()> {
    privileged!();
    let own = Own::new(&[])?;
    let c = &own.net.c.host;
    for family in [0, 1] {
        let socket = own.net.remote().udp_bind(at(REMOTE[family], THERE))?;
        socket.set_nonblocking(true)?;
        let foreign = own.net.bridge.at(9)[family];
        let rules = format!("*nat\n-A POSTROUTING -p udp -j SNAT --to-source {foreign}\nCOMMIT\n");
        let refused = restore(&own.net.berth, "c", family, &rules)?;
        assert_eq!((refused.code(), refused.stderr.trim().lines().count()), (Some(1), 1), "{refused:?}");
        assert!(refused.stderr.contains(&format!("may not send from all of {foreign}")), "{refused:?}");
        // This one was its own when the rule was made.
        own.nat(family, &format!("-A POSTROUTING -p udp -j SNAT --to-source {}\n", own.seconds[family]))?;
        own.declare(&own.net.c.addresses)?;
        let before = own.net.drops("spoofed-source")?;
        c.udp_connect(at(REMOTE[family], THERE))?.send(b"lost")?;
        wait::until_true("the packet to be dropped", LIMIT, || {
            Ok(own.net.drops("spoofed-source")? == before + 1)
        })?;
        settle();
        let received = socket.recv(&mut [0; 8]).map_err(|error| error.kind());
        assert_eq!(received, Err(ErrorKind::WouldBlock));
        // As itself it may.
        own.flush(family)?;
        own.declare(&[own.net.c.addresses, own.seconds].concat())?;
        c.udp_connect(at(REMOTE[family], THERE))?.send(b"there")?;
        wait::until_true("a datagram", LIMIT, || Ok(socket.recv(&mut [0; 8])? == 5))?;
    }
    Ok(())
}

/// What comes by for others, as a bridge shows it that has forgotten where they are, is not made the container's by its rules.
#[test]
fn it_is_not_shown_what_is_for_others() -> Result<()> {
    privileged!();
    let own = Own::new(&[])?;
    let c = &own.net.c;
    let near = own.net.bridge.guest(3)?;
    own.nat(0, "-A PREROUTING -p udp -j REDIRECT --to-ports 8080\n")?;
    let socket = c.host.udp_bind(at(c.addresses[0], 8_080))?;
    socket.set_nonblocking(true)?;
    let sender = packet_socket(&near.host, INSIDE, 0)?;
    let frame = |to: IpAddr| -> Result<Vec<u8>> {
        let packet = Packet::udp(at(near.addresses[0], 9), at(to, 80)).payload(b"a frame".to_vec());
        Ok(ethernet_ip(near.mac, c.mac, &packet.build()?))
    };
    let before = own.net.drops("not-owner")?;
    sender.send(&frame(own.net.bridge.at(77)[0])?)?;
    wait::until_true("the packet to be dropped", LIMIT, || Ok(own.net.drops("not-owner")? == before + 1))?;
    settle();
    let received = socket.recv(&mut [0; 8]).map_err(|error| error.kind());
    assert_eq!(received, Err(ErrorKind::WouldBlock));
    assert_eq!(own.flows_counted(0, "PREROUTING")?, [0]);
    sender.send(&frame(c.addresses[0])?)?;
    wait::until_true("a datagram", LIMIT, || Ok(socket.recv(&mut [0; 8])? == 7))?;
    Ok(())
}

/// Who asks for an address by packet socket goes past netfilter inside, and past the rules here.
#[test]
fn who_has_no_address_yet_is_not_given_one() -> Result<()> {
    privileged!();
    let own = Own::new(&[])?;
    let c = &own.net.c;
    let near = own.net.bridge.guest(3)?;
    let rules = format!("-A POSTROUTING -p udp -j SNAT --to-source {}\n", own.seconds[0]);
    own.nat(0, &rules)?;
    let (any, all) = (IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::BROADCAST));
    let server = near.host.udp_bind(at(any, 67))?;
    server.set_read_timeout(Some(LIMIT))?;
    let packet = Packet::udp(at(any, 68), at(all, 67)).payload(b"DISCOVER".to_vec());
    let sender = packet_socket(&c.host, INSIDE, 0)?;
    sender.send(&ethernet_ip(c.mac, [0xff; 6], &packet.build()?))?;
    let (_, from) = server.recv_from(&mut [0; 8])?;
    assert_eq!(from, at(any, 68));
    assert_eq!(own.flows_counted(0, "POSTROUTING")?, [0]);
    Ok(())
}
