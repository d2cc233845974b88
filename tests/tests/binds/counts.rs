//! A reservation lasts as long as a bound socket does: no longer, and no shorter.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;

use anyhow::Result;
use berth_tests::topology::{NODE_V4, NODE_V6, REMOTE_V4, at};
use berth_tests::wait::{self, LIMIT};
use berth_tests::{Endpoint, Process, SharedNode, privileged};
use socket2::{Domain, Protocol, Socket, Type};

use crate::binding::{Binding, bound, errno};

#[test]
fn the_last_of_a_group_gives_the_port_up() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    for kind in [Binding::tcp(at(NODE_V4, 8080)), Binding::udp(at(NODE_V6, 8080))] {
        let kind = kind.reuse_port();
        let mut group = vec![kind.by(&node.a)?, kind.by(&node.a)?, kind.by(&node.a)?];
        assert_eq!(node.ports_held("a")?, 1);
        while group.len() > 1 {
            group.pop();
            assert_eq!((node.holders(8080)?.len(), node.ports_held("a")?), (1, 1));
            assert_eq!(errno(kind.by(&node.b)), Some(libc::EADDRINUSE));
        }
        drop(group);
        assert_eq!((node.holders(8080)?, node.ports_held("a")?), (vec![], 0));
        kind.by(&node.b)?;
    }
    Ok(())
}

#[test]
fn binds_that_fail_change_nothing() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let kind = Binding::tcp(at(NODE_V4, 8080));
    let held = kind.by(&node.a)?;
    // The kernel refuses A itself.
    assert_eq!(errno(kind.by(&node.a)), Some(libc::EADDRINUSE));
    assert_eq!(errno(Binding::tcp(at(REMOTE_V4, 8080)).by(&node.a)), Some(libc::EADDRNOTAVAIL));
    // The socket was refused, lives on, and is closed.
    for _ in 0..3 {
        let refused = kind.reuse_address().socket(&node.b)?;
        assert_eq!(errno(refused.bind(&at(NODE_V4, 8080).into())), Some(libc::EADDRINUSE));
        assert_eq!((node.ports_held("a")?, node.ports_held("b")?), (1, 0));
        refused.bind(&at(NODE_V4, 8081).into())?;
        assert_eq!(node.holders(8081)?, [bound("b", "tcp", at(NODE_V4, 8081))]);
        drop(refused);
        assert_eq!(node.holders(8081)?, []);
    }
    assert_eq!(node.holders(8080)?, [bound("a", "tcp", at(NODE_V4, 8080))]);
    drop(held);
    assert_eq!((node.holders(8080)?, node.ports_held("a")?), (vec![], 0));
    // No trace of the refusals is left either.
    kind.by(&node.b)?;
    Ok(())
}

#[test]
fn a_refused_neighbour_leaves_the_holder_free_to_bind_more() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let (one, every) = (Binding::udp(at(NODE_V4, 8080)), Binding::udp(([0, 0, 0, 0], 8080)));
    let _one = one.reuse_address().by(&node.a)?;
    assert_eq!(errno(every.reuse_address().by(&node.b)), Some(libc::EADDRINUSE));
    every.reuse_address().by(&node.a)?;
    Ok(())
}

#[test]
fn a_second_bind_of_one_socket_gives_the_first_up() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    for kind in [Binding::udp(at(NODE_V4, 0)), Binding::tcp(at(NODE_V4, 0))] {
        let socket = kind.by(&node.a)?;
        let chosen = port_of(&socket)?;
        assert_eq!(node.holders(chosen)?.len(), 1);
        if socket.r#type()? == Type::STREAM {
            socket.listen(1)?;
        } else {
            socket.connect(&at(REMOTE_V4, 9).into())?;
        }
        disconnect(&socket)?;
        socket.bind(&at(NODE_V4, 9000).into())?;
        assert_eq!(node.holders(9000)?.len(), 1);
        assert_eq!((node.holders(chosen)?, node.ports_held("a")?), (vec![], 1), "{kind:?}");
        drop(socket);
        assert_eq!((node.holders(9000)?, node.ports_held("a")?), (vec![], 0));
    }
    Ok(())
}

#[test]
fn an_inherited_socket_holds_the_port_until_its_last_holder_dies() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let listener = Binding::tcp(at(NODE_V4, 8080)).reuse_port().listening(&node.a)?;
    let mut child = inheriting(&node.a, &listener)?;
    drop(listener);
    assert_eq!(node.holders(8080)?, [bound("a", "tcp", at(NODE_V4, 8080))]);
    assert_eq!(errno(Binding::tcp(at(NODE_V4, 8080)).reuse_port().by(&node.b)), Some(libc::EADDRINUSE));
    child.kill()?;
    wait::until_true("the port to be free", LIMIT, || Ok(node.holders(8080)?.is_empty()))?;
    Binding::tcp(at(NODE_V4, 8080)).by(&node.b)?;
    Ok(())
}

#[test]
fn a_crash_of_the_owner_gives_its_ports_up() -> Result<()> {
    privileged!();
    let mut node = SharedNode::new()?;
    for (port, kind, protocol) in [(8080, Type::STREAM, Protocol::TCP), (8081, Type::DGRAM, Protocol::UDP)] {
        let kept = node.a.kept_socket(Domain::IPV4, kind, Some(protocol))?;
        kept.bind(&at(NODE_V4, port).into())?;
        drop(kept);
        assert_eq!(node.holders(port)?.len(), 1);
    }
    node.a.crash()?;
    wait::until_true("the ports to be free", LIMIT, || Ok(node.ports_held("a")? == 0))?;
    assert_eq!((node.holders(8080)?, node.holders(8081)?), (vec![], vec![]));
    Binding::tcp(at(NODE_V4, 8080)).by(&node.b)?;
    Ok(())
}

/// A process of somebody's that has inherited a socket, and does nothing with it.
fn inheriting(endpoint: &dyn Endpoint, socket: &Socket) -> Result<Process> {
    let copy: OwnedFd = socket.try_clone()?.into();
    let mut command = endpoint.command("sleep")?;
    // SAFETY: the closure makes one system call on a descriptor that it owns and neither allocates nor locks.
    unsafe {
        command.pre_exec(move || match libc::fcntl(copy.as_raw_fd(), libc::F_SETFD, 0) {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        });
    }
    Process::spawn(command.arg("600"))
}

fn port_of(socket: &Socket) -> Result<u16> {
    Ok(socket.local_addr()?.as_socket().map_or(0, |address: SocketAddr| address.port()))
}

/// Undoes connect(), listen(), and a choice of port by the kernel.
fn disconnect(socket: &Socket) -> io::Result<()> {
    let address = libc::sockaddr {
        sa_family: libc::sa_family_t::try_from(libc::AF_UNSPEC).unwrap_or(0),
        sa_data: [0; 14],
    };
    // SAFETY: the address lives until the call returns and is as long as it says.
    let status = unsafe { libc::connect(socket.as_raw_fd(), &raw const address, 16) };
    if status < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
