//! Forged packets.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};

use anyhow::Result;
use socket2::{Protocol, Socket};

use super::console::Console;
use super::stage::{ECHO_PORT, Stage, WEB_PORT};
use crate::Sockets as _;
use crate::frame::Packet;
use crate::sockets::send_packet;
use crate::topology::{NODE_V4, REMOTE_V4, at};

/// On the node's network, and nobody's.
const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 18, 0, 99));

/// The second container sends segments of other people's.
pub fn forge(console: &mut Console, stage: &mut Stage) -> Result<()> {
    let server = at(REMOTE_V4, ECHO_PORT);
    let mut of_web = stage.web.tcp_connect(server)?;
    let mut of_host = stage.node().tcp_connect(server)?;
    console.check("web is connected to the echo server", echoes(&mut of_web)?, "no echo");
    console.check("so is a process of the host", echoes(&mut of_host)?, "no echo");
    let end = format!("{server} ");
    stage.show_some(console, &["flows", "list"], |line| line.contains(&end))?;

    let socket = stage.app.raw_with_header(NODE_V4, Protocol::from(libc::IPPROTO_RAW))?;
    let from_stranger = at(STRANGER, 1234);
    let attempts = [
        ("a reset of web's connection", of_web.local_addr()?, "hijack"),
        ("a reset of the host's connection", of_host.local_addr()?, "hijack"),
        ("a segment from web's port", at(NODE_V4, WEB_PORT), "port-reserved"),
        ("a segment from an address that is not the node's", from_stranger, "spoofed-source"),
    ];
    for (what, from, reason) in attempts {
        let (refused, growth) = stage.during(|| Ok(reset(&socket, from, server)))?;
        let denied = refused.as_ref().is_err_and(|error| error.kind() == ErrorKind::PermissionDenied);
        console.check(
            &format!("app sends {what}: EPERM, {reason}"),
            denied && growth.drops("app", reason) == 1,
            format!("{refused:?}, {growth:?}"),
        );
    }
    console.check("web's connection is unharmed", echoes(&mut of_web)?, "no echo");
    console.check("the host's connection is unharmed", echoes(&mut of_host)?, "no echo");
    Ok(())
}

fn reset(socket: &Socket, from: SocketAddr, to: SocketAddr) -> Result<usize, std::io::Error> {
    let segment = Packet::tcp(from, to, |header| header.rst = true).build().map_err(std::io::Error::other)?;
    send_packet(socket, &segment, to.ip())
}

/// Whether what is sent comes back.
fn echoes(stream: &mut TcpStream) -> Result<bool> {
    let sent = b"still here";
    stream.write_all(sent)?;
    let mut received = [0; 10];
    stream.read_exact(&mut received)?;
    Ok(received == *sent)
}
