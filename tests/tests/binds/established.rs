//! A connection is not cut off by another container's bind() of its port, which the kernel allows where neither socket
//! listens and both have SO_REUSEADDR.

use std::io::{Read, Write};
use std::net::TcpStream;

use anyhow::Result;
use berth_tests::echo::Echo;
use berth_tests::sockets::accept;
use berth_tests::topology::{NODE_V4, REMOTE_V4, at};
use berth_tests::{Ledger, SharedNode, Sockets, exchange, privileged};

use crate::binding::Binding;

#[test]
fn a_connection_from_a_port_of_the_kernels_choice() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let _echo = Echo::start(&node.topology.remote, &[REMOTE_V4], 7)?;
    let socket = Binding::tcp((NODE_V4, 0)).reuse_address().socket(&node.a)?;
    socket.connect(&at(REMOTE_V4, 7).into())?;
    let stream: TcpStream = socket.into();
    exchange::stream(&stream, 1000)?;
    let port = stream.local_addr()?.port();
    let theirs = Binding::tcp((NODE_V4, port)).reuse_address().by(&node.b)?;
    let growth = Ledger::open(&node)?.growth(|| exchange::stream(&stream, 1000))?;
    assert_eq!(growth.packets().into_keys().collect::<Vec<_>>(), ["a"]);
    drop(theirs);
    exchange::stream(&stream, 1000)
}

#[test]
fn an_accepted_connection_whose_listener_is_closed() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let kind = Binding::tcp(at(NODE_V4, 8080)).reuse_address();
    let listener = kind.listening(&node.a)?.into();
    let client = node.topology.remote.tcp_connect(at(NODE_V4, 8080))?;
    let (server, _) = accept(&listener)?;
    drop(listener);
    let talk = || -> Result<()> {
        (&client).write_all(b"ping")?;
        (&server).read_exact(&mut [0; 4])?;
        (&server).write_all(b"pong")?;
        Ok((&client).read_exact(&mut [0; 4])?)
    };
    talk()?;
    let _theirs = kind.by(&node.b)?;
    let growth = Ledger::open(&node)?.growth(talk)?;
    assert_eq!(growth.packets().into_keys().collect::<Vec<_>>(), ["a"]);
    Ok(())
}
