//! Watching interfaces, addresses and routes.

use std::{
    io,
    os::fd::{AsRawFd as _, OwnedFd},
};

use log::error;
use nix::{
    errno::Errno,
    libc,
    sys::socket::{
        AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket,
    },
};

use super::{DaemonError, keeper::Keeper, readable::Readable};

/// A socket to which the kernel reports changes. What they say is not looked at: the system is looked at again, which
/// is right also when reports are lost.
pub struct Watch {
    socket: Readable<OwnedFd>,
}

impl Watch {
    /// Watches interfaces and addresses, and routes too if uplinks depend on them.
    pub fn new(routes: bool) -> Result<Self, DaemonError> {
        open(routes)
            .map(|socket| Self { socket })
            .map_err(|error| DaemonError::Watch { what: "interfaces and addresses", error })
    }

    /// Passes changes on.
    pub async fn run(mut self, keeper: Keeper) {
        loop {
            match self.socket.read(|socket| (drain(socket), true)).await {
                Ok(()) => keeper.look_again(),
                Err(failure) => return error!("interfaces are no longer watched: {failure}"),
            }
        }
    }
}

fn open(routes: bool) -> io::Result<Readable<OwnedFd>> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute)?;
    let always = libc::RTMGRP_LINK | libc::RTMGRP_IPV4_IFADDR | libc::RTMGRP_IPV6_IFADDR;
    let routing = libc::RTMGRP_IPV4_ROUTE | libc::RTMGRP_IPV6_ROUTE;
    let groups = if routes { always | routing } else { always };
    bind(socket.as_raw_fd(), &NetlinkAddr::new(0, groups.cast_unsigned()))?;
    Readable::new(socket)
}

fn drain(socket: &OwnedFd) {
    let mut buffer = vec![0; 32 * 1024];
    // ENOBUFS says that reports were lost, which matters no more than what they said.
    while matches!(
        recv(socket.as_raw_fd(), &mut buffer, MsgFlags::empty()),
        Ok(1..) | Err(Errno::ENOBUFS | Errno::EINTR)
    ) {}
}
