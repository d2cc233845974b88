//! Clients that find out what has become of their flows.

use std::io::{self, Read as _};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use berth_tests::exchange::{pings, stream};
use berth_tests::sockets::icmp;
use berth_tests::topology::at;
use berth_tests::wait::{LIMIT, uninterrupted};
use berth_tests::{Host, Sockets as _, notice};

use super::outcome::{Outcome, up_to_choice};
use super::reflector::Told;

/// The longest line that a server tells.
const LINE: usize = 200;

/// Connects, and reads back what is sent.
pub fn tcp(client: &Host, ends: (SocketAddr, SocketAddr), size: usize) -> Result<Outcome> {
    let (own, asked) = ends;
    let socket = client.tcp(asked.ip())?;
    socket.set_reuse_address(true)?;
    socket.bind(&own.into()).context("take a port")?;
    // In the end both forget it at once, and the port is free.
    socket.set_linger(Some(Duration::ZERO))?;
    if let Err(error) = socket.connect_timeout(&asked.into(), LIMIT) {
        return Ok(Outcome::failed(&error));
    }
    let socket = TcpStream::from(socket);
    match tell(&socket) {
        Err(error) => Ok(Outcome::failed(&error)),
        Ok(told) => {
            stream(&socket, size)?;
            Ok(Outcome::served(told, ends, socket.peer_addr()?))
        }
    }
}

/// What the server says first.
fn tell(mut socket: &TcpStream) -> io::Result<Told> {
    let (mut line, mut byte) = (Vec::new(), [0]);
    while line.len() < LINE && !line.ends_with(b"\n") {
        socket.read_exact(&mut byte)?;
        line.extend(byte);
    }
    Told::from_line(&line)
}

/// Sends datagrams, and waits for each to come back.
pub fn udp(client: &Host, ends: (SocketAddr, SocketAddr), size: usize, connected: bool) -> Result<Outcome> {
    let (own, asked) = ends;
    let socket = client.udp_bind(own).context("take a port")?;
    // It is told of all errors, whether it is connected or not.
    notice::tell_all(&socket, asked.ip())?;
    let sent = vec![7; size];
    // The second one finds the flow that is there already.
    let mut outcome = datagram(&socket, asked, &sent, connected);
    if outcome.is_ok() {
        outcome = datagram(&socket, asked, &sent, connected);
    }
    Ok(match outcome {
        Ok((told, heard)) => Outcome::served(told, ends, heard),
        Err(error) => Outcome::told(&error, notice::take(&socket)?),
    })
}

fn datagram(
    socket: &UdpSocket,
    asked: SocketAddr,
    sent: &[u8],
    connected: bool,
) -> io::Result<(Told, SocketAddr)> {
    if connected {
        socket.connect(asked)?;
        uninterrupted(|| socket.send(sent))?;
    } else {
        uninterrupted(|| socket.send_to(sent, asked))?;
    }
    let mut buffer = vec![0; sent.len() + LINE];
    let (length, heard) = uninterrupted(|| socket.recv_from(&mut buffer))?;
    let line = buffer[..length].iter().position(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let (line, rest) = buffer[..length].split_at(line);
    if rest == sent { Ok((Told::from_line(line)?, heard)) } else { Err(io::Error::other("other bytes")) }
}

/// Sends echo requests, and looks at them where they come.
pub fn ping(
    client: &Host,
    server: &Host,
    (own, asked): (IpAddr, IpAddr),
    theirs: &[IpAddr],
    id: u16,
) -> Result<Outcome> {
    let mut listening = Vec::new();
    for &address in theirs {
        let socket = server.raw(address, icmp(address))?;
        socket.bind(&at(address, 0).into())?;
        socket.set_nonblocking(true)?;
        // In the standard library's clothes it can tell whom a packet is from.
        listening.push((address, UdpSocket::from(socket)));
    }
    let socket = client.raw(own, icmp(own))?;
    socket.bind(&at(own, 0).into())?;
    // It hears nobody else.
    socket.connect(&at(asked, 0).into())?;
    pings(&socket, (own, asked), id, 2)?;
    let request = if own.is_ipv4() { 8 } else { 128 };
    let mut seen = Vec::new();
    for (reached, socket) in listening {
        let mut buffer = [0; 2_048];
        while let Ok((length, peer)) = socket.recv_from(&mut buffer) {
            let header = if own.is_ipv4() { usize::from(buffer[0] & 15) * 4 } else { 0 };
            let message = buffer[..length].get(header..).context("a message")?;
            if message.first() == Some(&request) && message.get(8..10) == Some(&id.to_be_bytes()) {
                let id = u16::from_be_bytes([message[4], message[5]]);
                seen.push(Outcome::Echoed { peer: up_to_choice(peer.ip()), reached, id });
            }
        }
    }
    let [first, second] = seen[..] else {
        bail!("two requests were answered, and these were seen: {seen:?}")
    };
    ensure!(first == second, "one flow was translated in two ways: {seen:?}");
    Ok(first)
}
