//! A container speaks for itself alone, and is shown nobody else's.

use std::net::IpAddr;

use anyhow::{Context as _, Result};
use berth_tests::bridge::INSIDE;
use berth_tests::frame::{Packet, ethernet, ethernet_ip};
use berth_tests::link::Mac;
use berth_tests::packet::packet_socket;
use berth_tests::topology::{NODE_V4, NODE_V6, REMOTE_V4, REMOTE_V6, at};
use berth_tests::{Guest, Sniffer, Sockets as _, privileged};
use etherparse::{ArpEthIpv4Packet, ArpOperation, Icmpv6Header, Icmpv6Type, IpNumber};
use socket2::Socket;

use crate::{Net, only};

const PORT: u16 = 7777;
const ARP: u16 = 0x0806;
const EVERYBODY: Mac = [0xff; 6];

/// A socket by which the guest sends frames of its own making.
fn frames(guest: &Guest) -> Result<Socket> {
    Ok(packet_socket(&guest.host, INSIDE, 0)?)
}

/// What has come by at a guest that is as long and ends alike.
fn seen(sniffer: &Sniffer, frame: &[u8]) -> Result<usize> {
    let all = sniffer.frames()?;
    Ok(all.iter().filter(|one| !one.is_sent && one.data == frame).count())
}

#[test]
fn it_sends_from_its_own_addresses() -> Result<()> {
    privileged!();
    let net = Net::new(&[])?;
    let (sender, there) = (frames(&net.c)?, Sniffer::start(&net.d.host, INSIDE)?);
    let others = [[NODE_V4, REMOTE_V4], [NODE_V6, REMOTE_V6]];
    for family in [0, 1] {
        let (own, to) = (net.c.addresses[family], net.d.addresses[family]);
        let [node, remote] = others[family];
        let [gateway, neighbour] = [net.bridge.addresses()[family], to];
        for (source, expected) in
            [(own, None), (node, Some(1)), (remote, Some(1)), (gateway, Some(1)), (neighbour, Some(1))]
        {
            let packet = Packet::udp(at(source, PORT), at(to, PORT)).payload(*b"data").build()?;
            let frame = ethernet_ip(net.c.mac, net.d.mac, &packet);
            let drops = net.drops("c", || Ok(sender.send(&frame).map(drop)?))?;
            let expected = expected.map_or_else(Default::default, |count| only("spoofed-source", count));
            assert_eq!(drops, expected, "{source}");
            assert_eq!(seen(&there, &frame)?, usize::from(expected.is_empty()), "{source}");
        }
    }
    // Unless it may.
    net.berth.ok(["container", "set", "c", "--spoofing", "allow"])?;
    let to = at(net.d.addresses[0], PORT);
    let frame = ethernet_ip(net.c.mac, net.d.mac, &Packet::udp(at(REMOTE_V4, PORT), to).build()?);
    assert!(net.drops("c", || Ok(sender.send(&frame).map(drop)?))?.is_empty());
    assert_eq!(seen(&there, &frame)?, 1);
    Ok(())
}

#[test]
fn its_frames_bear_its_hardware_address() -> Result<()> {
    privileged!();
    let net = Net::with_macs()?;
    let (sender, there) = (frames(&net.c)?, Sniffer::start(&net.d.host, INSIDE)?);
    let packet = Packet::udp(at(net.c.addresses[0], PORT), at(net.d.addresses[0], PORT)).build()?;
    for (source, reason) in [(net.c.mac, None), (net.d.mac, Some(())), (net.bridge.mac(1), Some(()))] {
        let frame = ethernet_ip(source, net.d.mac, &packet);
        let drops = net.drops("c", || Ok(sender.send(&frame).map(drop)?))?;
        let expected = reason.map_or_else(Default::default, |()| only("spoofed-mac", 1));
        assert_eq!(drops, expected, "{source:x?}");
        assert_eq!(seen(&there, &frame)?, usize::from(reason.is_none()), "{source:x?}");
    }
    // Nothing that only bridges and switches say to each other.
    let frame = ethernet(net.c.mac, [0x01, 0x80, 0xc2, 0, 0, 0x0e], 0x88cc, &[0; 46]);
    assert_eq!(net.drops("c", || Ok(sender.send(&frame).map(drop)?))?, only("non-ip", 1));
    Ok(())
}

fn arp(operation: ArpOperation, mac: Mac, sender: IpAddr, target: IpAddr) -> Result<Vec<u8>> {
    let octets = |address| match address {
        IpAddr::V4(v4) => Some(v4.octets()),
        IpAddr::V6(_) => None,
    };
    let packet = ArpEthIpv4Packet {
        operation,
        sender_mac: mac,
        sender_ipv4: octets(sender).context("ARP is for IPv4")?,
        target_mac: [0; 6],
        target_ipv4: octets(target).context("ARP is for IPv4")?,
    };
    Ok(packet.to_bytes().to_vec())
}

#[test]
fn its_arp_speaks_of_its_own_address() -> Result<()> {
    privileged!();
    let net = Net::with_macs()?;
    let (sender, there) = (frames(&net.c)?, Sniffer::start(&net.d.host, INSIDE)?);
    let (own, other, gateway) = (net.c.addresses[0], net.d.addresses[0], net.bridge.addresses()[0]);
    let reply = ArpOperation::REPLY;
    for (what, packet, reason) in [
        ("its own address", arp(reply, net.c.mac, own, other)?, None),
        ("the gateway's", arp(reply, net.c.mac, gateway, other)?, Some("spoofed-neighbour")),
        ("the receiver's", arp(reply, net.c.mac, other, other)?, Some("spoofed-neighbour")),
        (
            "asking as the gateway",
            { arp(ArpOperation::REQUEST, net.c.mac, gateway, other)? },
            Some("spoofed-neighbour"),
        ),
        ("at another's hardware address", arp(reply, net.d.mac, own, other)?, Some("spoofed-mac")),
    ] {
        let frame = ethernet(net.c.mac, EVERYBODY, ARP, &packet);
        let drops = net.drops("c", || Ok(sender.send(&frame).map(drop)?))?;
        assert_eq!(drops, reason.map_or_else(Default::default, |reason| only(reason, 1)), "{what}");
        assert_eq!(seen(&there, &frame)?, usize::from(reason.is_none()), "{what}");
    }
    Ok(())
}

/// A neighbour advertisement that somebody is at a hardware address.
fn advertisement(source: IpAddr, target: IpAddr, mac: Mac) -> Result<Vec<u8>> {
    let (IpAddr::V6(from), IpAddr::V6(claimed)) = (source, target) else {
        anyhow::bail!("discovery is for IPv6");
    };
    let everybody = "ff02::1".parse::<std::net::Ipv6Addr>()?;
    // Override (RFC 4861 §4.4).
    let kind = Icmpv6Type::Unknown { type_u8: 136, code_u8: 0, bytes5to8: [0x20, 0, 0, 0] };
    let body = [claimed.octets().as_slice(), &[2, 1], &mac].concat();
    let header = Icmpv6Header::with_checksum(kind, from.octets(), everybody.octets(), &body)?;
    let payload = [header.to_bytes().as_slice(), &body].concat();
    let packet = Packet::other(source, everybody.into(), IpNumber::IPV6_ICMP.0).hop_limit(255);
    packet.payload(payload).build()
}

#[test]
fn its_discovery_speaks_of_its_own_addresses() -> Result<()> {
    privileged!();
    let net = Net::with_macs()?;
    let (sender, there) = (frames(&net.c)?, Sniffer::start(&net.d.host, INSIDE)?);
    let (own, link) = (net.c.addresses[1], net.c.link_local());
    for (what, packet, reason) in [
        ("its own address", advertisement(own, own, net.c.mac)?, None),
        ("its link-local address", advertisement(link, link, net.c.mac)?, None),
        (
            "the gateway's",
            advertisement(own, net.bridge.addresses()[1], net.c.mac)?,
            Some("spoofed-neighbour"),
        ),
        ("a neighbour's", advertisement(own, net.d.addresses[1], net.c.mac)?, Some("spoofed-neighbour")),
        (
            "a neighbour's link-local address",
            { advertisement(link, net.d.link_local(), net.c.mac)? },
            Some("spoofed-neighbour"),
        ),
        ("at another's hardware address", advertisement(own, own, net.d.mac)?, Some("spoofed-neighbour")),
    ] {
        let frame = ethernet_ip(net.c.mac, [0x33, 0x33, 0, 0, 0, 1], &packet);
        let drops = net.drops("c", || Ok(sender.send(&frame).map(drop)?))?;
        assert_eq!(drops, reason.map_or_else(Default::default, |reason| only(reason, 1)), "{what}");
        assert_eq!(seen(&there, &frame)?, usize::from(reason.is_none()), "{what}");
    }
    Ok(())
}

/// A frame that a bridge floods to all its ports, for want of knowing better, is shown to whom it is for.
#[test]
fn what_is_flooded_is_not_shown_to_others() -> Result<()> {
    privileged!();
    let net = Net::new(&[])?;
    let here = packet_socket(&net.topology.node, &net.bridge.name, 0)?;
    let sniffers = [Sniffer::start(&net.c.host, INSIDE)?, Sniffer::start(&net.d.host, INSIDE)?];
    let unknown = [2, 0xee, 0, 0, 0, 1];
    for family in [0, 1] {
        let to = at(net.d.addresses[family], PORT);
        let packet = Packet::udp(at(net.bridge.addresses()[family], PORT), to).build()?;
        let frame = ethernet_ip(net.bridge.mac(1), unknown, &packet);
        let drops = net.drops("c", || Ok(here.send(&frame).map(drop)?))?;
        assert_eq!(drops, only("not-owner", 1));
        let shown = [seen(&sniffers[0], &frame)?, seen(&sniffers[1], &frame)?];
        assert_eq!(shown, [0, 1]);
    }
    Ok(())
}

/// Real stacks find each other: nothing of what they need is taken for somebody else's.
#[test]
fn neighbours_find_each_other() -> Result<()> {
    privileged!();
    let net = Net::with_macs()?;
    for family in [0, 1] {
        for (from, to) in [(&net.c, &net.d), (&net.d, &net.c)] {
            let there = to.host.udp_bind(at(to.addresses[family], PORT))?;
            let here = from.host.udp_connect(at(to.addresses[family], PORT))?;
            here.send(b"there")?;
            let (_, back) = there.recv_from(&mut [0; 8])?;
            assert_eq!(back.ip(), from.addresses[family]);
            there.send_to(b"back", back)?;
            assert_eq!(here.recv(&mut [0; 8])?, 4);
        }
    }
    for name in ["c", "d"] {
        let drops = net.berth.container(name)?.plane.drops;
        assert!(drops.is_empty(), "{name}: {drops:?}");
    }
    Ok(())
}
