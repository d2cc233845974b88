//! A host behind a guest that routes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::Result;

use crate::bridge::Guest;
use crate::endpoint::{Endpoint as _, Host};
use crate::link::{self, End};
use crate::name;
use crate::netns::Netns;
use crate::sockets::unspecified;
use crate::sysctl;
use crate::topology;

/// Addresses behind a guest by family: its own, and a host's there.
pub const BEHIND: [[IpAddr; 2]; 2] = [
    [IpAddr::V4(Ipv4Addr::new(10, 99, 0, 1)), IpAddr::V4(Ipv4Addr::new(10, 99, 0, 2))],
    [
        IpAddr::V6(Ipv6Addr::new(0xfd62, 0x6572, 0x7468, 99, 0, 0, 0, 1)),
        IpAddr::V6(Ipv6Addr::new(0xfd62, 0x6572, 0x7468, 99, 0, 0, 0, 2)),
    ],
];
/// What the guest calls its interface to that host.
const INNER: &str = "inner0";
const PREFIXES: [u8; 2] = [24, 64];

/// Puts a host behind a guest, which routes for it; `others` know the way there.
pub fn behind(guest: &Guest, others: &[(&Netns, &str)]) -> Result<Host> {
    let host = topology::host(&name::unique())?;
    let ends = [
        End { netns: guest.host.netns(), name: INNER, mac: [2, 0x99, 0, 0, 0, 1] },
        End { netns: host.netns(), name: "eth0", mac: [2, 0x99, 0, 0, 0, 2] },
    ];
    link::wire(ends[0], ends[1], 1500)?;
    for ([router, own], prefix) in BEHIND.into_iter().zip(PREFIXES) {
        link::add_address(guest.host.netns(), INNER, router, prefix)?;
        link::add_address(host.netns(), "eth0", own, prefix)?;
        link::add_route(host.netns(), "eth0", (unspecified(own, 0).ip(), 0), router)?;
        let via = guest.addresses[usize::from(own.is_ipv6())];
        for (netns, interface) in others {
            link::add_route(netns, interface, (own, if own.is_ipv4() { 32 } else { 128 }), via)?;
        }
    }
    sysctl::set(guest.host.netns(), "ipv4/ip_forward", "1")?;
    sysctl::set(guest.host.netns(), "ipv6/conf/all/forwarding", "1")?;
    Ok(host)
}
