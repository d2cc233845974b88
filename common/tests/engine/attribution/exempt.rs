//! What a network cannot do without, and what only its routers and servers may send.

use berth_common::abi::reason::Reason;

use crate::support::*;

/// Most control packets a container may send in a second.
const RATE: usize = 64;

fn discovers() -> Vec<u8> {
    udp("0.0.0.0:68", "255.255.255.255:67")
}

#[test]
fn always_allowed() {
    let solicited = "ff02::1:ff00:1";
    for (what, packet) in [
        ("DHCP client", discovers()),
        ("duplicate address detection", icmp("::", solicited, 135, [0; 4], &[0; 16])),
        ("router solicitation", icmp("::", "ff02::2", 133, [0; 4], &[])),
        ("MLD report", icmp("::", "ff02::16", 143, [0; 4], &[0; 20])),
        ("MLDv1 report", icmp("::", "ff02::1:ff00:1", 131, [0; 4], &[0; 16])),
        ("MLD done", icmp("::", "ff02::2", 132, [0; 4], &[0; 16])),
        ("IGMP report", ip(L4, "224.0.0.22", IGMP, &[0x22; 16])),
        ("IGMP from no address", ip("0.0.0.0", "224.0.0.22", IGMP, &[0x22; 16])),
    ] {
        let node = Node::new();
        assert_eq!(node.send(A, &packet), Reason::None, "{what}");
        assert!(node.tables.flows().is_empty(), "{what} opens no flow");
    }
}

#[test]
fn only_these() {
    for (what, packet) in [
        ("UDP from no address to another port", udp("0.0.0.0:68", "255.255.255.255:69")),
        ("UDP from no address from another port", udp("0.0.0.0:1068", "255.255.255.255:67")),
        ("echo from no address", ping("::", "ff02::1", 5)),
        ("neighbour advertisement from no address", icmp("::", "ff02::1", 136, [0; 4], &[0; 16])),
        ("DHCP from a foreign address", udp("198.51.100.8:68", "255.255.255.255:67")),
        ("solicitation from a foreign address", icmp("fe80::99", "ff02::1:ff00:1", 135, [0; 4], &[0; 16])),
        ("MLD from a foreign address", icmp("fe80::99", "ff02::16", 143, [0; 4], &[0; 20])),
        ("IGMP from a foreign address", ip("198.51.100.8", "224.0.0.22", IGMP, &[0x22; 16])),
        ("TCP from no address", tcp("0.0.0.0:68", "198.51.100.7:67", SYN)),
    ] {
        assert_eq!(Node::new().send(A, &packet), Reason::SpoofedSource, "{what}");
    }
}

#[test]
fn from_link_local_addresses_of_the_node() {
    let node = Node::new();
    for (what, packet) in [
        ("neighbour solicitation", icmp(LINK6, "ff02::1:ff00:7", 135, [0; 4], &[0; 16])),
        ("neighbour advertisement", icmp(LINK6, "ff02::1", 136, [0; 4], &[0; 16])),
        ("router solicitation", icmp(LINK6, "ff02::2", 133, [0; 4], &[])),
        ("MLD report", icmp(LINK6, "ff02::16", 143, [0; 4], &[0; 20])),
        ("DHCPv6 client", udp("[fe80::1]:546", "[ff02::1:2]:547")),
    ] {
        assert_eq!(node.send(A, &packet), Reason::None, "{what}");
    }
}

#[test]
fn routers_and_servers_are_not_containers() {
    for (what, packet) in [
        ("router advertisement", icmp(LINK6, "ff02::1", 134, [0; 4], &[0; 8])),
        ("router advertisement from no address", icmp("::", "ff02::1", 134, [0; 4], &[0; 8])),
        ("redirect", icmp(LINK6, R6, 137, [0; 4], &[0; 32])),
        ("router advertisement of IPv4", icmp(L4, "224.0.0.1", 9, [0; 4], &[])),
        ("redirect of IPv4", icmp(L4, R4, 5, [0; 4], &udp("198.51.100.7:53", "192.0.2.1:5000"))),
        ("DHCP offer", udp("192.0.2.1:67", "255.255.255.255:68")),
        ("DHCPv6 advertisement", udp("[fe80::1]:547", "[fe80::7]:546")),
        (
            "router advertisement behind extension headers",
            Ip::behind(&[Extension::Raw(0, 0), Extension::Raw(60, 3)]).build(
                ip_address(LINK6),
                ip_address("ff02::1"),
                ICMPV6,
                &icmp_message(true, 134, 0, [0; 4], &[0; 8]),
            ),
        ),
        (
            "router advertisement in a first fragment",
            Ip::fragment(0, true, 5).build(
                ip_address(LINK6),
                ip_address("ff02::1"),
                ICMPV6,
                &icmp_message(true, 134, 0, [0; 4], &[0; 8]),
            ),
        ),
    ] {
        let node = Node::new();
        assert_eq!(node.send(A, &packet), Reason::RogueServer, "{what}");
        // The local zone and own addresses make no difference.
        assert_eq!(node.send_local(O, &packet), Reason::RogueServer, "{what}");
        assert!(node.tables.flows().is_empty(), "{what}");
    }
    // Relays and other uses of the ports are nobody's business.
    for packet in [udp("192.0.2.1:67", "198.51.100.7:67"), udp("192.0.2.1:68", "198.51.100.7:67")] {
        assert_eq!(Node::new().send(A, &packet), Reason::None);
    }
}

#[test]
fn so_many_in_a_second() {
    let node = Node::new();
    // Twice, since the first second begins with a counter that was never used.
    for _ in 0..2 {
        let allowed = (0..RATE * 3).filter(|_| node.send(A, &discovers()) == Reason::None).count();
        assert_eq!(allowed, RATE);
        assert_eq!(node.send(A, &discovers()), Reason::ControlRate);
        node.wait(2);
    }
}

#[test]
fn each_container_has_its_own_rate_for_all_of_them() {
    let node = Node::new();
    let kinds = [discovers(), ip(L4, "224.0.0.22", IGMP, &[0x22; 16])];
    for turn in 0..RATE {
        assert_eq!(node.send(A, &kinds[turn % 2]), Reason::None);
    }
    let probe = frame(&[], 0x0806, &arp(1, "0.0.0.0", L4));
    assert_eq!(node.send(A, &kinds[0]), Reason::ControlRate);
    assert_eq!(node.send(A, &kinds[1]), Reason::ControlRate);
    assert_eq!(node.send_frame(A, &probe), Reason::ControlRate);
    assert_eq!(node.send(B, &kinds[0]), Reason::None);
    assert_eq!(node.send_frame(B, &probe), Reason::None);
}

#[test]
fn frames_that_are_not_ip() {
    let node = Node::new();
    let probe = arp(1, "0.0.0.0", L4);
    for (what, bytes, expected) in [
        ("ARP probe", frame(&[], 0x0806, &probe), Reason::None),
        ("ARP probe in a VLAN", frame(&[0x8100], 0x0806, &probe), Reason::None),
        ("ARP request", frame(&[], 0x0806, &arp(1, L4, R4)), Reason::NonIp),
        ("ARP reply", frame(&[], 0x0806, &arp(2, L4, R4)), Reason::NonIp),
        ("ARP announcement", frame(&[], 0x0806, &arp(1, L4, L4)), Reason::NonIp),
        ("ARP cut off", frame(&[], 0x0806, &probe[..16]), Reason::NonIp),
        ("LLDP", frame(&[], 0x88cc, &probe), Reason::NonIp),
        ("a third tag", frame(&[0x8100, 0x8100, 0x8100], 0x0806, &probe), Reason::NonIp),
        ("nothing", frame(&[], 0x0806, &[]), Reason::NonIp),
    ] {
        assert_eq!(node.send_frame(A, &bytes), expected, "{what}");
    }
}
