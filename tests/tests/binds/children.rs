//! Accepted connections share their listener's port, and not its reservation.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use anyhow::Result;
use berth_tests::sockets::accept;
use berth_tests::topology::{NODE_V4, at};
use berth_tests::{Ledger, SharedNode, Sockets, privileged};

use crate::binding::{Binding, bound, errno};

#[test]
fn children_that_close_leave_the_port_reserved() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let kind = Binding::tcp(at(NODE_V4, 8080)).reuse_port();
    let listener: TcpListener = kind.listening(&node.a)?.into();
    for _ in 0..5 {
        let (client, server) = pair(&node, &listener)?;
        drop((server, client));
        assert_eq!(node.holders(8080)?, [bound("a", "tcp", at(NODE_V4, 8080))]);
        assert_eq!(node.ports_held("a")?, 1);
        assert_eq!(errno(kind.by(&node.b)), Some(libc::EADDRINUSE));
    }
    drop(listener);
    assert_eq!((node.holders(8080)?, node.ports_held("a")?), (vec![], 0));
    Ok(())
}

#[test]
fn children_outlive_their_listener_and_stay_its_owners() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let kind = Binding::tcp(at(NODE_V4, 8080)).reuse_address();
    let listener: TcpListener = kind.listening(&node.a)?.into();
    let (mut client, mut server) = pair(&node, &listener)?;
    drop(listener);
    assert_eq!((node.holders(8080)?, node.ports_held("a")?), (vec![], 0));

    let growth = Ledger::open(&node)?.growth(|| talk(&mut client, &mut server))?;
    assert_eq!(growth.packets().into_keys().collect::<Vec<_>>(), ["a"]);
    drop((client, server));
    // Closed now, so it does not give up what it never held.
    let _listener = kind.listening(&node.b)?;
    assert_eq!(node.holders(8080)?, [bound("b", "tcp", at(NODE_V4, 8080))]);
    Ok(())
}

fn pair(node: &SharedNode, listener: &TcpListener) -> Result<(TcpStream, TcpStream)> {
    let mut client = node.topology.remote.tcp_connect(at(NODE_V4, 8080))?;
    let (mut server, _) = accept(listener)?;
    talk(&mut client, &mut server)?;
    Ok((client, server))
}

fn talk(client: &mut TcpStream, server: &mut TcpStream) -> Result<()> {
    for _ in 0..3 {
        client.write_all(b"ping")?;
        server.read_exact(&mut [0; 4])?;
        server.write_all(b"pong")?;
        client.read_exact(&mut [0; 4])?;
    }
    Ok(())
}
