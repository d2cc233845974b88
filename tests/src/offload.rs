//! Offloads of an interface, by the ioctl `ethtool -K` uses.

use std::io;
use std::mem;
use std::os::fd::AsRawFd;

use anyhow::{Context, Result};
use socket2::{Domain, Socket, Type};

use crate::netns::{Netns, in_netns};

/// Commands that set one offload each, in an order in which each may be turned off, by the names of `ethtool -K`.
/// From linux/ethtool.h.
const OFFLOADS: [(&str, u32); 6] =
    [("gro", 0x2c), ("gso", 0x24), ("tso", 0x1f), ("sg", 0x19), ("tx", 0x17), ("rx", 0x15)];

#[repr(C)]
struct EthtoolValue {
    command: u32,
    data: u32,
}

/// Turns segmentation, aggregation and checksum offloads of an interface on or off.
pub fn set(netns: &Netns, interface: &str, on: bool) -> Result<()> {
    in_netns(netns, || {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
        let mut order = OFFLOADS;
        if on {
            // Segmentation needs scatter-gather, which needs checksums.
            order.reverse();
        }
        for (name, command) in order {
            let value = EthtoolValue { command, data: u32::from(on) };
            ioctl(&socket, interface, value).with_context(|| format!("set {name} of {interface}"))?;
        }
        Ok(())
    })?
}

fn ioctl(socket: &Socket, interface: &str, mut value: EthtoolValue) -> io::Result<()> {
    // SAFETY: an ifreq is plain data; zero bytes make an empty one.
    let mut request: libc::ifreq = unsafe { mem::zeroed() };
    // The last byte stays zero: the name's end.
    let (_, place) = request.ifr_name.split_last_mut().ok_or(io::ErrorKind::InvalidInput)?;
    for (place, byte) in place.iter_mut().zip(interface.bytes()) {
        *place = libc::c_char::from_ne_bytes([byte]);
    }
    request.ifr_ifru.ifru_data = (&raw mut value).cast();
    // SAFETY: the request and the value it points to live until the call returns, and the kernel writes no more
    // than the value back.
    let status = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCETHTOOL, &raw mut request) };
    if status < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
