//! A node that forwards, and those who send through it.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use socket2::{SockRef, Socket};

use super::guard::Guard;
use super::{INSIDE, OUTSIDE, THERE};
use crate::bridge::INSIDE as INTERFACE;
use crate::frame::{Packet, ethernet_ip};
use crate::packet::packet_socket;
use crate::topology::{NODE_MAC, NODE_V4, REMOTE_MAC, REMOTE_V4, UPLINK, WIRE, at};
use crate::{
    Berth, Bridge, Conntrack, Endpoint as _, Guest, Host, Process, Sockets as _, Topology, iperf, link,
    offload, sysctl,
};

/// Datagrams of one measurement; as many flows are new at a time, which have room in tables of the usual size.
const COUNT: u16 = 8_192;
const FIRST_PORT: u16 = 10_000;
/// Where in a frame of IPv4 without options the source port is, and UDP's checksum.
const SOURCE_PORT: std::ops::Range<usize> = 34..36;
const CHECKSUM: std::ops::Range<usize> = 40..42;
/// After which an exchange of datagrams is a stream to nf_conntrack (net/netfilter/nf_conntrack_proto_udp.c), and more.
const STREAM: Duration = Duration::from_millis(2_100);
/// For what iperf3 does in one second.
const PATIENCE: Duration = Duration::from_secs(10);

/// Who begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// The guest, to the remote host.
    Out,
    /// The remote host, to the guest's published port.
    In,
}

/// What is forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// Datagrams of one flow, which has been answered.
    Datagrams,
    /// Datagrams each of which begins a flow.
    NewFlows,
    /// A connection whose segments are put together and taken apart by devices, as they would be by real ones.
    Stream,
    /// A connection segment by segment.
    Segments,
}

/// The node, all there is to it.
pub struct Node {
    topology: Topology,
    bridge: Bridge,
    guest: Guest,
    guard: Guard,
    berth: Option<Berth>,
    /// The remote host's, and the guest's.
    full: [UdpSocket; 2],
    _servers: [Process; 2],
}

impl Node {
    /// One with this guard.
    pub fn new(guard: Guard) -> Result<Self> {
        let topology = Topology::builder().with_known_neighbours().build()?;
        sysctl::set(topology.node.netns(), "ipv4/ip_forward", "1")?;
        let bridge = Bridge::create(&topology.node, 77)?;
        let guest = bridge.guest(2)?;
        if !guard.translates() {
            link::add_route(topology.remote.netns(), WIRE, (guest.addresses[0], 32), NODE_V4)?;
        }
        let berth = guard.put_up(&topology, &bridge, &guest)?;
        let full = [
            full(&topology.remote, at(REMOTE_V4, THERE))?,
            full(&guest.host, at(guest.addresses[0], INSIDE))?,
        ];
        let servers = [iperf::server(&topology.remote, THERE)?, iperf::server(&guest.host, INSIDE)?];
        Ok(Self { topology, bridge, guest, guard, berth, full, _servers: servers })
    }

    /// Nanoseconds for each datagram, or each 1,000,000 bytes of a stream.
    pub fn measure(&mut self, way: Way, load: Load) -> Result<f64> {
        match load {
            Load::Datagrams => {
                self.establish(way)?;
                self.datagrams(way, false)
            }
            Load::NewFlows => {
                self.forget()?;
                self.datagrams(way, true)
            }
            Load::Stream => self.stream(way),
            Load::Segments => {
                self.offload(false)?;
                let taken = self.stream(way);
                self.offload(true)?;
                taken
            }
        }
    }

    /// Where the remote host finds the guest.
    fn entrance(&self) -> (IpAddr, u16) {
        if self.guard.translates() { (NODE_V4, OUTSIDE) } else { (self.guest.addresses[0], INSIDE) }
    }

    /// Has all flows forgotten.
    fn forget(&self) -> Result<()> {
        match self.guard {
            Guard::Nothing => Ok(()),
            Guard::Berth | Guard::Fast => {
                self.berth.iter().try_for_each(|berth| berth.ok(["flows", "flush", "--owner", "c"]).map(drop))
            }
            Guard::Nft | Guard::Iptables | Guard::Docker => Conntrack::open(&self.topology.node)?.forget(),
        }
    }

    /// Has the flow answered, and go on two seconds later: so it is more than a question to all who look on.
    fn establish(&self, way: Way) -> Result<()> {
        let (host, own, receiver) = match way {
            Way::Out => (&self.guest.host, self.guest.addresses[0], &self.full[0]),
            Way::In => (&self.topology.remote, REMOTE_V4, &self.full[1]),
        };
        let _hears_answers = host.udp_bind(at(own, FIRST_PORT))?;
        let (socket, mut frame) = self.sender(way)?;
        frame[CHECKSUM].fill(0);
        SockRef::from(receiver).set_recv_buffer_size(1 << 16)?;
        receiver.set_read_timeout(Some(PATIENCE))?;
        for pause in [STREAM, Duration::ZERO] {
            socket.send(&frame)?;
            let (_, peer) = receiver.recv_from(&mut [0; 64])?;
            receiver.send_to(b"here", peer)?;
            thread::sleep(pause);
        }
        SockRef::from(receiver).set_recv_buffer_size(1)?;
        Ok(())
    }

    /// Sends frames, which the stack takes all the way to the receiver's socket before the next one is sent.
    fn datagrams(&self, way: Way, is_new: bool) -> Result<f64> {
        let (socket, mut frame) = self.sender(way)?;
        // Without one, it is right whatever the port is.
        frame[CHECKSUM].fill(0);
        let before = self.arrived(way)?;
        let begun = Instant::now();
        for number in 0..COUNT {
            if is_new {
                frame[SOURCE_PORT].copy_from_slice(&(FIRST_PORT + number).to_be_bytes());
            }
            socket.send(&frame)?;
        }
        let taken = begun.elapsed().as_secs_f64() * 1e9 / f64::from(COUNT);
        let arrived = self.arrived(way)? - before;
        let (guard, all) = (self.guard, u64::from(COUNT));
        ensure!(arrived >= all, "{guard:?}, {way:?}: {arrived} of {all} datagrams came");
        Ok(taken)
    }

    /// The sender's socket, and the frame that it sends.
    fn sender(&self, way: Way) -> Result<(Socket, Vec<u8>)> {
        let (socket, packet, from, to) = match way {
            Way::Out => {
                let packet = Packet::udp(at(self.guest.addresses[0], FIRST_PORT), at(REMOTE_V4, THERE));
                let socket = packet_socket(&self.guest.host, INTERFACE, 0)?;
                (socket, packet, self.guest.mac, self.bridge.mac(1))
            }
            Way::In => {
                let (address, port) = self.entrance();
                let packet = Packet::udp(at(REMOTE_V4, FIRST_PORT), at(address, port));
                (packet_socket(&self.topology.remote, WIRE, 0)?, packet, REMOTE_MAC, NODE_MAC)
            }
        };
        Ok((socket, ethernet_ip(from, to, &packet.build()?)))
    }

    /// How many frames have come to the receiver's interface.
    fn arrived(&self, way: Way) -> Result<u64> {
        let (host, interface) = match way {
            Way::Out => (&self.topology.remote, WIRE),
            Way::In => (&self.guest.host, INTERFACE),
        };
        Ok(link::statistics(host.netns(), interface)?.rx_packets)
    }

    fn stream(&self, way: Way) -> Result<f64> {
        let (guest, remote) = (&self.guest.host, &self.topology.remote);
        let (from, to, server, port) = match way {
            Way::Out => (guest, (REMOTE_V4, THERE), remote, THERE),
            Way::In => (remote, self.entrance(), guest, INSIDE),
        };
        iperf::listens(server, port)?;
        let report = iperf::report(iperf::client(from, to, &["-t", "1"])?, PATIENCE)?;
        let sum = &report["end"]["sum_received"];
        let Some(rate) = sum["bits_per_second"].as_f64() else {
            bail!("no rate in iperf3's report: {report}")
        };
        Ok(8e15 / rate)
    }

    fn offload(&self, on: bool) -> Result<()> {
        let (node, guest) = (self.topology.node.netns(), self.guest.host.netns());
        for (netns, interface) in [
            (guest, INTERFACE),
            (node, &self.guest.port),
            (node, UPLINK),
            (self.topology.remote.netns(), WIRE),
        ] {
            offload::set(netns, interface, on)?;
        }
        Ok(())
    }
}

/// One that takes nothing, so that what comes to it costs the same each time, and nobody is told of it.
fn full(host: &Host, address: SocketAddr) -> Result<UdpSocket> {
    let socket = host.udp_bind(address)?;
    SockRef::from(&socket).set_recv_buffer_size(1)?;
    Ok(socket)
}
