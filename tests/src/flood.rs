//! More than anybody asks for.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use anyhow::{Result, bail};
use socket2::Protocol;

use crate::endpoint::Endpoint;
use crate::frame::{Packet, ethernet_ip};
use crate::packet::packet_socket;
use crate::sockets::{Sockets as _, send_packet, unspecified};
use crate::topology::{NODE_MAC, NODE_V4, REMOTE_MAC, REMOTE_V4, REMOTE2_V4, Topology, WIRE, at};

/// Where in a frame of IPv4 without options its header, the sum in it, the source, and the ports are.
const HEADER: std::ops::Range<usize> = 14..34;
const SUM: std::ops::Range<usize> = 24..26;
const SOURCE: std::ops::Range<usize> = 26..30;
const SOURCE_PORT: std::ops::Range<usize> = 34..36;

/// SYNs from addresses all over the world, each from another.
struct Syns {
    frame: Vec<u8>,
    number: u32,
    address: u32,
}

impl Syns {
    fn to(destination: SocketAddr) -> Result<Self> {
        let any = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 1);
        let packet = Packet::tcp(any, destination, |header| header.syn = true).build()?;
        Ok(Self { frame: ethernet_ip(REMOTE_MAC, NODE_MAC, &packet), number: 1, address: 0x9e37_79b9 })
    }

    /// The next frame, from where it says if it does.
    fn next(&mut self, from: Option<Ipv4Addr>) -> &[u8] {
        // Nobody checks TCP's sum of what never gets to a socket; berth does not.
        self.address = self.address.wrapping_mul(0x915f_77f5).wrapping_add(self.number);
        let anywhere = Ipv4Addr::from_bits(0x0b00_0000 | (self.address & 0x00ff_ffff));
        self.frame[SOURCE].copy_from_slice(&from.unwrap_or(anywhere).octets());
        let [low, high, ..] = self.number.to_le_bytes();
        // Above the ports of services.
        self.frame[SOURCE_PORT].copy_from_slice(&[0x80 | high, low]);
        self.number = self.number.wrapping_add(1);
        set_header_sum(&mut self.frame);
        &self.frame
    }
}

/// The remote host sends the node's port SYNs from addresses all over the world, until it is told to stop; it counts them.
pub fn syns(topology: &Topology, port: u16, stop: &AtomicBool, sent: &AtomicU64) -> Result<()> {
    let socket = packet_socket(&topology.remote, WIRE, 0)?;
    let mut syns = Syns::to(at(NODE_V4, port))?;
    while !stop.load(Ordering::Relaxed) {
        match socket.send(syns.next(None)) {
            Err(error) if error.raw_os_error() != Some(libc::ENOBUFS) => return Err(error.into()),
            _ => sent.fetch_add(1, Ordering::Relaxed),
        };
    }
    Ok(())
}

/// Somebody sends SYNs to ever other ports of another host, one from the node's own address, one from anywhere in the world, and so
/// on, until it is told to stop; it counts both together.
pub fn outward_syns(sender: &dyn Endpoint, stop: &AtomicBool, sent: &AtomicU64) -> Result<()> {
    let IpAddr::V4(own) = NODE_V4 else { bail!("not IPv4: {NODE_V4}") };
    let socket = sender.raw_with_header(NODE_V4, Protocol::from(libc::IPPROTO_RAW))?;
    for port in (1_000..60_000).cycle() {
        let mut syns = Syns::to(at(REMOTE_V4, port))?;
        for from in [Some(own), None].repeat(8) {
            if stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            match send_packet(&socket, &syns.next(from)[HEADER.start..], REMOTE_V4) {
                Err(error) if !is_refusal(&error) => return Err(error.into()),
                _ => sent.fetch_add(1, Ordering::Relaxed),
            };
        }
    }
    Ok(())
}

/// That they are refused is what a flood is to meet.
fn is_refusal(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EPERM | libc::ENOBUFS))
}

/// Somebody sends datagrams from ever other ports to ever other ends, until it is told to stop; it counts them.
pub fn outward(sender: &dyn Endpoint, stop: &AtomicBool, sent: &AtomicU64) -> Result<()> {
    while !stop.load(Ordering::Relaxed) {
        let socket = sender.udp_bind(unspecified(NODE_V4, 0))?;
        for number in 0..20_000_u16 {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let to = if number.is_multiple_of(2) { REMOTE_V4 } else { REMOTE2_V4 };
            match socket.send_to(b"", at(to, 1_000 + number)) {
                Err(error) if !is_refusal(&error) => return Err(error.into()),
                _ => sent.fetch_add(1, Ordering::Relaxed),
            };
        }
    }
    Ok(())
}

fn set_header_sum(frame: &mut [u8]) {
    frame[SUM].copy_from_slice(&[0; 2]);
    let words = frame[HEADER].chunks_exact(2).map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])));
    let mut sum: u32 = words.sum();
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    frame[SUM].copy_from_slice(&(!sum).to_be_bytes()[2..]);
}
