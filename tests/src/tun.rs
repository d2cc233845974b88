//! Interfaces without an Ethernet header, at whose other end is the test itself.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::os::fd::{AsFd as _, AsRawFd as _};

use anyhow::{Context as _, Result, ensure};
use etherparse::{SlicedPacket, TransportSlice};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::netns::{Netns, in_netns};
use crate::wait::LIMIT;
use crate::{link, sysctl};

/// A TUN device. It is gone when this is dropped.
#[derive(Debug)]
pub struct Tun(File);

/// A datagram that has come out of it.
#[derive(Debug)]
pub struct Datagram {
    /// The packet, from its IP header on.
    pub packet: Vec<u8>,
    /// What is in it.
    pub payload: Vec<u8>,
}

impl Tun {
    /// Makes a device of this name in a namespace, which says nothing by itself, and sets it up.
    pub fn create(netns: &Netns, name: &str) -> Result<Self> {
        let file = in_netns(netns, || attach(name))?.with_context(|| format!("make TUN device {name}"))?;
        sysctl::set(netns, &format!("ipv6/conf/{name}/addr_gen_mode"), "1")?;
        link::up(netns, name)?;
        Ok(Self(file))
    }

    /// A packet comes in by the device.
    pub fn send(&self, packet: &[u8]) -> Result<()> {
        let length = (&self.0).write(packet).context("write to a TUN device")?;
        ensure!(length == packet.len(), "{length} of {} bytes were written", packet.len());
        Ok(())
    }

    /// The next datagram for `destination` that goes out by it; what else does is passed over.
    pub fn receive(&self, destination: SocketAddr) -> Result<Datagram> {
        let mut buffer = [0; 2_048];
        loop {
            let mut wanted = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
            let timeout = PollTimeout::try_from(LIMIT).context("wait for so long")?;
            ensure!(poll(&mut wanted, timeout)? == 1, "nothing for {destination} comes out of a TUN device");
            let length = (&self.0).read(&mut buffer)?;
            let packet = &buffer[..length];
            let Ok(sliced) = SlicedPacket::from_ip(packet) else { continue };
            if let Some(TransportSlice::Udp(udp)) = sliced.transport
                && udp.destination_port() == destination.port()
            {
                return Ok(Datagram { packet: packet.to_vec(), payload: udp.payload().to_vec() });
            }
        }
    }
}

fn attach(name: &str) -> Result<File> {
    let file = File::options().read(true).write(true).open("/dev/net/tun").context("open /dev/net/tun")?;
    // SAFETY: All zero is a valid request.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    ensure!(name.len() < request.ifr_name.len(), "too long a name: {name}");
    for (place, byte) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *place = libc::c_char::from_ne_bytes([byte]);
    }
    request.ifr_ifru.ifru_flags = i16::try_from(libc::IFF_TUN | libc::IFF_NO_PI)?;
    // SAFETY: The descriptor is open, and the request is as the call wants it.
    let result = unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, &raw const request) };
    ensure!(result == 0, std::io::Error::last_os_error());
    Ok(file)
}
