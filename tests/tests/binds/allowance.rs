//! Which ports a container may bind, and how many.

use anyhow::Result;
use berth_tests::topology::{NODE_V4, NODE_V6, REMOTE_V4, at};
use berth_tests::wait::{self, LIMIT};
use berth_tests::{SharedNode, Sockets, privileged};

use crate::binding::{Binding, errno};

#[test]
fn binds_outside_the_allowance_are_denied() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    node.berth.ok(["container", "set", "a", "--ports", "80,8000-8100,65535"])?;
    for (port, allowed) in [
        (79, false),
        (80, true),
        (81, false),
        (7999, false),
        (8000, true),
        (8050, true),
        (8100, true),
        (8101, false),
        (65535, true),
    ] {
        for kind in [Binding::tcp(at(NODE_V4, port)), Binding::udp(at(NODE_V6, port))] {
            let expected = if allowed { None } else { Some(libc::EACCES) };
            assert_eq!(errno(kind.by(&node.a)), expected, "{kind:?}");
            assert_eq!(errno(kind.by(&node.b)), None, "{kind:?}");
        }
    }
    let denied = node.berth.container("a")?.plane.drops_for("bind-denied");
    assert_eq!(denied, 8);
    let event = wait::until("the event", LIMIT, || Ok(node.events()?.into_iter().next()))?;
    assert_eq!((&event["kind"], &event["reason"]), (&"bind".into(), &"bind-denied".into()), "{event}");
    assert_eq!((&event["container"], &event["packet"]["dport"]), (&"a".into(), &79.into()), "{event}");

    // Ports of the kernel's choice are for connections, not for services.
    let listener = node.topology.remote.tcp_listen(at(REMOTE_V4, 22))?;
    node.a.tcp_connect(listener.local_addr()?)?;
    node.berth.ok(["container", "set", "a", "--ports", "all"])?;
    Binding::tcp(at(NODE_V4, 79)).by(&node.a)?;
    Ok(())
}

#[test]
fn a_container_reserves_as_many_ports_as_it_may() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    node.berth.ok(["container", "set", "a", "--max-ports", "3"])?;
    let bind = |port| Binding::tcp(at(NODE_V4, port)).by(&node.a);
    let held = [bind(1001)?, bind(1002)?, bind(1003)?];
    assert_eq!(errno(bind(1004)), Some(libc::ENOBUFS));
    let ports = node.berth.container("a")?.ports;
    assert_eq!((ports.held, ports.maxheld, ports.limit, ports.failcnt), (3, 3, 3, 1));
    assert_eq!(node.berth.container("a")?.plane.drops_for("port-quota"), 1);
    assert_eq!(node.holders(1004)?, []);
    // It holds for nobody else.
    Binding::tcp(at(NODE_V4, 1004)).by(&node.b)?;

    let [first, ..] = held;
    drop(first);
    let _fourth = bind(1004)?;
    // One that serves both families counts twice, and is taken whole or not at all.
    node.berth.ok(["container", "set", "a", "--max-ports", "5"])?;
    let dual = Binding::tcp((std::net::Ipv6Addr::UNSPECIFIED, 1005));
    node.berth.ok(["ports", "reserve", "a", "udp/1", "--address", &NODE_V4.to_string()])?;
    assert_eq!(node.ports_held("a")?, 4);
    assert_eq!(errno(dual.by(&node.a)), Some(libc::ENOBUFS));
    assert_eq!(node.holders(1005)?, []);
    Ok(())
}
