//! A bound port is its holder's: what comes to it, and against everybody else's bind().

use std::io::{Read, Write};
use std::net::TcpListener;

use anyhow::Result;
use berth_tests::sockets::accept;
use berth_tests::topology::{NODE_V4, NODE_V6, REMOTE_V4, at};
use berth_tests::wait::{self, LIMIT, uninterrupted};
use berth_tests::{Ledger, SharedNode, Sockets, Topology, privileged};

use crate::binding::{Binding, bound, errno};

#[test]
fn connections_to_a_bound_port_are_its_holders() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let ledger = Ledger::open(&node)?;
    for local in [NODE_V4, NODE_V6] {
        let listener = node.a.tcp_listen(at(local, 8080))?;
        let growth = ledger.growth(|| greet(&node.topology, &listener))?;
        let owners: Vec<_> = growth.packets().into_keys().collect();
        assert_eq!(owners, ["a"], "{local}");
        assert!(growth.packets()["a"] > (4, 3), "{growth:?}");
    }
    Ok(())
}

#[test]
fn datagrams_to_a_bound_port_are_its_holders() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let ledger = Ledger::open(&node)?;
    let socket = node.a.udp_bind(at(NODE_V4, 5353))?;
    let remote = node.topology.remote.udp_bind(at(REMOTE_V4, 0))?;
    let growth = ledger.growth(|| {
        for _ in 0..10 {
            remote.send_to(b"question", at(NODE_V4, 5353))?;
            let (_, peer) = uninterrupted(|| socket.recv_from(&mut [0; 16]))?;
            socket.send_to(b"answer", peer)?;
            uninterrupted(|| remote.recv(&mut [0; 16]))?;
        }
        Ok(())
    })?;
    assert_eq!(growth.packets(), [("a", (10, 10))].into());
    Ok(())
}

#[test]
fn nobody_else_can_bind_it_whatever_the_options() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let kinds = [
        Binding::tcp(at(NODE_V4, 8080)),
        Binding::tcp(at(NODE_V4, 8081)).reuse_port(),
        Binding::tcp(at(NODE_V6, 8082)).reuse_port().reuse_address(),
        Binding::udp(at(NODE_V4, 8083)).reuse_port(),
        Binding::udp(at(NODE_V4, 8084)).reuse_address(),
        Binding::udp(at(NODE_V6, 8085)).reuse_address().reuse_port(),
    ];
    for (index, kind) in kinds.into_iter().enumerate() {
        let first = kind.by(&node.a)?;
        if index > 0 {
            // The options do let one container, or a host without berth, have two.
            drop(kind.by(&node.a)?);
        }
        assert_eq!(errno(kind.by(&node.b)), Some(libc::EADDRINUSE), "{kind:?}");
        drop(first);
        kind.by(&node.b)?;
    }
    assert_eq!(node.berth.container("b")?.plane.drops_for("bind-conflict"), 6);
    assert_eq!(node.berth.container("a")?.plane.drops_for("bind-conflict"), 0);
    Ok(())
}

#[test]
fn a_listener_is_safe_from_other_listeners() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let kind = Binding::tcp(at(NODE_V4, 8080)).reuse_port().reuse_address();
    let listener: TcpListener = kind.listening(&node.a)?.into();
    assert_eq!(errno(kind.listening(&node.b)), Some(libc::EADDRINUSE));
    assert_eq!(node.holders(8080)?, [bound("a", "tcp", at(NODE_V4, 8080))]);
    // Every one of them reaches A: none is shared out to somebody else.
    for _ in 0..20 {
        greet(&node.topology, &listener)?;
    }

    drop(listener);
    assert_eq!(node.holders(8080)?, []);
    // Connections that A closed first are in TIME_WAIT still: that is what SO_REUSEADDR is for.
    let listener: TcpListener = kind.listening(&node.b)?.into();
    assert_eq!(node.holders(8080)?, [bound("b", "tcp", at(NODE_V4, 8080))]);
    greet(&node.topology, &listener)?;
    assert_eq!(errno(kind.by(&node.a)), Some(libc::EADDRINUSE));
    Ok(())
}

#[test]
fn a_conflict_is_an_event_that_names_the_holder() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let reusing = Binding::tcp(at(NODE_V4, 8080)).reuse_port();
    let _held = reusing.by(&node.a)?;
    assert_eq!(errno(reusing.by(&node.b)), Some(libc::EADDRINUSE));
    let event = wait::until("the event", LIMIT, || Ok(node.events()?.pop()))?;
    assert_eq!(event["kind"], "bind", "{event}");
    assert_eq!(event["container"], "b", "{event}");
    assert_eq!(event["reason"], "bind-conflict", "{event}");
    assert_eq!(event["holder"], "a", "{event}");
    assert_eq!(event["packet"]["protocol"], "tcp", "{event}");
    assert_eq!(event["packet"]["dst"], NODE_V4.to_string(), "{event}");
    assert_eq!(event["packet"]["dport"], 8080, "{event}");
    assert_eq!(node.events()?.len(), 1);
    Ok(())
}

/// A connection from outside, a word each way, and its end, which the listener's side begins.
fn greet(topology: &Topology, listener: &TcpListener) -> Result<()> {
    let mut client = topology.remote.tcp_connect(listener.local_addr()?)?;
    let (mut server, _) = accept(listener)?;
    client.write_all(b"hello")?;
    server.read_exact(&mut [0; 5])?;
    server.write_all(b"welcome")?;
    drop(server);
    assert_eq!(client.read_to_end(&mut Vec::new())?, 7);
    Ok(())
}
