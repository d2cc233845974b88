//! Interfaces whose packets begin with the IP header.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::Result;
use berth_tests::frame::Packet;
use berth_tests::packet::packet_socket;
use berth_tests::sockets::errno;
use berth_tests::topology::{NODE_V4, REMOTE_V4, UPLINK, at};
use berth_tests::view::{Both, Plane, Traffic};
use berth_tests::{
    Berth, Endpoint as _, Ledger, SharedNode, Sockets as _, Tenant, Topology, Tun, link, privileged,
};

const TUN: &str = "tun0";
const PORT: u16 = 7777;
const FAR: u16 = 7;
const PAYLOAD: [u8; 100] = [7; 100];
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;

/// The node's address on the device, somebody's beyond, and how long the prefix and the headers of a datagram are.
const FAMILIES: [(IpAddr, IpAddr, u8, u64); 2] = [(v4(1), v4(2), 24, 28), (v6(1), v6(2), 64, 48)];

const fn v4(last: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 88, 0, last))
}

const fn v6(last: u16) -> IpAddr {
    IpAddr::V6(Ipv6Addr::new(0xfd62, 0x6572, 0x7468, 0x88, 0, 0, 0, last))
}

/// A node whose uplinks are these, with a device that has addresses.
fn node(uplinks: &[&str]) -> Result<(SharedNode, Tun)> {
    let topology = Topology::builder().with_known_neighbours().build()?;
    let netns = topology.node.netns();
    let tun = Tun::create(netns, TUN)?;
    for (own, _, prefix, _) in FAMILIES {
        link::add_address(netns, TUN, own, prefix)?;
    }
    let berth = Berth::builder(&topology).uplinks(uplinks).start()?;
    let (a, b) = (Tenant::new(&topology.node, "a")?, Tenant::new(&topology.node, "b")?);
    berth.add_container("a", a.cgroup().path())?;
    berth.add_container("b", b.cgroup().path())?;
    Ok((SharedNode { a, b, berth, topology }, tun))
}

fn datagram(from: SocketAddr, to: SocketAddr) -> Result<Vec<u8>> {
    Packet::udp(from, to).payload(PAYLOAD).build()
}

fn one_each_way(headers: u64) -> Both {
    let traffic = Traffic { packets: 1, bytes: headers + 100 };
    Both { incoming: traffic, outgoing: traffic }
}

/// What goes by it is its containers', and one cannot speak for the other there.
#[test]
fn an_uplink() -> Result<()> {
    privileged!();
    let (node, tun) = node(&[UPLINK, TUN])?;
    for (own, far, _, headers) in FAMILIES {
        let (own, far) = (at(own, PORT), at(far, FAR));
        let socket = node.a.udp_bind(own)?;
        socket.connect(far)?;
        let growth = growth(&node, "a", || {
            socket.send(&PAYLOAD)?;
            let sent = tun.receive(far)?;
            assert_eq!(sent.payload, PAYLOAD);
            tun.send(&datagram(far, own)?)?;
            assert_eq!(socket.recv(&mut [0; 200])?, PAYLOAD.len());
            Ok(())
        })?;
        assert_eq!(growth.traffic, one_each_way(headers), "{own}");

        let frames = packet_socket(&node.b, TUN, if own.is_ipv4() { IPV4 } else { IPV6 })?;
        let stolen = datagram(own, far)?;
        let growth = self::growth(&node, "b", || {
            assert_eq!(errno(frames.send(&stolen)), Some(libc::ENOBUFS), "{own}");
            Ok(())
        })?;
        assert_eq!(growth.drops, [("port-reserved".to_owned(), 1)].into(), "{own}");
    }
    // The other uplink's packets are understood as before.
    let socket = node.a.udp_bind(at(NODE_V4, PORT))?;
    socket.connect(at(REMOTE_V4, FAR))?;
    let growth = growth(&node, "a", || Ok(socket.send(&PAYLOAD).map(drop)?))?;
    assert_eq!(growth.traffic.outgoing, Traffic { packets: 1, bytes: 14 + 28 + 100 });
    Ok(())
}

/// What is counted for an owner meanwhile, at all uplinks.
fn growth(node: &SharedNode, owner: &str, act: impl FnOnce() -> Result<()>) -> Result<Plane> {
    let before = node.berth.container(owner)?.plane;
    act()?;
    Ok(&node.berth.container(owner)?.plane - &before)
}

/// A container's own, as a virtual machine has it.
#[test]
fn a_container_s_own_interface() -> Result<()> {
    privileged!();
    let (node, tun) = node(&[UPLINK])?;
    let addresses = FAMILIES.map(|(_, far, ..)| far.to_string());
    let addresses = addresses.iter().flat_map(|address| ["--address", address]);
    node.berth.ok(["container", "add", "c", "--interface", TUN].into_iter().chain(addresses))?;
    for (gateway, own, _, headers) in FAMILIES {
        let (gateway, own) = (at(gateway, PORT), at(own, FAR));
        let socket = node.topology.node.udp_bind(gateway)?;
        socket.connect(own)?;
        let ledger = Ledger::open(&node)?;
        let growth = ledger.growth(|| {
            tun.send(&datagram(own, gateway)?)?;
            assert_eq!(socket.recv(&mut [0; 200])?, PAYLOAD.len());
            socket.send(&PAYLOAD)?;
            assert_eq!(tun.receive(own)?.payload, PAYLOAD);
            Ok(())
        })?;
        assert_eq!(growth.of("c")?.traffic, one_each_way(headers), "{own}");
    }
    Ok(())
}
