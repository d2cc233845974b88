//! Ports that the kernel chose: no bind() names them, and they are their sockets' owner's all the same.

use std::io;
use std::mem::MaybeUninit;
use std::net::{IpAddr, TcpListener};
use std::os::fd::AsRawFd;

use anyhow::{Context, Result};
use berth_tests::sockets::accept;
use berth_tests::topology::{NODE_V4, NODE_V6, REMOTE_V4, REMOTE2_V4, at};
use berth_tests::wait::uninterrupted;
use berth_tests::{Ledger, SharedNode, Sockets, privileged};
use socket2::Socket;

use crate::binding::{Binding, bound, errno};

/// From linux/in.h.
const IP_BIND_ADDRESS_NO_PORT: libc::c_int = 24;

#[test]
fn a_listener_that_never_bound_is_its_owners() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    for local in [NODE_V4, NODE_V6] {
        let socket = Binding::tcp((local, 0)).reuse_port().socket(&node.a)?;
        socket.listen(8)?;
        let socket = checked(&node, socket)?;
        assert_owned(&node, &socket.into(), local)?;
    }
    Ok(())
}

#[test]
fn a_listener_bound_without_a_port_is_its_owners() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let socket = Binding::tcp((NODE_V4, 0)).reuse_port().socket(&node.a)?;
    bind_without_port(&socket)?;
    socket.bind(&at(NODE_V4, 0).into())?;
    assert_eq!(node.ports_held("a")?, 0);
    socket.listen(8)?;
    let socket = checked(&node, socket)?;
    assert_owned(&node, &socket.into(), NODE_V4)
}

#[test]
fn a_connection_bound_without_a_port_is_its_owners() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let remote = node.topology.remote.tcp_listen(at(REMOTE_V4, 80))?;
    let growth = Ledger::open(&node)?.growth(|| {
        let socket = Binding::tcp((NODE_V4, 0)).socket(&node.a)?;
        bind_without_port(&socket)?;
        socket.bind(&at(NODE_V4, 0).into())?;
        socket.connect(&at(REMOTE_V4, 80).into())?;
        drop((accept(&remote)?, socket));
        Ok(())
    })?;
    assert_eq!(growth.packets().into_keys().collect::<Vec<_>>(), ["a"]);
    Ok(())
}

#[test]
fn a_datagram_socket_that_never_bound_is_its_owners() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let ledger = Ledger::open(&node)?;
    let asked = node.topology.remote.udp_bind(at(REMOTE_V4, 53))?;
    let stranger = node.topology.remote.udp_bind(at(REMOTE2_V4, 53))?;
    let growth = ledger.growth(|| {
        let socket = Binding::udp((NODE_V4, 0)).socket(&node.a)?;
        socket.send_to(b"question", &at(REMOTE_V4, 53).into())?;
        let (_, peer) = uninterrupted(|| asked.recv_from(&mut [0; 16]))?;
        asked.send_to(b"answer", peer)?;
        stranger.send_to(b"nobody asked me", peer)?;
        for _ in 0..2 {
            let mut buffer = [MaybeUninit::uninit(); 16];
            uninterrupted(|| socket.recv(&mut buffer))?;
        }
        Ok(())
    })?;
    assert_eq!(growth.packets(), [("a", (2, 1))].into());
    Ok(())
}

#[test]
fn bind_to_port_0_reserves_what_the_kernel_chose() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let socket = Binding::tcp((NODE_V4, 0)).reuse_port().by(&node.a)?;
    let port = port_of(&socket)?;
    assert_eq!(node.holders(port)?, [bound("a", "tcp", at(NODE_V4, port))]);
    let theirs = Binding::tcp((NODE_V4, port)).reuse_port();
    assert_eq!(errno(theirs.by(&node.b)), Some(libc::EADDRINUSE));
    drop(socket);
    assert_eq!(node.holders(port)?, []);
    Ok(())
}

/// The listener, once it is certain that nobody else can share its port.
fn checked(node: &SharedNode, socket: Socket) -> Result<Socket> {
    let local = socket.local_addr()?.as_socket().context("no address")?;
    let theirs = Binding::tcp(local).reuse_port();
    assert_eq!(errno(theirs.by(&node.b)), Some(libc::EADDRINUSE), "{local}");
    // The kernel alone would have let them share it.
    drop(theirs.by(&node.a)?);
    Ok(socket)
}

/// Whatever comes to the listener, and its answers, are A's.
fn assert_owned(node: &SharedNode, listener: &TcpListener, local: IpAddr) -> Result<()> {
    let growth = Ledger::open(node)?
        .growth(|| {
            let client = node.topology.remote.tcp_connect(at(local, listener.local_addr()?.port()))?;
            drop((accept(listener)?, client));
            Ok(())
        })
        .inspect_err(|_| eprintln!("{:#?}\n{:?}", node.berth.container("a"), node.berth.flows()))?;
    assert_eq!(growth.packets().into_keys().collect::<Vec<_>>(), ["a"], "{local}");
    Ok(())
}

fn port_of(socket: &Socket) -> Result<u16> {
    Ok(socket.local_addr()?.as_socket().context("no address")?.port())
}

/// Has bind() leave the choice of a port for later.
fn bind_without_port(socket: &Socket) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the value lives until the call returns and is as long as it says.
    let status = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IP,
            IP_BIND_ADDRESS_NO_PORT,
            (&raw const on).cast(),
            4,
        )
    };
    if status < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
