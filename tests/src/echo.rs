//! A server that sends back what it gets, by TCP and UDP, on one thread.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use std::sync::Arc;

use crate::endpoint::Endpoint;
use crate::sockets::Sockets;
use crate::topology::at;

/// Above every UDP datagram.
const BUFFER: usize = 1 << 16;

/// A running echo server. Dropping it closes its sockets and ends it.
#[derive(Debug)]
pub struct Echo {
    stop: Arc<EventFd>,
    thread: Option<JoinHandle<()>>,
}

impl Echo {
    /// Serves TCP and UDP at one port of each address; replies come from the address that was asked.
    pub fn start(endpoint: &dyn Endpoint, addresses: &[IpAddr], port: u16) -> Result<Self> {
        let mut server = Server::default();
        for &address in addresses {
            let listener = endpoint.tcp_listen(at(address, port)).context("listen for echoes")?;
            listener.set_nonblocking(true)?;
            server.listeners.push(listener);
            let socket = endpoint.udp_bind(at(address, port)).context("wait for datagrams to echo")?;
            socket.set_nonblocking(true)?;
            server.datagrams.push(socket);
        }
        let stop = Arc::new(EventFd::from_flags(EfdFlags::EFD_CLOEXEC)?);
        let stopped = Arc::clone(&stop);
        let thread = thread::Builder::new().name("echo".to_owned()).spawn(move || {
            if let Err(error) = server.serve(stopped.as_fd()) {
                eprintln!("the echo server ended: {error}");
            }
        })?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        if self.stop.write(1).is_ok() {
            // A panic of the thread has been printed.
            self.thread.take().map(JoinHandle::join);
        }
    }
}

#[derive(Default)]
struct Server {
    listeners: Vec<TcpListener>,
    datagrams: Vec<UdpSocket>,
    connections: Vec<Connection>,
}

/// A connection and what it has yet to be sent back.
struct Connection {
    stream: TcpStream,
    pending: Vec<u8>,
}

impl Server {
    fn serve(mut self, stop: BorrowedFd<'_>) -> io::Result<()> {
        let mut buffer = vec![0; BUFFER];
        while !self.wait(stop)? {
            for socket in &self.datagrams {
                while let Ok((length, peer)) = socket.recv_from(&mut buffer) {
                    // A reply that cannot be sent is lost, as datagrams are.
                    let _ = socket.send_to(buffer.get(..length).unwrap_or_default(), peer);
                }
            }
            // Connections that fail are closed; that is all their peers need to know.
            self.connections.retain_mut(|connection| connection.serve(&mut buffer).unwrap_or(false));
            for listener in &self.listeners {
                while let Ok((stream, _)) = listener.accept() {
                    stream.set_nonblocking(true)?;
                    self.connections.push(Connection { stream, pending: Vec::new() });
                }
            }
        }
        Ok(())
    }

    /// Waits until there is something to do; says whether that is to stop.
    fn wait(&self, stop: BorrowedFd<'_>) -> io::Result<bool> {
        let readable = |fd| PollFd::new(fd, PollFlags::POLLIN);
        let mut fds = vec![readable(stop)];
        fds.extend(self.listeners.iter().map(|listener| readable(listener.as_fd())));
        fds.extend(self.datagrams.iter().map(|socket| readable(socket.as_fd())));
        fds.extend(self.connections.iter().map(|connection| {
            let idle = connection.pending.is_empty();
            PollFd::new(connection.stream.as_fd(), if idle { PollFlags::POLLIN } else { PollFlags::POLLOUT })
        }));
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) => Ok(fds.first().and_then(PollFd::any).unwrap_or(false)),
            Err(nix::errno::Errno::EINTR) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }
}

impl Connection {
    /// Sends back what can be; says whether the connection goes on.
    fn serve(&mut self, buffer: &mut [u8]) -> io::Result<bool> {
        loop {
            while !self.pending.is_empty() {
                match self.stream.write(&self.pending) {
                    Ok(length) => drop(self.pending.drain(..length)),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                    Err(error) => return Err(error),
                }
            }
            match self.stream.read(buffer) {
                Ok(0) => return Ok(false),
                Ok(length) => self.pending.extend_from_slice(buffer.get(..length).unwrap_or_default()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(error) => return Err(error),
            }
        }
    }
}
