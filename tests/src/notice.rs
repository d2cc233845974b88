//! What sockets are told of errors of their datagrams.

use std::io::IoSliceMut;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd as _};

use anyhow::{Context as _, Result};
use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt};

/// An ICMP error, as the socket knows it that sent what it quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Its type.
    pub kind: u8,
    /// Its code.
    pub code: u8,
    /// Who has sent it.
    pub offender: IpAddr,
    /// Where the packet was to go that it quotes.
    pub about: SocketAddr,
}

/// Has a socket told of every error, even of those that the kernel would else keep from it, since they may pass.
pub fn tell_all(socket: &impl AsFd, family: IpAddr) -> Result<()> {
    match family {
        IpAddr::V4(_) => setsockopt(socket, sockopt::Ipv4RecvErr, &true)?,
        IpAddr::V6(_) => setsockopt(socket, sockopt::Ipv6RecvErr, &true)?,
    }
    Ok(())
}

/// The oldest error that the socket has been told of, and that nobody has taken.
pub fn take(socket: &UdpSocket) -> Result<Option<Notice>> {
    let mut quoted = [0; 2_048];
    let mut parts = [IoSliceMut::new(&mut quoted)];
    let mut space = nix::cmsg_space!(nix::libc::sock_extended_err, nix::libc::sockaddr_in6);
    let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
    let message = match recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut parts, Some(&mut space), flags) {
        Err(Errno::EAGAIN) => return Ok(None),
        other => other?,
    };
    let about = message.address.and_then(|address| address_of(&address)).context("whom it is about")?;
    let told = message.cmsgs()?.find_map(|control| match control {
        ControlMessageOwned::Ipv4RecvErr(error, offender) => Some((
            error,
            offender.map(|offender| Ipv4Addr::from(offender.sin_addr.s_addr.to_ne_bytes()).into()),
        )),
        ControlMessageOwned::Ipv6RecvErr(error, offender) => {
            Some((error, offender.map(|offender| Ipv6Addr::from(offender.sin6_addr.s6_addr).into())))
        }
        _ => None,
    });
    let (error, offender) = told.context("an error without its reason")?;
    let offender = offender.context("an error of nobody's")?;
    Ok(Some(Notice { kind: error.ee_type, code: error.ee_code, offender, about }))
}

fn address_of(address: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = || address.as_sockaddr_in().map(|address| SocketAddr::V4((*address).into()));
    address.as_sockaddr_in6().map(|address| SocketAddr::V6((*address).into())).or_else(v4)
}
