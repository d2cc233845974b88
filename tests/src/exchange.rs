//! Conversations with an echo server.

use std::io::{self, Read, Write};
use std::net::{IpAddr, TcpStream, UdpSocket};
use std::thread;

use anyhow::{Result, anyhow, ensure};
use socket2::Socket;

use crate::frame::Packet;
use crate::sockets::send_packet;
use crate::wait::{self, LIMIT, uninterrupted};

/// Sends `size` bytes and reads them back.
pub fn stream(stream: &TcpStream, size: usize) -> Result<()> {
    transfer(stream, stream, size)
}

/// Sends `size` bytes by one end of a connection and reads them at the other.
pub fn transfer(mut from: &TcpStream, mut to: &TcpStream, size: usize) -> Result<()> {
    let sent: Vec<u8> = (0..size).map(|place| place.to_le_bytes()[0]).collect();
    let mut received = vec![0; size];
    thread::scope(|scope| {
        let writing = scope.spawn(|| from.write_all(&sent));
        to.read_exact(&mut received)?;
        writing.join().map_err(|_| anyhow!("the writer failed"))??;
        ensure!(received == sent, "other bytes have come");
        Ok(())
    })
}

/// Sends datagrams of `size` bytes, and waits for each to come back.
pub fn datagrams(socket: &UdpSocket, count: usize, size: usize) -> Result<()> {
    let mut buffer = vec![0; size + 1];
    for number in 0..count {
        let sent = vec![number.to_le_bytes()[0]; size];
        uninterrupted(|| socket.send(&sent))?;
        let length = uninterrupted(|| socket.recv(&mut buffer))?;
        ensure!(buffer[..length] == sent, "another datagram came back");
    }
    Ok(())
}

/// Sends echo requests by a raw or ping socket, and waits for each one's reply. A ping socket puts its own id in place
/// of `id`, which tells these replies from others all the same.
pub fn pings(socket: &Socket, (from, to): (IpAddr, IpAddr), id: u16, count: u16) -> Result<()> {
    let payload = [&id.to_be_bytes()[..], b"0123456789abcdef"].concat();
    for sequence in 0..count {
        let request = body(&Packet::echo_request(from, to, id, sequence).payload(payload.clone()), from)?;
        send_packet(socket, &request, to)?;
        let mut tail = sequence.to_be_bytes().to_vec();
        tail.extend(&payload);
        let reply = if from.is_ipv4() { 0 } else { 129 };
        wait::until("an echo reply", LIMIT, || {
            let message = receive(socket, from)?;
            Ok((message.first() == Some(&reply) && message.ends_with(&tail)).then_some(()))
        })?;
    }
    Ok(())
}

/// What a raw socket that makes no IP header is to be given: a packet without it.
pub fn body(packet: &Packet, family: IpAddr) -> Result<Vec<u8>> {
    let header = if family.is_ipv4() { 20 } else { 40 };
    Ok(packet.build()?.split_off(header))
}

/// The next message that a raw or ping socket receives, without the IP header that raw IPv4 sockets are given.
pub fn receive(socket: &Socket, family: IpAddr) -> io::Result<Vec<u8>> {
    let mut buffer = vec![0; 1 << 16];
    let length = uninterrupted(|| (&*socket).read(&mut buffer))?;
    buffer.truncate(length);
    let has_header = family.is_ipv4() && socket.r#type()? == socket2::Type::RAW;
    Ok(if has_header { buffer.split_off(usize::from(buffer[0] & 15) * 4) } else { buffer })
}
