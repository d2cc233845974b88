//! A host that does only what it is told: an address at the remote host's end of the wire for which nobody's kernel
//! answers.

use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::{Context, Result};
use etherparse::{NetSlice, SlicedPacket, TcpSlice, TransportSlice};
use socket2::Socket;

use crate::endpoint::Endpoint;
use crate::frame::{Packet, TcpHeader, ethernet_ip};
use crate::link;
use crate::packet::{self, packet_socket};
use crate::topology::{NODE_MAC, REMOTE_MAC, Topology, UPLINK, WIRE};
use crate::wait::{self, LIMIT};

/// The ghost's addresses.
pub const GHOST_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 18, 0, 66));
/// See [`GHOST_V4`].
pub const GHOST_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd62, 0x6572, 0x7468, 0, 0, 0, 0, 0x66));

const LARGEST: usize = 1 << 16;
const ETHERNET: usize = 14;
const WINDOW: u16 = 64_240;

/// A host without a kernel.
#[derive(Debug)]
pub struct Ghost {
    socket: Socket,
    address: IpAddr,
}

impl Ghost {
    /// Appears at an address that nobody has.
    pub fn appear(topology: &Topology, address: IpAddr) -> Result<Self> {
        link::add_neighbour(topology.node.netns(), UPLINK, address, REMOTE_MAC)?;
        let socket = packet_socket(&topology.remote, WIRE, packet::ALL)?;
        Ok(Self { socket, address })
    }

    /// The ghost's address, with a port.
    pub fn at(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.address, port)
    }

    /// Sends an IP packet to the node.
    pub fn send(&self, packet: &Packet) -> Result<()> {
        self.send_bytes(&packet.build()?)
    }

    /// Sends an IP packet to the node, given its bytes.
    pub fn send_bytes(&self, packet: &[u8]) -> Result<()> {
        self.socket.send(&ethernet_ip(REMOTE_MAC, NODE_MAC, packet)).map(drop).context("a ghost sends")
    }

    /// Waits for a packet to the ghost of which `wanted` makes something.
    pub fn receive<T>(
        &self,
        what: &str,
        mut wanted: impl FnMut(&SlicedPacket<'_>) -> Option<T>,
    ) -> Result<T> {
        let mut buffer = vec![0; LARGEST];
        wait::until(what, LIMIT, || {
            let length = match (&self.socket).read(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                length => length?,
            };
            let Some(packet) = buffer.get(ETHERNET..length) else { return Ok(None) };
            let Ok(sliced) = SlicedPacket::from_ip(packet) else { return Ok(None) };
            Ok(if destination(&sliced) == Some(self.address) { wanted(&sliced) } else { None })
        })
    }

    /// Waits for a TCP segment from `peer` to a port of the ghost, of which `wanted` makes something.
    fn segment<T>(
        &self,
        what: &str,
        (port, peer): (u16, Option<u16>),
        wanted: impl Fn(&TcpSlice<'_>) -> Option<T>,
    ) -> Result<T> {
        self.receive(what, |packet| match &packet.transport {
            Some(TransportSlice::Tcp(tcp))
                if tcp.destination_port() == port && peer.is_none_or(|peer| tcp.source_port() == peer) =>
            {
                wanted(tcp)
            }
            _ => None,
        })
    }

    /// Waits for a SYN to `port`, answers it, and waits until the answer is acknowledged.
    pub fn accept(&self, node: IpAddr, port: u16) -> Result<Connection<'_>> {
        let (peer, sequence) = self.segment("a SYN", (port, None), |tcp| {
            (tcp.syn() && !tcp.ack()).then(|| (tcp.source_port(), tcp.sequence_number()))
        })?;
        let mut connection = Connection {
            ghost: self,
            local: self.at(port),
            peer: SocketAddr::new(node, peer),
            next: 1000,
            expected: sequence.wrapping_add(1),
        };
        connection.send(b"", |header| header.syn = true)?;
        connection.next = connection.next.wrapping_add(1);
        connection.wait_for("the end of the handshake", |tcp| tcp.ack() && !tcp.syn())?;
        Ok(connection)
    }

    /// Connects from `port` to a listener.
    pub fn connect(&self, port: u16, peer: SocketAddr) -> Result<Connection<'_>> {
        let mut connection = Connection { ghost: self, local: self.at(port), peer, next: 1000, expected: 0 };
        connection.send(b"", |header| (header.syn, header.ack) = (true, false))?;
        connection.next = connection.next.wrapping_add(1);
        let ends = (port, Some(peer.port()));
        let sequence =
            self.segment("a SYN-ACK", ends, |tcp| (tcp.syn() && tcp.ack()).then(|| tcp.sequence_number()))?;
        connection.expected = sequence.wrapping_add(1);
        connection.send(b"", |_| {})?;
        Ok(connection)
    }
}

/// The ghost's end of a TCP connection.
#[derive(Debug)]
pub struct Connection<'a> {
    ghost: &'a Ghost,
    /// The ghost's end.
    pub local: SocketAddr,
    /// The other end.
    pub peer: SocketAddr,
    /// The sequence number of what is sent next.
    pub next: u32,
    /// The sequence number of what is received next.
    pub expected: u32,
}

impl Connection<'_> {
    /// Sends a segment that acknowledges all there was, and does not count it as sent.
    pub fn send(&self, payload: &[u8], change: impl FnOnce(&mut TcpHeader)) -> Result<()> {
        let packet = Packet::tcp(self.local, self.peer, |header| {
            header.sequence_number = self.next;
            header.acknowledgment_number = self.expected;
            header.ack = true;
            header.window_size = WINDOW;
            change(header);
        });
        self.ghost.send(&packet.payload(payload))
    }

    /// Waits for a segment.
    pub fn wait_for(&self, what: &str, wanted: impl Fn(&TcpSlice<'_>) -> bool) -> Result<()> {
        let ends = (self.local.port(), Some(self.peer.port()));
        self.ghost.segment(what, ends, |tcp| wanted(tcp).then_some(()))
    }

    /// Waits for the other end to close, closes too, and waits until that is acknowledged. The other end is in
    /// TIME_WAIT then.
    pub fn close_after_peer(&mut self) -> Result<()> {
        self.wait_for("a FIN", |tcp| tcp.fin() && !tcp.rst())?;
        self.expected = self.expected.wrapping_add(1);
        self.send_fin()?;
        self.wait_for_fin_ack()
    }

    /// Sends a FIN, again if it has been sent.
    pub fn send_fin(&self) -> Result<()> {
        self.send(b"", |header| header.fin = true)
    }

    /// Waits until the FIN is acknowledged.
    pub fn wait_for_fin_ack(&self) -> Result<()> {
        let end = self.next.wrapping_add(1);
        self.wait_for("the last ACK", |tcp| tcp.ack() && tcp.acknowledgment_number() == end)
    }
}

fn destination(packet: &SlicedPacket<'_>) -> Option<IpAddr> {
    match packet.net.as_ref()? {
        NetSlice::Ipv4(ip) => Some(ip.header().destination_addr().into()),
        NetSlice::Ipv6(ip) => Some(ip.header().destination_addr().into()),
        NetSlice::Arp(_) => None,
    }
}
