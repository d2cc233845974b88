//! Sockets that would send past the hooks are refused to containers.

use std::io;
use std::os::fd::AsRawFd;

use anyhow::{Context, Result};
use berth_tests::sockets::errno;
use berth_tests::{Endpoint, SharedNode, privileged, process};
use socket2::{Domain, Socket, Type};

/// From linux/if_xdp.h.
const XDP_TX_RING: libc::c_int = 3;
/// How many packets a ring is to hold.
const RING: libc::c_int = 64;

fn set(socket: &Socket, level: libc::c_int, name: libc::c_int, value: libc::c_int) -> io::Result<()> {
    let length = libc::socklen_t::try_from(size_of_val(&value)).map_err(io::Error::other)?;
    // SAFETY: the value lives until the call returns and is as long as is said.
    let status =
        unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const value).cast(), length) };
    if status < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Makes sockets: those of some endpoint, or this process's own.
type Maker<'a> = &'a dyn Fn(Domain) -> io::Result<Socket>;

fn bypass_qdisc(socket: Maker<'_>) -> io::Result<()> {
    set(&socket(Domain::PACKET)?, libc::SOL_PACKET, libc::PACKET_QDISC_BYPASS, 1)
}

/// Where there is BPF LSM the socket itself is refused, elsewhere what it needs to send.
fn bypass_stack(socket: Maker<'_>) -> io::Result<()> {
    set(&socket(Domain::from(libc::AF_XDP))?, libc::SOL_XDP, XDP_TX_RING, RING)
}

fn made_by<E: Endpoint>(endpoint: &E) -> impl Fn(Domain) -> io::Result<Socket> {
    |domain| endpoint.socket(domain, Type::RAW, None)
}

#[test]
fn a_packet_socket_that_bypasses_the_qdisc() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    assert_eq!(errno(bypass_qdisc(&made_by(&node.b))), Some(libc::EPERM));
    bypass_qdisc(&made_by(&node.topology.node)).context("the host may")
}

#[test]
fn an_xdp_socket() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    assert_eq!(errno(bypass_stack(&made_by(&node.b))), Some(libc::EPERM));
    bypass_stack(&made_by(&node.topology.node)).context("the host may")
}

/// Not a test by itself: what the one below has a container run.
#[test]
#[ignore = "for a container to run"]
fn tries() {
    let own = |domain| Socket::new(domain, Type::RAW, None);
    assert_eq!(errno(bypass_qdisc(&own)), Some(libc::EPERM));
    assert_eq!(errno(bypass_stack(&own)), Some(libc::EPERM));
}

#[test]
fn a_refusal_is_counted_for_the_container_that_tries() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let own = std::env::current_exe()?;
    let mut command = node.b.command(own.to_str().context("a path that is not UTF-8")?)?;
    process::ok(command.args(["--ignored", "--exact", "tries"]))?;
    let plane = node.berth.container("b")?.plane;
    assert_eq!(plane.drops, [("bypass-denied".to_owned(), 2)].into());
    Ok(())
}
