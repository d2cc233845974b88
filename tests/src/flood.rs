//! More than anybody asks for.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use anyhow::Result;

use crate::endpoint::Endpoint;
use crate::frame::{Packet, ethernet_ip};
use crate::packet::packet_socket;
use crate::sockets::{Sockets as _, unspecified};
use crate::topology::{NODE_MAC, NODE_V4, REMOTE_MAC, REMOTE_V4, REMOTE2_V4, Topology, WIRE, at};

/// Where in a frame of IPv4 without options its header, the sum in it, the source, and the ports are.
const HEADER: std::ops::Range<usize> = 14..34;
const SUM: std::ops::Range<usize> = 24..26;
const SOURCE: std::ops::Range<usize> = 26..30;
const SOURCE_PORT: std::ops::Range<usize> = 34..36;

/// The remote host sends the node's port SYNs from addresses all over the world, until it is told to stop; it counts them.
pub fn syns(topology: &Topology, port: u16, stop: &AtomicBool, sent: &AtomicU64) -> Result<()> {
    let socket = packet_socket(&topology.remote, WIRE, 0)?;
    let any = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 1);
    let packet = Packet::tcp(any, at(NODE_V4, port), |header| header.syn = true).build()?;
    let mut frame = ethernet_ip(REMOTE_MAC, NODE_MAC, &packet);
    let (mut number, mut address) = (1_u32, 0x9e37_79b9_u32);
    while !stop.load(Ordering::Relaxed) {
        // Nobody checks the sum of what never gets to a socket; berth does not.
        address = address.wrapping_mul(0x915f_77f5).wrapping_add(number);
        let source = 0x0b00_0000 | (address & 0x00ff_ffff);
        frame[SOURCE].copy_from_slice(&source.to_be_bytes());
        frame[SOURCE_PORT].copy_from_slice(&number.to_le_bytes()[..2]);
        set_header_sum(&mut frame);
        match socket.send(&frame) {
            Err(error) if error.raw_os_error() != Some(libc::ENOBUFS) => return Err(error.into()),
            _ => sent.fetch_add(1, Ordering::Relaxed),
        };
        number = number.wrapping_add(1);
    }
    Ok(())
}

/// Somebody sends datagrams from ever other ports to ever other ends, until it is told to stop; it counts them. That they are
/// refused is what the flood is to meet.
pub fn outward(sender: &dyn Endpoint, stop: &AtomicBool, sent: &AtomicU64) -> Result<()> {
    while !stop.load(Ordering::Relaxed) {
        let socket = sender.udp_bind(unspecified(NODE_V4, 0))?;
        for number in 0..20_000_u16 {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let to = if number.is_multiple_of(2) { REMOTE_V4 } else { REMOTE2_V4 };
            match socket.send_to(b"", at(to, 1_000 + number)) {
                Err(error) if !matches!(error.raw_os_error(), Some(libc::EPERM | libc::ENOBUFS)) => {
                    return Err(error.into());
                }
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
