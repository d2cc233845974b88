//! Frames on a wire, as a bystander sees them.

use std::io;
use std::mem;
use std::os::fd::AsRawFd;

use anyhow::{Context, Result, ensure};
use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use socket2::Socket;

use crate::endpoint::Endpoint;
use crate::packet::{self, packet_socket};

/// Room for what a test sends before it looks.
const BUFFER: libc::c_int = 64 << 20;
/// The largest frame with segmentation, and what the kernel says before it.
const LARGEST: usize = (1 << 16) + 256;
/// Length of a `struct virtio_net_hdr`, and where the size of a segment is in it.
const OFFLOAD_HEADER: usize = 10;
const GSO_TYPE: usize = 1;
const GSO_SIZE: usize = 4;
const ETHERNET: usize = 14;

/// A socket that is given every frame of an interface.
#[derive(Debug)]
pub struct Sniffer {
    socket: Socket,
}

/// A frame.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Whether the host that is listened on has sent it.
    pub is_sent: bool,
    /// Into how many it is cut on the wire.
    pub packets: u64,
    /// How many bytes these are.
    pub bytes: u64,
    /// From the Ethernet header on.
    pub data: Vec<u8>,
}

impl Sniffer {
    /// Listens on an interface of a host from now on.
    pub fn start(host: &dyn Endpoint, interface: &str) -> Result<Self> {
        let socket = packet_socket(host, interface, packet::ALL)?;
        set(&socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, BUFFER)?;
        set(&socket, libc::SOL_PACKET, libc::PACKET_VNET_HDR, 1)?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket })
    }

    /// What has come by since it was last asked. The kernel hands a frame to listeners before it does anything else
    /// with it, so all that a counter behind it has counted is here.
    pub fn frames(&self) -> Result<Vec<Frame>> {
        let mut frames = Vec::new();
        let mut buffer = vec![mem::MaybeUninit::uninit(); LARGEST];
        loop {
            let (length, from) = match self.socket.recv_from(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                received => received?,
            };
            // SAFETY: the kernel has just written this many bytes.
            let bytes: Vec<u8> = buffer[..length].iter().map(|byte| unsafe { byte.assume_init() }).collect();
            // SAFETY: the kernel gives packet sockets a sockaddr_ll, for which there is room.
            let from = unsafe { &*from.as_ptr().cast::<libc::sockaddr_ll>() };
            frames.push(Frame::new(&bytes, from.sll_pkttype == libc::PACKET_OUTGOING)?);
        }
        let lost = lost(&self.socket)?;
        ensure!(lost == 0, "{lost} frames were lost");
        Ok(frames)
    }
}

impl Frame {
    fn new(bytes: &[u8], is_sent: bool) -> Result<Self> {
        let (offload, data) = bytes.split_at_checked(OFFLOAD_HEADER).context("no offload header")?;
        let mut frame = Self { is_sent, packets: 1, bytes: u64::try_from(data.len())?, data: data.to_vec() };
        if offload[GSO_TYPE] != 0 {
            let size = usize::from(u16::from_ne_bytes([offload[GSO_SIZE], offload[GSO_SIZE + 1]]));
            let headers = frame.headers_length().context("what is this that is to be segmented?")?;
            frame.packets = u64::try_from((data.len() - headers).div_ceil(size))?;
            frame.bytes += (frame.packets - 1) * u64::try_from(headers)?;
        }
        Ok(frame)
    }

    /// Its headers, as far as they make sense.
    pub fn sliced(&self) -> Option<SlicedPacket<'_>> {
        SlicedPacket::from_ethernet(&self.data).ok()
    }

    /// Its TCP or UDP ports, source first.
    pub fn ports(&self) -> Option<(u16, u16)> {
        match self.sliced()?.transport? {
            TransportSlice::Tcp(tcp) => Some((tcp.source_port(), tcp.destination_port())),
            TransportSlice::Udp(udp) => Some((udp.source_port(), udp.destination_port())),
            _ => None,
        }
    }

    /// Its echo id, if it is a request or a reply.
    pub fn echo_id(&self) -> Option<u16> {
        use etherparse::{Icmpv4Type, Icmpv6Type};
        match self.sliced()?.transport? {
            TransportSlice::Icmpv4(icmp) => match icmp.icmp_type() {
                Icmpv4Type::EchoRequest(echo) | Icmpv4Type::EchoReply(echo) => Some(echo.id),
                _ => None,
            },
            TransportSlice::Icmpv6(icmp) => match icmp.icmp_type() {
                Icmpv6Type::EchoRequest(echo) | Icmpv6Type::EchoReply(echo) => Some(echo.id),
                _ => None,
            },
            _ => None,
        }
    }

    fn headers_length(&self) -> Option<usize> {
        let sliced = self.sliced()?;
        let transport = match sliced.transport? {
            TransportSlice::Tcp(tcp) => usize::from(tcp.data_offset()) * 4,
            TransportSlice::Udp(_) => 8,
            _ => return None,
        };
        let network = match sliced.net? {
            NetSlice::Ipv4(ip) => usize::from(ip.header().ihl()) * 4,
            NetSlice::Ipv6(_) => 40,
            NetSlice::Arp(_) => return None,
        };
        Some(ETHERNET + network + transport)
    }
}

fn set(socket: &Socket, level: libc::c_int, name: libc::c_int, value: libc::c_int) -> io::Result<()> {
    let length = libc::socklen_t::try_from(size_of_val(&value)).map_err(io::Error::other)?;
    // SAFETY: the value lives until the call returns and is as long as is said.
    let status =
        unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const value).cast(), length) };
    if status < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// How many frames there was no room for.
fn lost(socket: &Socket) -> io::Result<u32> {
    let mut statistics = libc::tpacket_stats { tp_packets: 0, tp_drops: 0 };
    let mut length = libc::socklen_t::try_from(size_of_val(&statistics)).map_err(io::Error::other)?;
    // SAFETY: the statistics live until the call returns, and are as long as is said.
    let status = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_STATISTICS,
            (&raw mut statistics).cast(),
            &raw mut length,
        )
    };
    if status < 0 { Err(io::Error::last_os_error()) } else { Ok(statistics.tp_drops) }
}
