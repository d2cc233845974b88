//! Sockets of the host itself have no reservations, and are safe all the same.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener};

use anyhow::Result;
use berth_tests::sockets::accept;
use berth_tests::topology::{NODE_V4, NODE_V6, at};
use berth_tests::wait::{self, LIMIT};
use berth_tests::{Endpoint, Ledger, SharedNode, Sockets, privileged};

use crate::binding::{Binding, errno};

const ANY4: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
const ANY6: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

#[test]
fn the_hosts_listeners_cannot_be_joined() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let host: &dyn Endpoint = &node.topology.node;
    let cases = [
        (NODE_V4, NODE_V4),
        (ANY4, ANY4),
        (ANY4, NODE_V4),
        (ANY6, ANY6),
        (ANY6, NODE_V6),
        (ANY6, ANY4),
        (ANY6, NODE_V4),
    ];
    for (own, theirs) in cases {
        for make in [Binding::tcp as fn((IpAddr, u16)) -> Binding, Binding::udp] {
            // Of the same user, so that the kernel would let them be shared.
            let kind = |address| make((address, 2222)).reuse_port();
            let held = kind(own).by(host)?;
            if held.r#type()? == socket2::Type::STREAM {
                held.listen(8)?;
            }
            assert_eq!(errno(kind(theirs).by(&node.b)), Some(libc::EADDRINUSE), "{own}, then {theirs}");
            drop(kind(theirs).by(host)?);
            drop(held);
            drop(kind(theirs).by(&node.b)?);
        }
    }
    let event = wait::until("the event", LIMIT, || Ok(node.events()?.into_iter().next()))?;
    assert_eq!((&event["container"], &event["holder"]), (&"b".into(), &"host".into()), "{event}");
    Ok(())
}

#[test]
fn a_wildcard_beside_the_hosts_listener_gets_nothing_of_it() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let kind = |address| Binding::tcp((address, 2222)).reuse_port();
    let listener: TcpListener = kind(NODE_V4).listening(&node.topology.node)?.into();
    let beside = kind(ANY4).listening(&node.b)?;
    let growth = Ledger::open(&node)?.growth(|| {
        for _ in 0..20 {
            let client = node.topology.remote.tcp_connect(at(NODE_V4, 2222))?;
            drop((client, accept(&listener)?));
        }
        Ok(())
    })?;
    assert_eq!(growth.dropped(), (0, 0));
    beside.set_nonblocking(true)?;
    assert_eq!(errno(beside.accept()), Some(libc::EAGAIN));
    Ok(())
}
