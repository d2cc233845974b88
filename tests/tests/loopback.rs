//! The same within the node: lo, and the node's own addresses.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::Result;
use berth_tests::echo::Echo;
use berth_tests::exchange::{datagrams, pings, receive, stream};
use berth_tests::sockets::{errno, icmp};
use berth_tests::topology::{NODE_V4, NODE_V6, at};
use berth_tests::{Endpoint, Ledger, SharedNode, Sockets, privileged};
use socket2::{Protocol, Socket};

const ECHO: u16 = 7;
const LO_V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const LO_V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

/// Addresses that are reached over lo.
const LOCAL: [IpAddr; 4] = [LO_V4, LO_V6, NODE_V4, NODE_V6];

#[test]
fn traffic_between_containers_is_counted_at_both_ends() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    for address in LOCAL {
        let _echo = Echo::start(&node.a, &[address], ECHO)?;
        let ledger = Ledger::open(&node)?;
        let growth = ledger.growth(|| {
            stream(&node.b.tcp_connect(at(address, ECHO))?, 300_000)?;
            datagrams(&node.b.udp_connect(at(address, ECHO))?, 20, 3000)
        })?;
        assert_eq!(growth.packets(), BTreeMap::new(), "{address}");
        assert_eq!(growth.drops(), BTreeMap::new(), "{address}");
        let (a, b) = (growth.of("a")?.local, growth.of("b")?.local);
        assert_eq!((a.incoming, a.outgoing), (b.outgoing, b.incoming), "{address}");
        assert!(a.incoming.packets > 25 && a.incoming.bytes > 360_000, "{a:?}");
    }
    Ok(())
}

#[test]
fn exactly_what_is_sent_is_counted() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    for address in LOCAL {
        let _echo = Echo::start(&node.topology.node, &[address], ECHO)?;
        let socket = node.a.udp_connect(at(address, ECHO))?;
        let ledger = Ledger::open(&node)?;
        let growth = ledger.growth(|| datagrams(&socket, 20, 100))?;
        assert_eq!(growth.local(), BTreeMap::from([("a", (20, 20))]), "{address}");
        let header = if address.is_ipv4() { 28 } else { 48 };
        assert_eq!(growth.of("a")?.local.outgoing.bytes, 20 * (header + 100));
    }
    Ok(())
}

/// Raw sockets of B hear nothing of what others say to each other, those of A what is A's.
#[test]
fn raw_sockets() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    for address in LOCAL {
        let _echo = Echo::start(&node.a, &[address], ECHO)?;
        let _hosts = Echo::start(&node.topology.node, &[address], ECHO + 1)?;
        let ears = |endpoint: &dyn Endpoint| -> Result<Vec<Socket>> {
            let sockets = [Protocol::TCP, Protocol::UDP, icmp(address)].map(|protocol| {
                let socket = endpoint.raw(address, protocol)?;
                socket.set_nonblocking(true)?;
                Ok(socket)
            });
            sockets.into_iter().collect()
        };
        let (of_a, of_b) = (ears(&node.a)?, ears(&node.b)?);
        for port in [ECHO, ECHO + 1] {
            stream(&node.topology.node.tcp_connect(at(address, port))?, 1000)?;
            datagrams(&node.topology.node.udp_connect(at(address, port))?, 5, 100)?;
        }
        pings(&node.a.raw(address, icmp(address))?, (address, address), 77, 3)?;
        for socket in &of_b {
            assert_eq!(errno(receive(socket, address)), Some(libc::EAGAIN), "{address} {socket:?}");
        }
        for socket in &of_a {
            receive(socket, address)?;
        }
    }
    Ok(())
}
