//! A node with a container behind a wire: two of them are alike to the last bit, but for who judges the packets.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{self, ErrorKind, Read, Seek as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsRawFd;

use anyhow::{Context, Result, bail};
use berth_tests::link::{self, End, Mac};
use berth_tests::packet::{ALL, packet_socket};
use berth_tests::sockets::{errno, send_packet};
use berth_tests::{Endpoint, Host, Netns, Sockets, name, process, sysctl};
use socket2::{Protocol, SockFilter, Socket};

use crate::packet::{Packet, Way};

/// The node's end of the wire.
pub const INTERFACE: &str = "guest0";
/// The container's end.
const INSIDE: &str = "eth0";
/// The Ethernet address of the container's end.
pub const MAC: Mac = [0x02, 0, 0, 0, 2, 1];
const NODE_MAC: Mac = [0x02, 0, 0, 0, 2, 2];
/// Of nobody: what the container sends is for another than the node, which is to do nothing about it.
const GATEWAY_MAC: &str = "02:00:00:00:02:03";

/// The container's addresses: the prefixes, and their lengths.
pub const LOCAL_V4: (Ipv4Addr, u8) = (Ipv4Addr::new(10, 0, 0, 0), 23);
pub const LOCAL_V6: (Ipv6Addr, u8) = (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 63);

/// Protocols that the container's kernel would otherwise answer for not knowing them.
const UNKNOWN: [i32; 5] = [33, 47, 50, 132, 253];

/// A node, and a container with a network of its own.
pub struct Side {
    /// The container.
    pub container: Host,
    frames: Socket,
    packets: [Socket; 2],
    /// Where packets arrive, each way.
    taps: [Socket; 2],
    _sinks: Vec<Socket>,
}

impl Side {
    /// Joins a new container to a node. Nothing is on the wire unasked.
    pub fn join(node: &Host) -> Result<Self> {
        let netns = Netns::create(&format!("{}-guest", name::unique()))?;
        quieten(node.netns(), &netns)?;
        let (left, right) = (
            End { netns: node.netns(), name: INTERFACE, mac: NODE_MAC },
            End { netns: &netns, name: INSIDE, mac: MAC },
        );
        link::wire(left, right, 1500)?;
        let container = Host::new(netns);
        route(&container)?;
        let (v4, v6) = (IpAddr::from(LOCAL_V4.0), IpAddr::from(LOCAL_V6.0));
        let raw = Protocol::from(libc::IPPROTO_RAW);
        let packets = [container.raw_with_header(v4, raw)?, container.raw_with_header(v6, raw)?];
        let sinks = UNKNOWN.iter().flat_map(|&number| [(v4, number), (v6, number)]);
        let sinks = sinks.map(|(family, number)| sink(&container, family, number));
        let sinks = sinks.collect::<io::Result<_>>()?;
        Ok(Self {
            frames: packet_socket(node, INTERFACE, 0)?,
            packets,
            taps: [tap(&container, INSIDE)?, tap(node, INTERFACE)?],
            _sinks: sinks,
            container,
        })
    }

    /// Makes addresses the container's own, which are so by a route alone. For those the kernel takes another of the container's
    /// addresses as the source of ICMPv6 errors; berth always takes the one that was asked. What cannot be an address of its
    /// own is none.
    pub fn own(&self, addresses: &BTreeSet<Ipv6Addr>) -> Result<()> {
        let mut lines = String::new();
        for address in addresses {
            writeln!(lines, "address replace {address}/128 dev lo nodad")?;
        }
        let mut input = tempfile::tempfile()?;
        input.write_all(lines.as_bytes())?;
        input.rewind()?;
        let mut command = self.container.command("ip")?;
        command.args(["-6", "-force", "-batch", "-"]);
        process::Process::spawn_with_stdin(&mut command, input)?.wait(berth_tests::wait::LIMIT)?;
        Ok(())
    }

    /// Sends a packet its way.
    pub fn send(&self, packet: &Packet) -> Result<()> {
        let sent = match packet.way {
            Way::In => self.frames.send(&packet.frame()),
            Way::Out => {
                let socket = &self.packets[usize::from(packet.source.is_ipv6())];
                send_packet(socket, &packet.bytes(), packet.destination)
            }
        };
        // What senders are told of drops by netfilter, and by TC.
        match errno(sent) {
            None | Some(libc::EPERM | libc::ENOBUFS) => Ok(()),
            Some(other) => bail!("{}: {packet}", io::Error::from_raw_os_error(other)),
        }
    }

    /// Waits until a packet that goes this way has gone through everything that judges it: what does so runs to its
    /// end before this thread does again, on the one processor that they share.
    pub fn wait_for(&self, packet: &Packet) -> Result<()> {
        let mut tap = &self.taps[usize::from(packet.way == Way::Out)];
        let (skipped, wanted) = match packet.way {
            Way::In => (0, packet.frame()),
            Way::Out => (ETHERNET, packet.bytes()),
        };
        let mut buffer = [0; 2_048];
        loop {
            match tap.read(&mut buffer) {
                Ok(length) if buffer.get(skipped..length) == Some(&wanted) => return Ok(()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).with_context(|| format!("wait for {packet}")),
            }
        }
    }
}

const ETHERNET: usize = 14;

/// Neither end says anything of its own accord.
fn quieten(node: &Netns, container: &Netns) -> Result<()> {
    sysctl::set(node, "ipv6/conf/default/disable_ipv6", "1")?;
    for (key, value) in [
        // No address of its own, so that there is nothing to discover or to join.
        ("ipv6/conf/default/addr_gen_mode", "1"),
        ("ipv6/conf/default/accept_ra", "0"),
        // Packets from anywhere are to come as far as the rules.
        ("ipv4/conf/all/rp_filter", "0"),
        ("ipv4/conf/default/rp_filter", "0"),
        ("ipv4/conf/default/accept_local", "1"),
        ("ipv4/conf/default/route_localnet", "1"),
        // Everybody whose packets are rejected is to be told.
        ("ipv4/icmp_ratemask", "0"),
        ("ipv6/icmp/ratelimit", "0"),
        // An empty line: of no bytes at all the kernel takes no notice.
        ("ipv6/icmp/ratemask", "\n"),
    ] {
        sysctl::set(container, key, value)?;
    }
    Ok(())
}

fn route(container: &Host) -> Result<()> {
    link::up(container.netns(), "lo")?;
    let ((v4, v4_bits), (v6, v6_bits)) = (LOCAL_V4, LOCAL_V6);
    for line in [
        "-4 address add 10.0.0.1/32 dev lo",
        &format!("-4 route add local {v4}/{v4_bits} dev lo"),
        "-4 route add default via 169.254.1.1 dev eth0 onlink",
        &format!("-4 neighbour add 169.254.1.1 lladdr {GATEWAY_MAC} dev eth0 nud permanent"),
        "-6 address add 2001:db8::1/128 dev lo nodad",
        &format!("-6 route add local {v6}/{v6_bits} dev lo"),
        &format!("-6 neighbour add fe80::1 lladdr {GATEWAY_MAC} dev eth0 nud permanent"),
        "-6 route add default via fe80::1 dev eth0",
    ] {
        process::ok(container.command("ip")?.args(line.split(' ')))?;
    }
    Ok(())
}

/// A socket for whose sake the kernel does not answer that it does not know a protocol. It keeps nothing: when it were
/// full, the kernel would answer.
fn sink(container: &Host, family: IpAddr, protocol: i32) -> io::Result<Socket> {
    let socket = container.raw(family, Protocol::from(protocol))?;
    // BPF_RET: keep as many bytes.
    socket.attach_filter(&[SockFilter::new(0x06, 0, 0, 0)])?;
    Ok(socket)
}

/// A socket that sees what arrives at an interface.
fn tap(endpoint: &Host, interface: &str) -> io::Result<Socket> {
    let socket = packet_socket(endpoint, interface, ALL)?;
    let on: libc::c_int = 1;
    let length = libc::socklen_t::try_from(size_of_val(&on)).map_err(io::Error::other)?;
    let (level, option) = (libc::SOL_PACKET, libc::PACKET_IGNORE_OUTGOING);
    // SAFETY: the value lives until the call returns and is as long as is said.
    let status =
        unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const on).cast(), length) };
    if status < 0 { Err(io::Error::last_os_error()) } else { Ok(socket) }
}
