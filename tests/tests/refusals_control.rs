//! What keeps a network going: some of it a container may send although it is nobody's traffic, some only routers and
//! servers may.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::{Context, Result};
use berth_tests::echo::Echo;
use berth_tests::exchange::datagrams;
use berth_tests::frame::{Packet, ethernet, ethernet_ip};
use berth_tests::packet::packet_socket;
use berth_tests::process::ok;
use berth_tests::sockets::{errno, send_packet, unspecified};
use berth_tests::topology::{NODE_MAC, NODE_V4, NODE_V6, REMOTE_MAC, REMOTE_V4, REMOTE_V6, UPLINK, WIRE, at};
use berth_tests::{Endpoint, Ledger, SharedNode, Sockets, privileged};
use socket2::Protocol;

const ARP: u16 = 0x0806;
/// For local experiments.
const UNUSED: u16 = 0x88b5;
const ANY_V4: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
const ANY_V6: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
const ALL_V4: IpAddr = IpAddr::V4(Ipv4Addr::BROADCAST);
const ALL_NODES: IpAddr = IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1));
const ALL_LISTENERS: IpAddr = IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x16));
const ALL_GROUPS: IpAddr = IpAddr::V4(Ipv4Addr::new(224, 0, 0, 22));

fn frame(packet: &Packet) -> Result<Vec<u8>> {
    Ok(ethernet_ip(NODE_MAC, REMOTE_MAC, &packet.build()?))
}

/// ARP for an address, asked by one who says it has the address `sender`.
fn arp(operation: u8, sender: Ipv4Addr) -> Vec<u8> {
    let head = [0, 1, 8, 0, 6, 4, 0, operation];
    let packet = [&head[..], &NODE_MAC, &sender.octets(), &[0; 6], &[198, 18, 0, 99]].concat();
    ethernet(NODE_MAC, [0xff; 6], ARP, &packet)
}

/// B's packet socket sends these, each refused with ENOBUFS for `reason`.
fn are_refused(node: &SharedNode, frames: &[Vec<u8>], owner: &str, reason: &str) -> Result<()> {
    let (socket, ledger) = (packet_socket(&node.b, UPLINK, 0)?, Ledger::open(node)?);
    let growth = ledger.growth(|| {
        for frame in frames {
            assert_eq!(errno(socket.send(frame)), Some(libc::ENOBUFS), "{frame:02x?}");
        }
        Ok(())
    })?;
    let count = u64::try_from(frames.len())?;
    assert_eq!(growth.packets(), BTreeMap::from([(owner, (0, count))]));
    assert_eq!(growth.drops(), BTreeMap::from([(("b", reason), count)]));
    assert_eq!((growth.dropped(), growth.passed.outgoing.packets), ((0, count), 0));
    Ok(())
}

/// B's packet socket sends these, and each arrives.
fn are_let_through(node: &SharedNode, frames: &[Vec<u8>], owner: &str) -> Result<()> {
    let (socket, ledger) = (packet_socket(&node.b, UPLINK, 0)?, Ledger::open(node)?);
    let sniffer = berth_tests::Sniffer::start(&node.topology.remote, WIRE)?;
    let growth = ledger.growth(|| {
        for frame in frames {
            socket.send(frame).with_context(|| format!("{frame:02x?}"))?;
        }
        Ok(())
    })?;
    assert_eq!(growth.packets(), BTreeMap::from([(owner, (0, u64::try_from(frames.len())?))]));
    assert_eq!(growth.drops(), BTreeMap::new());
    let arrived: Vec<Vec<u8>> = sniffer.frames()?.into_iter().map(|frame| frame.data).collect();
    assert_eq!(arrived, frames);
    Ok(())
}

#[test]
fn frames_that_are_not_ip() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let IpAddr::V4(own) = NODE_V4 else { unreachable!() };
    let frames = [
        ethernet(NODE_MAC, REMOTE_MAC, UNUSED, &[0; 46]),
        // As by which the remote host would come to think that the address is elsewhere.
        arp(1, own),
        arp(2, own),
        arp(2, Ipv4Addr::UNSPECIFIED),
        ethernet(NODE_MAC, REMOTE_MAC, 46, &[0; 46]),
    ];
    are_refused(&node, &frames, "non_ip", "non-ip")?;
    // The host may.
    let (socket, ledger) = (packet_socket(&node.topology.node, UPLINK, 0)?, Ledger::open(&node)?);
    let growth = ledger.growth(|| Ok(socket.send(&frames[0]).map(drop)?))?;
    assert_eq!(growth.packets(), BTreeMap::from([("non_ip", (0, 1))]));
    assert_eq!((growth.passed.outgoing.packets, growth.drops()), (1, BTreeMap::new()));
    Ok(())
}

#[test]
fn routers_and_servers() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let link_local = link_local(&node)?;
    let message = |kind, code| [kind, code, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let packets = [
        Packet::other(link_local, ALL_NODES, 58).hop_limit(255).payload(message(134, 0)),
        Packet::other(link_local, REMOTE_V6, 58).hop_limit(255).payload([message(137, 0); 3].concat()),
        Packet::other(NODE_V4, REMOTE_V4, 1).payload([message(5, 1); 3].concat()),
        Packet::other(NODE_V4, ALL_V4, 1).payload(message(9, 0)),
        Packet::udp(at(NODE_V4, 67), at(ALL_V4, 68)).payload([2; 240]),
        Packet::udp(at(NODE_V4, 67), at(REMOTE_V4, 68)).payload([2; 240]),
        Packet::udp(at(link_local, 547), at(REMOTE_V6, 546)).payload([2; 60]),
        Packet::udp(at(NODE_V6, 547), at(REMOTE_V6, 546)).payload([2; 60]),
    ];
    let frames = packets.iter().map(frame).collect::<Result<Vec<_>>>()?;
    are_refused(&node, &frames, "b", "rogue-server")?;

    let ledger = Ledger::open(&node)?;
    let growth = ledger.growth(|| {
        for (from, to) in [(at(NODE_V4, 67), at(REMOTE_V4, 68)), (at(NODE_V6, 547), at(REMOTE_V6, 546))] {
            let server = node.b.udp_bind(from)?;
            assert_eq!(errno(server.send_to(&[2; 240], to)), Some(libc::EPERM));
        }
        let advertiser = node.b.raw(NODE_V6, Protocol::ICMPV6)?;
        assert_eq!(errno(send_packet(&advertiser, &message(134, 0), REMOTE_V6)), Some(libc::EPERM));
        Ok(())
    })?;
    assert_eq!(growth.packets(), BTreeMap::new());
    assert_eq!(growth.drops(), BTreeMap::from([(("b", "rogue-server"), 3)]));
    Ok(())
}

#[test]
fn what_comes_before_there_is_an_address() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let message = |kind| [[kind, 0, 0, 0], [0; 4], [0; 4], [0; 4], [0; 4], [0; 4]].concat();
    let link_local = link_local(&node)?;
    let packets = [
        Packet::udp(at(ANY_V4, 68), at(ALL_V4, 67)).payload([1; 240]),
        // Duplicate address detection, and group membership.
        Packet::other(ANY_V6, ALL_NODES, 58).hop_limit(255).payload(message(135)),
        Packet::other(ANY_V6, ALL_LISTENERS, 58).hop_limit(1).hop_by_hop().payload(message(143)),
        Packet::other(link_local, ALL_LISTENERS, 58).hop_limit(1).hop_by_hop().payload(message(143)),
        Packet::other(NODE_V4, ALL_GROUPS, 2).hop_limit(1).payload([0x22, 0, 0, 0, 0, 0, 0, 0]),
        Packet::udp(at(link_local, 546), at(ALL_NODES, 547)).payload([1; 60]),
    ];
    let frames = packets.iter().map(frame).collect::<Result<Vec<_>>>()?;
    are_let_through(&node, &frames, "b")?;
    are_let_through(&node, &[arp(1, Ipv4Addr::UNSPECIFIED)], "non_ip")
}

#[test]
fn own_link_local_address() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let IpAddr::V6(own) = link_local(&node)? else { unreachable!() };
    let IpAddr::V6(other) = link_local_of(&node.topology.remote, WIRE)? else { unreachable!() };
    let _echo = Echo::start(&node.topology.remote, &[unspecified(NODE_V6, 0).ip()], 7)?;
    let index = berth_tests::link::index(node.netns(), UPLINK)?;
    let socket = node.b.udp_bind(std::net::SocketAddrV6::new(own, 0, 0, index).into())?;
    socket.connect(std::net::SocketAddrV6::new(other, 7, 0, index))?;
    let ledger = Ledger::open(&node)?;
    // The remote host is asked, and asks, where the addresses are.
    let growth = ledger.growth(|| datagrams(&socket, 5, 100))?;
    assert_eq!(growth.packets().get("b"), Some(&(5, 5)));
    assert_eq!(growth.packets().get("a"), None);
    assert_eq!(growth.drops(), BTreeMap::new());
    Ok(())
}

#[test]
fn a_flood_of_control_packets() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let (socket, ledger) = (packet_socket(&node.b, UPLINK, 0)?, Ledger::open(&node)?);
    let request = frame(&Packet::udp(at(ANY_V4, 68), at(ALL_V4, 67)).payload([1; 240]))?;
    let (refused, growth) = ledger.during(|| {
        let mut refused = 0;
        for _ in 0..2000 {
            match errno(socket.send(&request)) {
                None => {}
                Some(libc::ENOBUFS) => refused += 1,
                error => anyhow::bail!("error {error:?}"),
            }
        }
        Ok(refused)
    })?;
    // 64 a second: half a minute's worth.
    assert!(refused > 0);
    assert_eq!(growth.drops(), BTreeMap::from([(("b", "control-rate"), refused)]));
    assert_eq!(growth.packets(), BTreeMap::from([("b", (0, 2000))]));
    assert_eq!(growth.passed.outgoing.packets, 2000 - refused);
    Ok(())
}

#[test]
fn headers_that_make_no_sense() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let mut too_many =
        Packet::other(NODE_V6, REMOTE_V6, 60).payload([[60, 0, 1, 4, 0, 0, 0, 0]; 12].concat()).build()?;
    too_many.extend([0; 8]);
    let cut_off = [
        Packet::other(NODE_V4, REMOTE_V4, 6).payload([0, 80]).build()?,
        Packet::other(NODE_V6, REMOTE_V6, 17).payload([0, 53]).build()?,
        Packet::other(NODE_V4, REMOTE_V4, 1).payload([8, 0]).build()?,
        too_many,
    ];
    let mut frames: Vec<_> = cut_off.iter().map(|packet| ethernet_ip(NODE_MAC, REMOTE_MAC, packet)).collect();
    let whole = Packet::udp(at(NODE_V4, 1234), at(REMOTE_V4, 9)).build()?;
    for (place, value) in [(0, 0x44), (0, 0x65)] {
        let mut packet = whole.clone();
        packet[place] = value;
        frames.push(ethernet(NODE_MAC, REMOTE_MAC, 0x0800, &packet));
    }
    are_refused(&node, &frames, "b", "malformed")?;

    let ledger = Ledger::open(&node)?;
    let growth = ledger.growth(|| {
        for packet in &cut_off {
            let (family, to) = if packet[0] >> 4 == 4 { (NODE_V4, REMOTE_V4) } else { (NODE_V6, REMOTE_V6) };
            let socket = node.b.raw_with_header(family, Protocol::from(libc::IPPROTO_RAW))?;
            assert_eq!(errno(send_packet(&socket, packet, to)), Some(libc::EPERM));
        }
        Ok(())
    })?;
    assert_eq!(growth.packets(), BTreeMap::new());
    assert_eq!(growth.drops(), BTreeMap::from([(("b", "malformed"), 4)]));
    Ok(())
}

/// The link-local address of the node's uplink.
fn link_local(node: &SharedNode) -> Result<IpAddr> {
    link_local_of(&node.topology.node, UPLINK)
}

fn link_local_of(host: &dyn Endpoint, interface: &str) -> Result<IpAddr> {
    let text =
        ok(host.command("ip")?.args(["-o", "-6", "address", "show", "dev", interface, "scope", "link"]))?;
    let words = text.split_whitespace().skip_while(|&word| word != "inet6").nth(1);
    let address = words.and_then(|word| word.split('/').next()).with_context(|| text.clone())?;
    Ok(address.parse()?)
}
