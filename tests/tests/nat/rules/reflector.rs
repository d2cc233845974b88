//! A server that tells who has asked and whom, and then sends back what it gets.

use std::io::{self, ErrorKind, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::thread::{self, JoinHandle, Scope};

use anyhow::{Context as _, Result};
use berth_tests::sockets::accept;
use berth_tests::topology::at;
use berth_tests::{Host, Sockets as _};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};

/// Above every datagram that is sent here.
const BUFFER: usize = 1 << 12;

/// What the server has told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// Where it was reached.
    pub reached: SocketAddr,
    /// Who has reached it.
    pub peer: SocketAddr,
}

impl Told {
    fn line(self) -> String {
        format!("{} {}\n", self.reached, self.peer)
    }

    /// From what the server has sent, up to the end of the line.
    pub fn from_line(line: &[u8]) -> io::Result<Self> {
        let ends = std::str::from_utf8(line).ok().and_then(|text| text.trim_end().split_once(' '));
        let ends = ends.and_then(|(reached, peer)| Some((reached.parse().ok()?, peer.parse().ok()?)));
        let (reached, peer) = ends.ok_or_else(|| io::Error::other(format!("this was told: {line:?}")))?;
        Ok(Self { reached, peer })
    }
}

/// A running server. Dropping it closes its sockets and ends it.
pub struct Reflector {
    stop: Arc<EventFd>,
    thread: Option<JoinHandle<()>>,
}

impl Reflector {
    /// Serves TCP and UDP at ports of addresses.
    pub fn start(host: &Host, addresses: &[IpAddr], ports: &[u16]) -> Result<Self> {
        let mut sockets = Sockets { listeners: Vec::new(), datagrams: Vec::new() };
        for &address in addresses {
            for &port in ports {
                let listener = host.tcp_listen(at(address, port)).context("listen")?;
                listener.set_nonblocking(true)?;
                sockets.listeners.push(listener);
                let socket = host.udp_bind(at(address, port)).context("wait for datagrams")?;
                socket.set_nonblocking(true)?;
                sockets.datagrams.push(socket);
            }
        }
        let stop = Arc::new(EventFd::from_flags(EfdFlags::EFD_CLOEXEC)?);
        let stopped = Arc::clone(&stop);
        let thread = thread::Builder::new().name("reflector".to_owned()).spawn(move || {
            if let Err(error) = thread::scope(|scope| sockets.serve(&stopped, scope)) {
                eprintln!("the reflector ended: {error}");
            }
        })?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Reflector {
    fn drop(&mut self) {
        if self.stop.write(1).is_ok() {
            // A panic of the thread has been printed.
            self.thread.take().map(JoinHandle::join);
        }
    }
}

struct Sockets {
    listeners: Vec<TcpListener>,
    datagrams: Vec<UdpSocket>,
}

impl Sockets {
    fn serve<'scope>(&self, stop: &EventFd, scope: &'scope Scope<'scope, '_>) -> io::Result<()> {
        let mut buffer = vec![0; BUFFER];
        while !self.wait(stop)? {
            for socket in &self.datagrams {
                while let Ok((length, peer)) = socket.recv_from(&mut buffer) {
                    let told = Told { reached: socket.local_addr()?, peer }.line().into_bytes();
                    let answer = [&told, buffer.get(..length).unwrap_or_default()].concat();
                    // An answer that cannot be sent is lost, as datagrams are.
                    let _ = socket.send_to(&answer, peer);
                }
            }
            for listener in &self.listeners {
                match accept(listener) {
                    Ok((stream, peer)) => drop(scope.spawn(move || reflect(&stream, peer))),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    // The client was gone before.
                    Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    /// Waits until there is something to do; says whether that is to stop.
    fn wait(&self, stop: &EventFd) -> io::Result<bool> {
        let readable = |fd| PollFd::new(fd, PollFlags::POLLIN);
        let mut fds = vec![readable(stop.as_fd())];
        fds.extend(self.listeners.iter().map(|listener| readable(listener.as_fd())));
        fds.extend(self.datagrams.iter().map(|socket| readable(socket.as_fd())));
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) => Ok(fds.first().and_then(PollFd::any).unwrap_or(false)),
            Err(nix::errno::Errno::EINTR) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }
}

/// A connection that fails is closed; that is all its peer needs to know.
fn reflect(mut stream: &TcpStream, peer: SocketAddr) -> io::Result<()> {
    // What comes next is not to wait until this is acknowledged.
    stream.set_nodelay(true)?;
    stream.write_all(Told { reached: stream.local_addr()?, peer }.line().as_bytes())?;
    io::copy(&mut &*stream, &mut &*stream).map(drop)
}
