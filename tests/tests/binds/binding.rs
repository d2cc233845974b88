//! Binds of every kind.

use std::io;
use std::net::SocketAddr;

use berth_tests::Endpoint;
use berth_tests::process::settle;
use berth_tests::sockets::timed;
use berth_tests::view::Port;
use socket2::{Domain, Protocol, Socket, Type};

/// A bind() that is to be made.
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing is bound before `by`"]
pub struct Binding {
    local: SocketAddr,
    protocol: Protocol,
    reuse_address: bool,
    reuse_port: bool,
    v6_only: bool,
}

impl Binding {
    /// Of a TCP socket, without any options; IPv6 wildcards serve both families.
    pub fn tcp(local: impl Into<SocketAddr>) -> Self {
        Self {
            local: local.into(),
            protocol: Protocol::TCP,
            reuse_address: false,
            reuse_port: false,
            v6_only: false,
        }
    }

    /// Of a UDP socket, without any options.
    pub fn udp(local: impl Into<SocketAddr>) -> Self {
        Self { protocol: Protocol::UDP, ..Self::tcp(local) }
    }

    /// With SO_REUSEADDR.
    pub fn reuse_address(self) -> Self {
        Self { reuse_address: true, ..self }
    }

    /// With SO_REUSEPORT.
    pub fn reuse_port(self) -> Self {
        Self { reuse_port: true, ..self }
    }

    /// With IPV6_V6ONLY.
    pub fn v6_only(self) -> Self {
        Self { v6_only: true, ..self }
    }

    /// A socket of somebody's with the options set, not bound.
    pub fn socket(self, endpoint: &dyn Endpoint) -> io::Result<Socket> {
        let kind = if self.protocol == Protocol::TCP { Type::STREAM } else { Type::DGRAM };
        let socket = endpoint.socket(Domain::for_address(self.local), kind, Some(self.protocol))?;
        self.prepare(&socket)?;
        timed(socket)
    }

    /// Sets the options.
    pub fn prepare(self, socket: &Socket) -> io::Result<()> {
        socket.set_reuse_address(self.reuse_address)?;
        socket.set_reuse_port(self.reuse_port)?;
        if self.local.is_ipv6() {
            socket.set_only_v6(self.v6_only)?;
        }
        Ok(())
    }

    /// A socket of somebody's, bound.
    pub fn by(self, endpoint: &dyn Endpoint) -> io::Result<Socket> {
        let socket = self.socket(endpoint)?;
        settle();
        socket.bind(&self.local.into())?;
        Ok(socket)
    }

    /// A socket of somebody's, bound and listening.
    pub fn listening(self, endpoint: &dyn Endpoint) -> io::Result<Socket> {
        let socket = self.by(endpoint)?;
        socket.listen(16)?;
        Ok(socket)
    }
}

/// The errno of what failed.
pub fn errno<T>(result: io::Result<T>) -> Option<i32> {
    result.err().and_then(|error| error.raw_os_error())
}

/// What a call of bind() by `owner` reserves.
pub fn bound(owner: &str, protocol: &str, local: impl Into<SocketAddr>) -> Port {
    let local = local.into();
    Port {
        owner: owner.to_owned(),
        protocol: protocol.to_owned(),
        address: local.ip(),
        port: local.port().into(),
        by: "bind".to_owned(),
        permanent: false,
    }
}
