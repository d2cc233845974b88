//! The sockets of the node.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use berth_common::abi::{
    port::PortKey,
    units::{Port, Protocol},
};
use netlink_packet_core::Nla as _;
use netlink_packet_sock_diag::{
    AF_INET, AF_INET6, SockDiagMessage,
    inet::{ExtensionFlags, InetRequest, InetResponse, SocketId, StateFlags, nlas::Nla},
};

use super::{ContainersError, error::Context as _, netlink::dump};

/// A TCP, UDP or UDP-Lite socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Socket {
    /// The kernel's name for it.
    pub cookie: u64,
    /// The cgroup it was made in.
    pub cgroup: u64,
    /// Its protocol.
    pub protocol: Protocol,
    /// Where it is bound; port zero if it is not.
    pub local: SocketAddr,
    /// What it does.
    pub role: Role,
    /// Whether it is an IPv6 socket that refuses IPv4. Known only while it is not connected.
    pub v6_only: bool,
}

impl Socket {
    /// The ports that it holds: one of IPv6 that takes IPv4, too, those of both families.
    pub fn keys(self) -> impl Iterator<Item = PortKey> {
        let (address, port) = (self.local.ip(), Port(self.local.port()));
        let is_dual = address == IpAddr::V6(Ipv6Addr::UNSPECIFIED) && !self.v6_only;
        let both = [Some(address), is_dual.then_some(IpAddr::V4(Ipv4Addr::UNSPECIFIED))];
        let bound = both.into_iter().flatten().filter(move |_| port.0 != 0);
        let protocol = self.protocol;
        bound.map(move |address| PortKey::new(protocol, address.into(), port))
    }
}

/// What a socket does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// TCP: waits for connections.
    Listening,
    /// It has a peer, or is about to have or has had one.
    Connected,
    /// Neither: takes datagrams from everywhere.
    Unconnected,
}

/// All sockets of the calling thread's network namespace. Sockets that wait out their TIME_WAIT are gone for their
/// cgroup, and left out.
pub fn sockets() -> Result<Vec<Socket>, ContainersError> {
    let mut found = Vec::new();
    for protocol in [Protocol::TCP, Protocol::UDP, Protocol::UDPLITE] {
        for family in [AF_INET, AF_INET6] {
            let answers = match list(family, protocol) {
                // Newer kernels have no UDP-Lite.
                Err(error) if protocol == Protocol::UDPLITE && is_unknown(&error) => continue,
                answers => answers.context(|| "list the sockets (sock_diag)".to_owned())?,
            };
            found.extend(answers.iter().filter_map(|answer| match answer {
                SockDiagMessage::InetResponse(socket) => parse(protocol, socket),
                _ => None,
            }));
        }
    }
    Ok(found)
}

fn list(family: u8, protocol: Protocol) -> io::Result<Vec<SockDiagMessage>> {
    let socket_id = if family == AF_INET { SocketId::new_v4() } else { SocketId::new_v6() };
    dump(
        libc::NETLINK_SOCK_DIAG,
        SockDiagMessage::InetRequest(InetRequest {
            family,
            protocol: protocol.0,
            extensions: ExtensionFlags::empty(),
            states: StateFlags::all(),
            socket_id,
        }),
    )
}

fn is_unknown(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOENT | libc::EINVAL | libc::EOPNOTSUPP))
}

fn parse(protocol: Protocol, answer: &InetResponse) -> Option<Socket> {
    /// `INET_DIAG_CGROUP_ID` of linux/inet_diag.h, which the library does not know.
    const CGROUP_ID: u16 = 21;
    // States of net/tcp_states.h, which UDP uses too.
    const CLOSE: u8 = 7;
    const LISTEN: u8 = 10;

    let (mut cgroup, mut v6_only) = (None, false);
    for nla in &answer.nlas {
        match nla {
            Nla::SkV6Only(only) => v6_only = *only,
            Nla::Other(other) if other.kind() == CGROUP_ID => {
                let mut id = [0; 8];
                if other.value_len() == id.len() {
                    other.emit_value(&mut id);
                    cgroup = Some(u64::from_ne_bytes(id));
                }
            }
            _ => {}
        }
    }
    let id = &answer.header.socket_id;
    Some(Socket {
        cookie: u64::from_ne_bytes(id.cookie),
        cgroup: cgroup?,
        protocol,
        local: SocketAddr::new(id.source_address, id.source_port),
        role: match answer.header.state {
            LISTEN => Role::Listening,
            CLOSE if protocol != Protocol::TCP => Role::Unconnected,
            _ => Role::Connected,
        },
        v6_only,
    })
}

impl Socket {
    /// Whether it takes both IPv4 and IPv6.
    pub fn is_dual(&self) -> bool {
        !self.v6_only && matches!(self.local.ip(), IpAddr::V6(address) if address.is_unspecified())
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream, UdpSocket};

    use super::*;

    fn at(sockets: &[Socket], protocol: Protocol, local: SocketAddr) -> Vec<Socket> {
        sockets
            .iter()
            .filter(|socket| socket.protocol == protocol && socket.local == local)
            .copied()
            .collect()
    }

    #[test]
    fn our_own_sockets_are_found_with_what_they_do() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let _child = listener.accept().unwrap();
        let datagram = UdpSocket::bind("[::]:0").unwrap();
        let connected = UdpSocket::bind("127.0.0.1:0").unwrap();
        connected.connect("127.0.0.1:9").unwrap();

        let sockets = sockets().unwrap();
        let roles = |protocol, local| {
            at(&sockets, protocol, local).iter().map(|socket| socket.role).collect::<Vec<_>>()
        };
        let mut server = roles(Protocol::TCP, listener.local_addr().unwrap());
        server.sort_by_key(|role| *role as u8);
        assert_eq!(server, [Role::Listening, Role::Connected]);
        assert_eq!(roles(Protocol::TCP, client.local_addr().unwrap()), [Role::Connected]);
        assert_eq!(roles(Protocol::UDP, connected.local_addr().unwrap()), [Role::Connected]);
        let datagram = at(&sockets, Protocol::UDP, datagram.local_addr().unwrap());
        assert_eq!(datagram[0].role, Role::Unconnected);
        assert!(datagram[0].is_dual());
        assert_ne!(datagram[0].cookie, 0);
        assert_ne!(datagram[0].cgroup, 0);
    }
}
