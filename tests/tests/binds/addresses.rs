//! One port at several addresses.

use std::net::{IpAddr, Ipv4Addr};

use anyhow::Result;
use berth_tests::sockets::accept;
use berth_tests::topology::{NODE_V4, UPLINK, at};
use berth_tests::wait::{self, LIMIT};
use berth_tests::{Ledger, SharedNode, Sockets, link, privileged};

use crate::binding::{Binding, bound, errno};

const ANY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
/// A second one of the node's.
const SECOND: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 18, 0, 9));
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

#[test]
fn two_containers_split_a_port_by_address() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    link::add_address(node.netns(), UPLINK, SECOND, 24)?;
    let ours = node.a.tcp_listen(at(NODE_V4, 8080))?;
    let theirs = node.b.tcp_listen(at(SECOND, 8080))?;
    let expected = [bound("a", "tcp", at(NODE_V4, 8080)), bound("b", "tcp", at(SECOND, 8080))];
    assert_eq!(node.holders(8080)?, expected);

    let ledger = Ledger::open(&node)?;
    for (owner, listener) in [("a", &ours), ("b", &theirs)] {
        // The first connection has the remote host ask where the new address is.
        let connect = || -> Result<()> {
            let client = node.topology.remote.tcp_connect(listener.local_addr()?)?;
            drop((client, accept(listener)?));
            Ok(())
        };
        connect()?;
        let growth = ledger.growth(connect)?;
        assert_eq!(growth.packets().into_keys().collect::<Vec<_>>(), [owner]);
    }
    for (tenant, address) in [(&node.a, SECOND), (&node.b, NODE_V4), (&node.a, ANY), (&node.b, ANY)] {
        let kind = Binding::tcp((address, 8080)).reuse_address().reuse_port();
        assert_eq!(errno(kind.by(tenant)), Some(libc::EADDRINUSE), "{kind:?}");
    }
    Ok(())
}

#[test]
fn a_wildcard_and_an_address_go_together_in_one_container_only() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    // Both kinds would be let through by the kernel: neither TCP socket listens.
    for make in [Binding::tcp as fn((IpAddr, u16)) -> Binding, Binding::udp] {
        let kind = |address| make((address, 8080)).reuse_address();
        for (first, second) in [(ANY, NODE_V4), (NODE_V4, ANY)] {
            let held = kind(first).by(&node.a)?;
            assert_eq!(errno(kind(second).by(&node.b)), Some(libc::EADDRINUSE), "{first}, then {second}");
            drop(kind(second).by(&node.a)?);
            drop(held);
            assert_eq!(node.holders(8080)?, []);
            drop(kind(second).by(&node.b)?);
        }
        // Single addresses go together.
        let _ours = kind(LOOPBACK).by(&node.a)?;
        let _theirs = kind(NODE_V4).by(&node.b)?;
        assert_eq!(node.holders(8080)?.len(), 2);
        // And whoever holds the wildcard is named to the other.
    }
    Ok(())
}

#[test]
fn whoever_is_in_the_wildcards_way_is_named() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let _held = Binding::udp(at(NODE_V4, 8080)).reuse_address().by(&node.a)?;
    assert_eq!(errno(Binding::udp((ANY, 8080)).reuse_address().by(&node.b)), Some(libc::EADDRINUSE));
    let event = wait::until("the event", LIMIT, || Ok(node.events()?.pop()))?;
    assert_eq!((&event["container"], &event["holder"]), (&"b".into(), &"a".into()), "{event}");
    let output = node.berth.run(["ports", "reserve", "b", "udp/8080"])?;
    assert!(output.code() == Some(1) && output.stderr.contains("is held by a;"), "{output:?}");
    Ok(())
}
