//! Clients that try to reach what is rejected.

use std::io;
use std::net::{IpAddr, TcpListener, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use berth_tests::sockets::{errno, unspecified};
use berth_tests::topology::at;
use berth_tests::wait::LIMIT;
use berth_tests::{Endpoint, Sockets as _, notice};
use socket2::Socket;

/// What a client was told.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// The error that connecting by TCP ended with.
    pub tcp: Option<i32>,
    /// The error that a UDP socket got.
    pub udp: Option<i32>,
    /// How long TCP took.
    pub after: Duration,
}

impl std::fmt::Debug for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = |errno: Option<i32>| errno.map(nix::errno::Errno::from_raw);
        write!(f, "TCP {:?} after {:?}, UDP {:?}", name(self.tcp), self.after, name(self.udp))
    }
}

/// Long enough for a second try of TCP to be told, where the first one's socket was busy with it.
const PATIENCE: Duration = LIMIT;
/// How long a datagram's error is waited for: it is there at once, or never.
const MOMENT: Duration = Duration::from_millis(500);

/// Tries all ports at once.
pub fn attempt(client: &dyn Endpoint, server: IpAddr, ports: &[u16]) -> Result<Vec<Told>> {
    let pairs = ports
        .iter()
        .map(|&port| {
            let datagrams = client.udp_bind(unspecified(server, 0))?;
            notice::tell_all(&datagrams, server)?;
            datagrams.connect(at(server, port))?;
            Ok((client.tcp(server)?, datagrams, port))
        })
        .collect::<Result<Vec<(Socket, UdpSocket, u16)>>>()?;
    thread::scope(|scope| {
        let threads: Vec<_> = pairs
            .iter()
            .map(|(stream, datagrams, port)| {
                scope.spawn(move || {
                    let start = Instant::now();
                    let tcp = errno(stream.connect_timeout(&at(server, *port).into(), PATIENCE));
                    Ok(Told { tcp, after: start.elapsed(), udp: error_of(datagrams)? })
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().map_err(|_| anyhow!("a client failed"))?).collect()
    })
}

/// Sockets that wait for what never comes, so that the ports have an owner.
pub fn servers(
    endpoint: &dyn Endpoint,
    address: IpAddr,
    ports: &[u16],
) -> io::Result<Vec<(TcpListener, UdpSocket)>> {
    let open = |&port| Ok((endpoint.tcp_listen(at(address, port))?, endpoint.udp_bind(at(address, port))?));
    ports.iter().map(open).collect()
}

/// Sends a datagram, and gets the error it causes. (What sending itself says is another matter: netfilter's own has it
/// fail at once.)
fn error_of(socket: &UdpSocket) -> Result<Option<i32>> {
    let _ = socket.send(b"x");
    let start = Instant::now();
    while start.elapsed() < MOMENT {
        if let Some(error) = socket.take_error()? {
            return Ok(error.raw_os_error());
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(None)
}
