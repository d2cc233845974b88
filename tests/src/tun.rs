//! Interfaces at whose other end is the test itself: of IP packets (TUN), or of frames, as a virtual machine has (tap).

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

/// A TUN or tap device. It is gone when this is dropped.
#[derive(Debug)]
pub struct Tun {
    file: File,
    is_tap: bool,
}

/// A datagram that has come out of it.
#[derive(Debug)]
pub struct Datagram {
    /// The packet, from its IP header on, or the frame.
    pub packet: Vec<u8>,
    /// What is in it.
    pub payload: Vec<u8>,
}

impl Tun {
    /// Makes a device of this name in a namespace, which says nothing by itself, and sets it up.
    pub fn create(netns: &Netns, name: &str) -> Result<Self> {
        Self::of_kind(netns, name, false)
    }

    /// The same of a tap device.
    pub fn tap(netns: &Netns, name: &str) -> Result<Self> {
        Self::of_kind(netns, name, true)
    }

    fn of_kind(netns: &Netns, name: &str, is_tap: bool) -> Result<Self> {
        let file = in_netns(netns, || attach(name, is_tap))?.with_context(|| format!("make {name}"))?;
        sysctl::set(netns, &format!("ipv6/conf/{name}/addr_gen_mode"), "1")?;
        link::up(netns, name)?;
        Ok(Self { file, is_tap })
    }

    /// A packet, or frame, comes in by the device.
    pub fn send(&self, packet: &[u8]) -> Result<()> {
        let length = (&self.file).write(packet).context("write to a TUN device")?;
        ensure!(length == packet.len(), "{length} of {} bytes were written", packet.len());
        Ok(())
    }

    /// The next datagram for `destination` that goes out by it; what else does is passed over.
    pub fn receive(&self, destination: SocketAddr) -> Result<Datagram> {
        let mut buffer = [0; 2_048];
        loop {
            let mut wanted = [PollFd::new(self.file.as_fd(), PollFlags::POLLIN)];
            let timeout = PollTimeout::try_from(LIMIT).context("wait for so long")?;
            ensure!(poll(&mut wanted, timeout)? == 1, "nothing for {destination} comes out of a TUN device");
            let length = (&self.file).read(&mut buffer)?;
            let packet = &buffer[..length];
            let sliced =
                if self.is_tap { SlicedPacket::from_ethernet(packet) } else { SlicedPacket::from_ip(packet) };
            let Ok(sliced) = sliced else { continue };
            if let Some(TransportSlice::Udp(udp)) = sliced.transport
                && udp.destination_port() == destination.port()
            {
                return Ok(Datagram { packet: packet.to_vec(), payload: udp.payload().to_vec() });
            }
        }
    }
}

fn attach(name: &str, is_tap: bool) -> Result<File> {
    let file = File::options().read(true).write(true).open("/dev/net/tun").context("open /dev/net/tun")?;
    // SAFETY: All zero is a valid request.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    ensure!(name.len() < request.ifr_name.len(), "too long a name: {name}");
    for (place, byte) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *place = libc::c_char::from_ne_bytes([byte]);
    }
    let kind = if is_tap { libc::IFF_TAP } else { libc::IFF_TUN };
    request.ifr_ifru.ifru_flags = i16::try_from(kind | libc::IFF_NO_PI)?;
    // SAFETY: The descriptor is open, and the request is as the call wants it.
    let result = unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, &raw const request) };
    ensure!(result == 0, std::io::Error::last_os_error());
    Ok(file)
}
