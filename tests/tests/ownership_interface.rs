//! A container with a network of its own beside those that share the node's.

use std::net::IpAddr;

use anyhow::Result;
use berth_tests::echo::Echo;
use berth_tests::exchange::datagrams;
use berth_tests::frame::Packet;
use berth_tests::link::{self, End};
use berth_tests::sockets::{errno, send_packet, unspecified};
use berth_tests::topology::{NODE_V4, NODE_V6, REMOTE_V4, REMOTE_V6, UPLINK, WIRE, at, remote_addresses};
use berth_tests::view::{Both, Traffic};
use berth_tests::{
    Endpoint, Host, Ledger, SharedNode, Sockets, Topology, name, privileged, sysctl, topology,
};
use socket2::Protocol;

const ECHO: u16 = 7;
const PORT: u16 = 7777;
const NODE_SIDE: &str = "c0";
const OWN_SIDE: &str = "eth0";

/// What container C has: the node's address there, its own, how long the prefix is, and who is outside.
struct Family {
    gateway: &'static str,
    own: &'static str,
    prefix: u8,
    node: IpAddr,
    remote: IpAddr,
}

const FAMILIES: [Family; 2] = [
    Family { gateway: "10.77.0.1", own: "10.77.0.2", prefix: 24, node: NODE_V4, remote: REMOTE_V4 },
    Family {
        gateway: "fd62:6572:7468:77::1",
        own: "fd62:6572:7468:77::2",
        prefix: 64,
        node: NODE_V6,
        remote: REMOTE_V6,
    },
];

/// Makes container C and its network, routed by the node.
fn container(topology: &Topology) -> Result<Host> {
    let host = &topology.node;
    let container = topology::host(&name::unique())?;
    let ends = [
        End { netns: host.netns(), name: NODE_SIDE, mac: [2, 0, 0, 0, 0, 1] },
        End { netns: container.netns(), name: OWN_SIDE, mac: [2, 0, 0, 0, 0, 2] },
    ];
    link::wire(ends[0], ends[1], 1500)?;
    for family in FAMILIES {
        let (gateway, own): (IpAddr, IpAddr) = (family.gateway.parse()?, family.own.parse()?);
        link::add_address(host.netns(), NODE_SIDE, gateway, family.prefix)?;
        link::add_address(ends[1].netns, OWN_SIDE, own, family.prefix)?;
        link::add_neighbour(host.netns(), NODE_SIDE, own, ends[1].mac)?;
        link::add_neighbour(ends[1].netns, OWN_SIDE, gateway, ends[0].mac)?;
        link::add_route(ends[1].netns, OWN_SIDE, (unspecified(own, 0).ip(), 0), gateway)?;
        link::add_route(
            topology.remote.netns(),
            WIRE,
            (own, if own.is_ipv4() { 32 } else { 128 }),
            family.node,
        )?;
    }
    sysctl::set(host.netns(), "ipv4/ip_forward", "1")?;
    sysctl::set(host.netns(), "ipv6/conf/all/forwarding", "1")?;
    Ok(container)
}

/// Ten datagrams each way, of 100 bytes.
fn ten(family: IpAddr) -> Both {
    let headers = if family.is_ipv4() { 14 + 20 + 8 } else { 14 + 40 + 8 };
    let traffic = Traffic { packets: 10, bytes: 10 * (headers + 100) };
    Both { incoming: traffic, outgoing: traffic }
}

/// Others may have the same ports at the node's addresses: that says nothing about what is for C's.
#[test]
fn its_traffic_is_its_own() -> Result<()> {
    privileged!();
    let topology = Topology::builder().with_known_neighbours().build()?;
    let c = container(&topology)?;
    let node = SharedNode::on(topology, "")?;
    let addresses = FAMILIES.map(|family| ["--address", family.own]).concat();
    node.berth.ok([&["container", "add", "c", "--interface", NODE_SIDE][..], &addresses].concat())?;
    let _echo = Echo::start(&node.topology.remote, &remote_addresses(), ECHO)?;
    for Family { own, remote, .. } in FAMILIES {
        let own: IpAddr = own.parse()?;
        let _everywhere = node.a.udp_bind(unspecified(own, PORT))?;
        let _service = Echo::start(&c, &[own], PORT + 1)?;
        let _also = node.a.udp_bind(unspecified(own, PORT + 1))?;
        let socket = c.udp_bind(at(own, PORT))?;
        socket.connect(at(remote, ECHO))?;
        let caller = node.topology.remote.udp_connect(at(own, PORT + 1))?;
        let ledger = Ledger::open(&node)?;
        for (what, from) in [("calling", &socket), ("called", &caller)] {
            let growth = ledger.growth(|| datagrams(from, 10, 100))?;
            let counted = growth.of("c")?;
            assert_eq!((counted.traffic, counted.forwarded), (ten(own), ten(own)), "{own} {what}");
            assert_eq!(growth.packets(), [("c", (10, 10))].into(), "{own} {what} at {UPLINK}");
        }
    }
    Ok(())
}

const DESTINATION_OPTIONS: u8 = 60;

/// More extension headers than are looked through: rules cannot be asked, so it goes no further.
#[test]
fn what_cannot_be_read_does_not_pass() -> Result<()> {
    privileged!();
    let topology = Topology::builder().with_known_neighbours().build()?;
    let c = container(&topology)?;
    let node = SharedNode::on(topology, "")?;
    let own: IpAddr = FAMILIES[1].own.parse()?;
    node.berth.ok(["container", "add", "c", "--interface", NODE_SIDE, "--address", FAMILIES[1].own])?;
    let (socket, remote) = (c.udp_bind(at(own, PORT))?, &node.topology.remote);
    let sender = remote.raw_with_header(REMOTE_V6, Protocol::from(libc::IPPROTO_RAW))?;
    let datagram = Packet::udp(at(REMOTE_V6, ECHO), at(own, PORT)).payload(*b"data").build()?;
    for (headers, passes) in [(1, true), (8, true), (9, false)] {
        let mut body = Vec::new();
        for number in 1..=headers {
            let next = if number == headers { 17 } else { DESTINATION_OPTIONS };
            // One option of padding.
            body.extend([next, 0, 1, 4, 0, 0, 0, 0]);
        }
        body.extend(&datagram[40..]);
        let packet = Packet::other(REMOTE_V6, own, DESTINATION_OPTIONS).payload(body).build()?;
        let ledger = Ledger::open(&node)?;
        let growth = ledger.growth(|| Ok(send_packet(&sender, &packet, own).map(drop)?))?;
        let drops = if passes { vec![] } else { vec![(("c", "malformed"), 1)] };
        assert_eq!(growth.drops(), drops.into_iter().collect(), "{headers}");
        if passes {
            assert_eq!(socket.recv(&mut [0; 8])?, 4, "{headers}");
        }
    }
    socket.set_nonblocking(true)?;
    assert_eq!(errno(socket.recv(&mut [0; 8])), Some(libc::EAGAIN));
    Ok(())
}
