//! Packet sockets (`AF_PACKET`): whole frames, past the IP stack.

use std::io;
use std::mem;

use socket2::{Domain, SockAddr, SockAddrStorage, Socket, Type};

use crate::endpoint::Endpoint;
use crate::link;
use crate::sockets::timed;

/// Every ethertype, outgoing frames included.
pub const ALL: u16 = 0x0003;

/// A packet socket of `endpoint` on one interface. It receives frames of `ethertype`; with 0 it only sends.
pub fn packet_socket(endpoint: &dyn Endpoint, interface: &str, ethertype: u16) -> io::Result<Socket> {
    let index = link::index(endpoint.netns(), interface)?;
    // Protocol 0: a socket that receives nothing until it is bound to one interface.
    let socket = timed(endpoint.socket(Domain::PACKET, Type::RAW, None)?)?;
    socket.bind(&link_address(index, ethertype)?)?;
    Ok(socket)
}

fn link_address(index: u32, ethertype: u16) -> io::Result<SockAddr> {
    let mut storage = SockAddrStorage::zeroed();
    // SAFETY: the storage is larger than a sockaddr_ll, which is plain data that any bytes make.
    let address = unsafe { storage.view_as::<libc::sockaddr_ll>() };
    address.sll_family = libc::sa_family_t::try_from(libc::AF_PACKET).map_err(io::Error::other)?;
    address.sll_protocol = ethertype.to_be();
    address.sll_ifindex = i32::try_from(index).map_err(io::Error::other)?;
    let length = libc::socklen_t::try_from(mem::size_of::<libc::sockaddr_ll>()).map_err(io::Error::other)?;
    // SAFETY: family and length are those of the sockaddr_ll that the storage holds.
    Ok(unsafe { SockAddr::new(storage, length) })
}
