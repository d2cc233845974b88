//! What a container may send, and is shown, on an interface of its own.

use berth_common::{
    abi::{address::Address, container::Container, reason::Reason, units::Zone},
    engine::Tables as _,
    wire::ether::Mac,
};

use crate::support::*;

const KNOWN: u8 = Container::KNOWN_ADDRESSES;
const MACS: u8 = Container::KNOWN_MACS;
const ROUTES: u8 = Container::ROUTES;

const OWN: [&str; 2] = ["10.0.0.2", "fd00::2"];
const FAR: [&str; 2] = [R4, R6];
/// Another container's.
const OTHER: [&str; 2] = [OWN4, OWN6];

const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const PEER: [u8; 6] = [2, 0, 0, 0, 0, 2];
/// What the container makes of its hardware address.
const LINK: &str = "fe80::ff:fe00:1";
const IPV4: u16 = 0x0800;
const ARP: u16 = 0x0806;
const IPV6: u16 = 0x86dd;

fn own() -> Vec<Address> {
    OWN.iter().map(|text| ip_address(text).into()).collect()
}

/// A node on which so much is known of container S.
fn node(flags: u8) -> Node {
    let node = Node::with_own_addresses();
    node.known(S, flags, &if flags & KNOWN != 0 { own() } else { Vec::new() });
    if flags & MACS != 0 {
        node.known(S, 0, &[Mac::from_octets(MAC).link_local()]);
    }
    node
}

fn port(address: &str) -> String {
    if address.contains(':') { format!("[{address}]:5000") } else { format!("{address}:5000") }
}

fn between(source: &str, destination: &str) -> Vec<u8> {
    udp(&port(source), &port(destination))
}

fn framed(source: [u8; 6], destination: [u8; 6], kind: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = frame(&[], kind, payload);
    frame[..6].copy_from_slice(&destination);
    frame[6..12].copy_from_slice(&source);
    frame
}

/// A message of neighbour discovery about `target`, with options.
fn neighbour(kind: u8, source: &str, target: &str, options: &[u8]) -> Vec<u8> {
    let std::net::IpAddr::V6(target) = ip_address(target) else { panic!("an IPv6 address") };
    icmp(source, "ff02::1", kind, [0; 4], &[target.octets().as_slice(), options].concat())
}

fn link_option(kind: u8, mac: [u8; 6]) -> Vec<u8> {
    [[kind, 1].as_slice(), &mac].concat()
}

#[test]
fn hardware_addresses_make_link_local_ones() {
    assert_eq!(Mac::from_octets(MAC).link_local(), ip_address(LINK).into());
    let mac = Mac::from_octets([0x52, 0x54, 0xab, 0xcd, 0xef, 0x9a]);
    assert_eq!(mac.link_local(), ip_address("fe80::5054:abff:fecd:ef9a").into());
}

#[test]
fn from_its_own_addresses_alone() {
    for family in [0, 1] {
        let node = node(KNOWN);
        assert_eq!(node.on_interface(S, false, &between(OWN[family], FAR[family])), Reason::None);
        for source in [FAR[family], OTHER[family], [L4, L6][family], ["127.0.0.1", "::1"][family]] {
            let packet = between(source, FAR[family]);
            assert_eq!(node.on_interface(S, false, &packet), Reason::SpoofedSource, "{source}");
            assert!(node.flow_in(Zone::of(S), &packet).is_none());
        }
    }
}

/// Where nothing is said of its addresses it may have any.
#[test]
fn from_any_address_if_none_is_known() {
    let node = node(0);
    for source in [OWN[0], FAR[0], OTHER[0]] {
        assert_eq!(node.on_interface(S, false, &between(source, R4)), Reason::None, "{source}");
    }
}

#[test]
fn an_address_goes_with_the_container_that_had_it() {
    let node = node(KNOWN);
    let container = (&node.tables).container(S).unwrap();
    node.tables.add_container(S, Container { generation: 2, ..container });
    assert_eq!(node.on_interface(S, false, &between(OWN[0], R4)), Reason::SpoofedSource);
}

#[test]
fn two_containers_may_have_one_address() {
    let node = node(KNOWN);
    node.known(T, KNOWN, &own());
    for id in [S, T] {
        assert_eq!(node.on_interface(id, false, &between(OWN[0], R4)), Reason::None);
        assert_eq!(node.on_interface(id, true, &between(R4, OWN[0])), Reason::None);
    }
}

#[test]
fn it_is_shown_what_is_for_it_alone() {
    let node = node(KNOWN);
    for (destination, expected) in [
        (OWN[0], Reason::None),
        ("224.0.0.251", Reason::None),
        ("255.255.255.255", Reason::None),
        (OTHER[0], Reason::NotOwner),
        (R4, Reason::NotOwner),
    ] {
        assert_eq!(node.on_interface(S, true, &between(L4, destination)), expected, "{destination}");
    }
    // Of a network whose broadcast address nobody has told.
    let packet = between(L4, "10.0.0.255");
    let to = |mac| node.frame_on_interface(S, true, &framed(PEER, mac, IPV4, &packet));
    assert_eq!((to([0xff; 6]), to(MAC)), (Reason::None, Reason::NotOwner));
}

#[test]
fn what_the_link_needs_passes() {
    let node = node(KNOWN | MACS);
    for (what, packet) in [
        ("DHCP client", udp("0.0.0.0:68", "255.255.255.255:67")),
        ("IGMP", ip("0.0.0.0", "224.0.0.22", IGMP, &[0x22; 16])),
        ("MLD", icmp("::", "ff02::16", 143, [0; 4], &[0; 20])),
        ("MLD from its link-local address", icmp(LINK, "ff02::16", 143, [0; 4], &[0; 20])),
        ("router solicitation", icmp(LINK, "ff02::2", 133, [0; 4], &link_option(1, MAC))),
        ("duplicate address detection", neighbour(135, "::", OWN[1], &[])),
        ("the same of its link-local address", neighbour(135, "::", LINK, &[])),
        ("solicitation", neighbour(135, OWN[1], L6, &link_option(1, MAC))),
        ("advertisement", neighbour(136, OWN[1], OWN[1], &link_option(2, MAC))),
        ("advertisement of its link-local address", neighbour(136, LINK, LINK, &link_option(2, MAC))),
        ("advertisement with much else", {
            let rest: Vec<u8> = (0..15).flat_map(|_| link_option(14, [7; 6])).collect();
            neighbour(136, LINK, LINK, &[rest, link_option(2, MAC)].concat())
        }),
        ("advertisement with a nonce", {
            neighbour(136, LINK, LINK, &[link_option(14, [7; 6]), link_option(2, MAC)].concat())
        }),
    ] {
        assert_eq!(node.on_interface(S, false, &packet), Reason::None, "{what}");
    }
    let foreign = icmp("fe80::99", "ff02::16", 143, [0; 4], &[0; 20]);
    assert_eq!(node.on_interface(S, false, &foreign), Reason::SpoofedSource);
    // No more of it than of any container's.
    for _ in 0..64 {
        node.on_interface(S, false, &udp("0.0.0.0:68", "255.255.255.255:67"));
    }
    let one_more = node.on_interface(S, false, &udp("0.0.0.0:68", "255.255.255.255:67"));
    assert_eq!(one_more, Reason::ControlRate);
}

#[test]
fn discovery_claims_nothing_of_anothers() {
    let options = |mac| link_option(2, mac);
    let several = [options(MAC), options(PEER)].concat();
    let many: Vec<u8> = (0..17).flat_map(|_| link_option(14, [7; 6])).collect();
    for (what, packet) in [
        ("another's address", neighbour(136, OWN[1], L6, &options(MAC))),
        ("the gateway's link-local address", neighbour(136, LINK, LINK6, &options(MAC))),
        ("detection of another's address", neighbour(135, "::", L6, &[])),
        ("another's hardware address", neighbour(136, OWN[1], OWN[1], &options(PEER))),
        ("the same in a solicitation", neighbour(135, OWN[1], L6, &link_option(1, PEER))),
        ("the same in a router solicitation", icmp(LINK, "ff02::2", 133, [0; 4], &link_option(1, PEER))),
        ("its own first", neighbour(136, OWN[1], OWN[1], &several)),
        ("more options than are looked at", neighbour(136, OWN[1], OWN[1], &many)),
        ("an option without length", neighbour(136, OWN[1], OWN[1], &[2, 0, 0, 0, 0, 0, 0, 0])),
        ("no target", icmp(OWN[1], "ff02::1", 136, [0; 4], &[0; 8])),
    ] {
        let node = node(KNOWN | MACS);
        assert_eq!(node.on_interface(S, false, &packet), Reason::SpoofedNeighbour, "{what}");
        // What it is told is another matter.
        assert_eq!(node.on_interface(S, true, &packet), Reason::None, "{what}");
    }
}

/// Where only IP addresses are known, those of the link are free, but for the node's.
#[test]
fn link_local_addresses_without_hardware_addresses() {
    let node = node(KNOWN);
    let advertised =
        |address| node.on_interface(S, false, &neighbour(136, address, address, &link_option(2, PEER)));
    assert_eq!((advertised("fe80::99"), advertised(LINK6)), (Reason::None, Reason::SpoofedNeighbour));
}

#[test]
fn frames_bear_its_hardware_address() {
    for flags in [MACS, MACS | KNOWN] {
        let node = node(flags);
        let (out, back) = (between(OWN[0], R4), between(R4, OWN[0]));
        for (mac, sent, shown) in [
            (MAC, Reason::None, Reason::None),
            (PEER, Reason::SpoofedMac, Reason::NotOwner),
            ([0xff; 6], Reason::SpoofedMac, Reason::None),
            ([0x33, 0x33, 0, 0, 0, 1], Reason::SpoofedMac, Reason::None),
        ] {
            let frames = [framed(mac, PEER, IPV4, &out), framed(PEER, mac, IPV4, &back)];
            assert_eq!(node.frame_on_interface(S, false, &frames[0]), sent, "{mac:x?}");
            assert_eq!(node.frame_on_interface(S, true, &frames[1]), shown, "{mac:x?}");
            let frames = [framed(mac, PEER, 0x88b5, &[0; 46]), framed(PEER, mac, 0x88b5, &[0; 46])];
            let unknown = if flags & KNOWN != 0 { Reason::NonIp } else { Reason::None };
            let sent = if sent == Reason::None { unknown } else { sent };
            assert_eq!(node.frame_on_interface(S, false, &frames[0]), sent, "{mac:x?}");
            assert_eq!(node.frame_on_interface(S, true, &frames[1]), shown, "{mac:x?}");
        }
    }
}

#[test]
fn arp_speaks_of_its_own_addresses() {
    let answers =
        |flags, packet: &[u8]| node(flags).frame_on_interface(S, false, &framed(MAC, PEER, ARP, packet));
    let other_mac = |mut packet: Vec<u8>| {
        packet[8..14].copy_from_slice(&PEER);
        packet
    };
    for (what, packet, expected) in [
        ("request", arp(1, OWN[0], "10.0.0.1"), Reason::None),
        ("reply", arp(2, OWN[0], "10.0.0.1"), Reason::None),
        ("announcement", arp(1, OWN[0], OWN[0]), Reason::None),
        ("probe", arp(1, "0.0.0.0", OWN[0]), Reason::None),
        ("another's address", arp(2, "10.0.0.1", "10.0.0.9"), Reason::SpoofedNeighbour),
        ("another's address asking", arp(1, "10.0.0.1", OWN[0]), Reason::SpoofedNeighbour),
        ("a probe for another's", arp(1, "0.0.0.0", "10.0.0.1"), Reason::SpoofedNeighbour),
        ("another's hardware address", other_mac(arp(2, OWN[0], "10.0.0.1")), Reason::SpoofedMac),
        ("cut off", arp(2, OWN[0], "10.0.0.1")[..20].to_vec(), Reason::Malformed),
    ] {
        assert_eq!(answers(KNOWN | MACS, &packet), expected, "{what}");
        assert_eq!(answers(0, &packet), Reason::None, "{what}");
        let by_address = if expected == Reason::SpoofedMac { Reason::None } else { expected };
        assert_eq!(answers(KNOWN, &packet), by_address, "{what}");
        let by_mac = if expected == Reason::SpoofedNeighbour { Reason::None } else { expected };
        assert_eq!(answers(MACS, &packet), by_mac, "{what}");
        assert_eq!(
            node(KNOWN | MACS).frame_on_interface(S, true, &framed(PEER, MAC, ARP, &packet)),
            Reason::None
        );
    }
}

/// The rest of it might be in another, and be put together elsewhere.
#[test]
fn discovery_is_not_in_fragments() {
    let node = node(KNOWN | MACS);
    let whole = neighbour(136, LINK, LINK, &link_option(2, MAC));
    let first = Ip::behind(&[Extension::Fragment(0, true, 7)]);
    let packet = first.build(ip_address(LINK), ip_address("ff02::1"), ICMPV6, &whole[40..]);
    assert_eq!(node.on_interface(S, false, &packet), Reason::SpoofedNeighbour);
}

#[test]
fn routers_and_servers_are_rogue_unless_it_routes() {
    let advertisement = icmp("fe80::7", "ff02::1", 134, [0; 4], &[0; 8]);
    let redirect = icmp("fe80::7", "ff02::1", 137, [0; 4], &[0; 32]);
    let lease = udp("10.0.0.2:67", "255.255.255.255:68");
    let other_port = udp("10.0.0.2:1067", "10.0.0.9:68");
    for packet in [&advertisement, &redirect, &lease, &other_port] {
        assert_eq!(node(0).on_interface(S, false, packet), Reason::RogueServer);
        assert_eq!(node(ROUTES).on_interface(S, false, packet), Reason::None);
        assert_eq!(node(KNOWN | ROUTES).on_interface(S, false, packet), Reason::None);
        assert_eq!(node(0).on_interface(S, true, packet), Reason::None);
    }
}

#[test]
fn a_router_speaks_for_those_behind_it_alone() {
    for family in [0, 1] {
        let node = node(KNOWN | ROUTES);
        let behind = ["10.9.0.7", "fd00:9::7"][family];
        assert_eq!(node.on_interface(S, false, &between(behind, FAR[family])), Reason::None);
        assert_eq!(node.on_interface(S, true, &between(FAR[family], behind)), Reason::None);
        let nobody = ["0.0.0.0", "::"][family];
        for source in [OTHER[family], [L4, L6][family], ["127.0.0.1", "::1"][family], nobody] {
            let packet = between(source, FAR[family]);
            assert_eq!(node.on_interface(S, false, &packet), Reason::SpoofedSource, "{source}");
        }
    }
    // Nobody is behind it on a link.
    let node = node(KNOWN | MACS | ROUTES);
    assert_eq!(node.on_interface(S, false, &between("fe80::99", R6)), Reason::SpoofedSource);
    let claim = neighbour(136, "fe80::99", "fe80::99", &link_option(2, MAC));
    assert_eq!(node.on_interface(S, false, &claim), Reason::SpoofedNeighbour);
    let frame = framed(MAC, PEER, 0x88cc, &[0; 46]);
    assert_eq!(node.frame_on_interface(S, false, &frame), Reason::NonIp);
    let node = self::node(KNOWN | ROUTES);
    for (sender, expected) in [("10.9.0.7", Reason::None), (L4, Reason::SpoofedNeighbour)] {
        let frame = framed(MAC, PEER, ARP, &arp(2, sender, "10.0.0.1"));
        assert_eq!(node.frame_on_interface(S, false, &frame), expected, "{sender}");
    }
    let frame = framed(MAC, PEER, IPV6, &neighbour(136, LINK, "fd00:9::7", &link_option(2, MAC)));
    assert_eq!(node.frame_on_interface(S, false, &frame), Reason::None);
}
