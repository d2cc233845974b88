//! The node and those it talks to, as network namespaces joined by wires.
//!
//! ```text
//!   node               remote                          far (on demand)
//!   uplink0 ────────── wire0     wire1 ────────────── uplink0
//!   198.18.0.1         198.18.0.2, .3   198.19.0.1     198.19.0.2
//!   fd62:…:1           fd62:…:2, :3     fd62:…:1::1    fd62:…:1::2
//! ```
//!
//! The node's default route leads to the remote host, which forwards to the far one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Result;

use crate::endpoint::{Endpoint, Host};
use crate::link::{self, End, Mac};
use crate::name;
use crate::netns::Netns;
use crate::offload;
use crate::sysctl;
use crate::wait::{self, LIMIT};

/// The node's interface to the world.
pub const UPLINK: &str = "uplink0";
/// The remote host's end of the node's wire.
pub const WIRE: &str = "wire0";
const FAR_WIRE: &str = "wire1";

/// Ethernet address of the node's uplink.
pub const NODE_MAC: Mac = [0x02, 0x62, 0x65, 0x72, 0x74, 0x01];
/// Ethernet address of the remote host's end of the node's wire.
pub const REMOTE_MAC: Mac = [0x02, 0x62, 0x65, 0x72, 0x74, 0x02];
const FAR_WIRE_MAC: Mac = [0x02, 0x62, 0x65, 0x72, 0x74, 0x03];
const FAR_MAC: Mac = [0x02, 0x62, 0x65, 0x72, 0x74, 0x04];

/// The node's addresses.
pub const NODE_V4: IpAddr = v4(18, 1);
/// See [`NODE_V4`].
pub const NODE_V6: IpAddr = v6(0, 1);
/// The remote host's addresses.
pub const REMOTE_V4: IpAddr = v4(18, 2);
/// See [`REMOTE_V4`].
pub const REMOTE_V6: IpAddr = v6(0, 2);
/// The remote host's second addresses.
pub const REMOTE2_V4: IpAddr = v4(18, 3);
/// See [`REMOTE2_V4`].
pub const REMOTE2_V6: IpAddr = v6(0, 3);
/// The far host's addresses, two hops from the node.
pub const FAR_V4: IpAddr = v4(19, 2);
/// See [`FAR_V4`].
pub const FAR_V6: IpAddr = v6(1, 2);
const FAR_GATEWAY_V4: IpAddr = v4(19, 1);
const FAR_GATEWAY_V6: IpAddr = v6(1, 1);

const PREFIX_V4: u8 = 24;
const PREFIX_V6: u8 = 64;

const fn v4(net: u8, host: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(198, net, 0, host))
}

const fn v6(net: u16, host: u16) -> IpAddr {
    // "berth" in the unique local range.
    IpAddr::V6(Ipv6Addr::new(0xfd62, 0x6572, 0x7468, net, 0, 0, 0, host))
}

/// A port at every address of the remote host.
pub fn remote_addresses() -> [IpAddr; 4] {
    [REMOTE_V4, REMOTE_V6, REMOTE2_V4, REMOTE2_V6]
}

/// An address with a port.
pub fn at(address: IpAddr, port: u16) -> SocketAddr {
    SocketAddr::new(address, port)
}

/// A node and what surrounds it. Dropping it removes all of it.
#[derive(Debug)]
pub struct Topology {
    /// Where the tenants and berth are.
    pub node: Host,
    /// The host at the other end of the node's wire.
    pub remote: Host,
    /// A host behind the remote one, if asked for.
    pub far: Option<Host>,
}

/// What a topology is to be like.
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing is made before `build`"]
pub struct Builder {
    offloads: bool,
    mtu: u32,
    far: bool,
    neighbours: bool,
}

impl Topology {
    /// A node and a remote host, offloads on, MTU 1500.
    pub fn new() -> Result<Self> {
        Self::builder().build()
    }

    /// Makes one that differs from [`Topology::new`].
    pub fn builder() -> Builder {
        Builder { offloads: true, mtu: 1500, far: false, neighbours: false }
    }
}

impl Builder {
    /// Whether the wire's ends segment, aggregate and leave checksums to each other. On by default, as on real
    /// hardware.
    pub fn offloads(self, offloads: bool) -> Self {
        Self { offloads, ..self }
    }

    /// The MTU of the wires.
    pub fn mtu(self, mtu: u32) -> Self {
        Self { mtu, ..self }
    }

    /// Adds a host behind the remote one, two hops from the node.
    pub fn with_far(self) -> Self {
        Self { far: true, ..self }
    }

    /// Has node and remote know each other's Ethernet addresses from the start, so that no ARP or neighbour
    /// discovery is on the wire.
    pub fn with_known_neighbours(self) -> Self {
        Self { neighbours: true, ..self }
    }

    /// Makes it, and waits until the wires carry.
    pub fn build(self) -> Result<Topology> {
        let name = name::unique();
        let node = host(&format!("{name}-node"))?;
        let remote = host(&format!("{name}-remote"))?;
        self.join_node(node.netns(), remote.netns())?;
        let far = self.far.then(|| host(&format!("{name}-far"))).transpose()?;
        if let Some(far) = &far {
            self.join_far(remote.netns(), far.netns())?;
        }
        Ok(Topology { node, remote, far })
    }

    fn join_node(self, node: &Netns, remote: &Netns) -> Result<()> {
        let left = End { netns: node, name: UPLINK, mac: NODE_MAC };
        let right = End { netns: remote, name: WIRE, mac: REMOTE_MAC };
        self.wire(left, right)?;
        addresses(&left, &[NODE_V4, NODE_V6])?;
        addresses(&right, &remote_addresses())?;
        for (any, gateway) in [(v4_any(), REMOTE_V4), (v6_any(), REMOTE_V6)] {
            link::add_route(node, UPLINK, (any, 0), gateway)?;
        }
        if self.neighbours {
            for address in remote_addresses() {
                link::add_neighbour(node, UPLINK, address, REMOTE_MAC)?;
            }
            for address in [NODE_V4, NODE_V6] {
                link::add_neighbour(remote, WIRE, address, NODE_MAC)?;
            }
        }
        Ok(())
    }

    fn join_far(self, remote: &Netns, far: &Netns) -> Result<()> {
        let left = End { netns: remote, name: FAR_WIRE, mac: FAR_WIRE_MAC };
        let right = End { netns: far, name: UPLINK, mac: FAR_MAC };
        self.wire(left, right)?;
        addresses(&left, &[FAR_GATEWAY_V4, FAR_GATEWAY_V6])?;
        addresses(&right, &[FAR_V4, FAR_V6])?;
        for (any, gateway) in [(v4_any(), FAR_GATEWAY_V4), (v6_any(), FAR_GATEWAY_V6)] {
            link::add_route(far, UPLINK, (any, 0), gateway)?;
        }
        sysctl::set(remote, "ipv4/ip_forward", "1")?;
        sysctl::set(remote, "ipv6/conf/all/forwarding", "1")
    }

    fn wire(self, left: End<'_>, right: End<'_>) -> Result<()> {
        link::wire(left, right, self.mtu)?;
        for end in [left, right] {
            offload::set(end.netns, end.name, self.offloads)?;
            wait::until_true("the wire to carry", LIMIT, || link::is_running(end.netns, end.name))?;
        }
        Ok(())
    }
}

/// A host that nothing joins to others yet, and that says nothing unasked.
pub fn host(name: &str) -> Result<Host> {
    let netns = Netns::create(name)?;
    for (key, value) in SETTINGS {
        sysctl::set(&netns, key, value)?;
    }
    link::up(&netns, "lo")?;
    Ok(Host::new(Arc::clone(&netns)))
}

/// Set before there is an interface, so that each starts with them; a host's own settings may be inherited otherwise.
const SETTINGS: [(&str, &str); 11] = [
    // Ping sockets for everybody.
    ("ipv4/ping_group_range", "0 2147483647"),
    ("ipv4/ip_forward", "0"),
    ("ipv4/conf/all/rp_filter", "0"),
    ("ipv4/conf/default/rp_filter", "0"),
    // Every ICMP error a test causes is one it can count.
    ("ipv4/icmp_ratemask", "0"),
    ("ipv6/icmp/ratelimit", "0"),
    // Addresses are there at once, and what the kernel says unasked is said within milliseconds.
    ("ipv6/conf/default/accept_dad", "0"),
    ("ipv6/conf/default/accept_ra", "0"),
    ("ipv6/conf/default/router_solicitations", "0"),
    ("ipv6/conf/default/mldv2_unsolicited_report_interval", "1"),
    ("ipv6/conf/default/mldv1_unsolicited_report_interval", "1"),
];

fn addresses(end: &End<'_>, addresses: &[IpAddr]) -> Result<()> {
    // The first one given is the one it sends from: the oldest of IPv4, the youngest of IPv6.
    let (v4, v6): (Vec<IpAddr>, Vec<IpAddr>) = addresses.iter().partition(|address| address.is_ipv4());
    for address in v4.into_iter().chain(v6.into_iter().rev()) {
        let prefix = if address.is_ipv4() { PREFIX_V4 } else { PREFIX_V6 };
        link::add_address(end.netns, end.name, address, prefix)?;
    }
    for &address in addresses {
        wait::until_true("an address to be in use", LIMIT, || link::is_local(end.netns, address))?;
    }
    Ok(())
}

fn v4_any() -> IpAddr {
    Ipv4Addr::UNSPECIFIED.into()
}

fn v6_any() -> IpAddr {
    Ipv6Addr::UNSPECIFIED.into()
}
