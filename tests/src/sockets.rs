//! Sockets ready for use, none of which waits for ever.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::endpoint::Endpoint;
use crate::wait::LIMIT;

/// The backlog of listeners: above what the largest test opens at once.
const BACKLOG: i32 = 1024;

/// What every endpoint can do with sockets. Whatever sends or receives gives up after [`LIMIT`].
pub trait Sockets: Endpoint {
    /// A TCP socket for an address's family, not bound.
    fn tcp(&self, family: IpAddr) -> io::Result<Socket> {
        timed(self.socket(domain(family), Type::STREAM, Some(Protocol::TCP))?)
    }

    /// A TCP listener. Port 0 lets the kernel choose; `[::]` takes IPv6 alone.
    fn tcp_listen(&self, local: SocketAddr) -> io::Result<TcpListener> {
        let socket = self.tcp(local.ip())?;
        socket.set_reuse_address(true)?;
        if local.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.bind(&local.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket.into())
    }

    /// A TCP connection to `remote`.
    fn tcp_connect(&self, remote: SocketAddr) -> io::Result<TcpStream> {
        connect(self.tcp(remote.ip())?, remote)
    }

    /// A TCP connection from `local` to `remote`.
    fn tcp_connect_from(&self, local: SocketAddr, remote: SocketAddr) -> io::Result<TcpStream> {
        let socket = self.tcp(remote.ip())?;
        socket.set_reuse_address(true)?;
        socket.bind(&local.into())?;
        connect(socket, remote)
    }

    /// A UDP socket bound to `local`. Port 0 lets the kernel choose; `[::]` takes IPv6 alone.
    fn udp_bind(&self, local: SocketAddr) -> io::Result<UdpSocket> {
        let socket = timed(self.socket(domain(local.ip()), Type::DGRAM, Some(Protocol::UDP))?)?;
        if local.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.bind(&local.into())?;
        Ok(socket.into())
    }

    /// A UDP socket connected to `remote`, which the kernel has bound.
    fn udp_connect(&self, remote: SocketAddr) -> io::Result<UdpSocket> {
        let socket = self.udp_bind(unspecified(remote.ip(), 0))?;
        socket.connect(remote)?;
        Ok(socket)
    }

    /// A ping socket (`SOCK_DGRAM` with ICMP) with this echo id; 0 lets the kernel choose.
    fn ping_socket(&self, family: IpAddr, id: u16) -> io::Result<Socket> {
        let socket = timed(self.socket(domain(family), Type::DGRAM, Some(icmp(family)))?)?;
        socket.bind(&unspecified(family, id).into())?;
        Ok(socket)
    }

    /// A raw socket: it sends and receives what `protocol` carries, the IP header made by the kernel.
    fn raw(&self, family: IpAddr, protocol: Protocol) -> io::Result<Socket> {
        timed(self.socket(domain(family), Type::RAW, Some(protocol))?)
    }

    /// A raw socket for packets that bring their own IP header. It receives `protocol`, or with `IPPROTO_RAW` nothing.
    fn raw_with_header(&self, family: IpAddr, protocol: Protocol) -> io::Result<Socket> {
        let socket = self.raw(family, protocol)?;
        match family {
            IpAddr::V4(_) => socket.set_header_included_v4(true)?,
            IpAddr::V6(_) => socket.set_header_included_v6(true)?,
        }
        Ok(socket)
    }
}

impl<E: Endpoint + ?Sized> Sockets for E {}

/// Sends an IP packet that brings its own header through a socket of [`Sockets::raw_with_header`].
pub fn send_packet(socket: &Socket, packet: &[u8], destination: IpAddr) -> io::Result<usize> {
    socket.send_to(packet, &SockAddr::from(SocketAddr::new(destination, 0)))
}

/// The error a call was refused with.
pub fn errno<T>(result: io::Result<T>) -> Option<i32> {
    result.err().and_then(|error| error.raw_os_error())
}

/// The wildcard address of an address's family, with a port.
pub fn unspecified(family: IpAddr, port: u16) -> SocketAddr {
    match family {
        IpAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, port).into(),
        IpAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, port).into(),
    }
}

/// ICMP or `ICMPv6`, whichever goes with an address.
pub fn icmp(family: IpAddr) -> Protocol {
    match family {
        IpAddr::V4(_) => Protocol::ICMPV4,
        IpAddr::V6(_) => Protocol::ICMPV6,
    }
}

/// Gives a socket the time limits every socket here has.
pub fn timed(socket: Socket) -> io::Result<Socket> {
    socket.set_read_timeout(Some(LIMIT))?;
    socket.set_write_timeout(Some(LIMIT))?;
    Ok(socket)
}

/// Accepts a connection, which gets time limits too: they are not inherited.
pub fn accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let (stream, peer) = listener.accept()?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    Ok((stream, peer))
}

fn connect(socket: Socket, remote: SocketAddr) -> io::Result<TcpStream> {
    socket.connect_timeout(&remote.into(), LIMIT)?;
    Ok(socket.into())
}

fn domain(family: IpAddr) -> Domain {
    match family {
        IpAddr::V4(_) => Domain::IPV4,
        IpAddr::V6(_) => Domain::IPV6,
    }
}
