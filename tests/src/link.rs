//! Interfaces, addresses and routes, by rtnetlink: starting `ip` for each would be slow in emulated machines.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd};

use anyhow::{Context, Result};
use futures::TryStreamExt;
use nix::net::if_::if_nametoindex;
use rtnetlink::packet_route::link::{
    InfoBridge, InfoData, InfoVeth, LinkAttribute, LinkMessage, State, Stats64,
};
use rtnetlink::packet_route::route::RouteType;
use rtnetlink::{Handle, LinkBridge, LinkMessageBuilder, LinkUnspec, LinkVeth, RouteMessageBuilder};

use crate::netns::{Netns, in_netns};

/// An Ethernet address.
pub type Mac = [u8; 6];

/// One end of a wire that is to be made.
#[derive(Clone, Copy, Debug)]
pub struct End<'a> {
    /// Where it is.
    pub netns: &'a Netns,
    /// The interface's name.
    pub name: &'a str,
    /// Its Ethernet address.
    pub mac: Mac,
}

/// Joins two namespaces by a veth pair, both ends up.
pub fn wire(left: End<'_>, right: End<'_>, mtu: u32) -> Result<()> {
    netlink(left.netns, async |handle| {
        let peer = LinkMessageBuilder::<LinkUnspec>::new().name(right.name.to_owned());
        let peer = peer.mtu(mtu).address(right.mac.to_vec());
        let peer = peer.setns_by_fd(right.netns.as_fd().as_raw_fd()).build();
        let link = LinkVeth::new(left.name, right.name).set_info_data(InfoData::Veth(InfoVeth::Peer(peer)));
        let link = link.mtu(mtu).address(left.mac.to_vec()).build();
        Ok(handle.link().add(link).execute().await?)
    })
    .with_context(|| format!("join {} and {} by a wire", left.name, right.name))?;
    // Not in the request: an end cannot be set up before the other one is there.
    up(left.netns, left.name)?;
    up(right.netns, right.name)
}

/// Makes a bridge, and sets it up. It does not look for other bridges that listen for groups (RFC 4286): what that sends comes by
/// when it likes, and tests count packets.
pub fn bridge(netns: &Netns, name: &str, mac: Mac) -> Result<()> {
    let silent = InfoData::Bridge(vec![InfoBridge::MulticastSnooping(0)]);
    netlink(netns, async |handle| {
        let link = LinkBridge::new(name).address(mac.to_vec()).set_info_data(silent).build();
        Ok(handle.link().add(link).execute().await?)
    })
    .with_context(|| format!("make bridge {name}"))?;
    up(netns, name)
}

/// Makes an interface a port of a bridge.
pub fn enslave(netns: &Netns, port: &str, bridge: &str) -> Result<()> {
    let (port_index, bridge_index) = (index(netns, port)?, index(netns, bridge)?);
    netlink(netns, async |handle| {
        let link = LinkUnspec::new_with_index(port_index).controller(bridge_index).build();
        Ok(handle.link().set(link).execute().await?)
    })
    .with_context(|| format!("make {port} a port of {bridge}"))
}

/// Sets an interface up.
pub fn up(netns: &Netns, name: &str) -> Result<()> {
    let index = index(netns, name)?;
    netlink(netns, async |handle| {
        let link = LinkUnspec::new_with_index(index).up().build();
        Ok(handle.link().set(link).execute().await?)
    })
    .with_context(|| format!("set {name} up"))
}

/// Removes an interface.
pub fn delete(netns: &Netns, name: &str) -> Result<()> {
    let index = index(netns, name)?;
    netlink(netns, async |handle| Ok(handle.link().del(index).execute().await?))
        .with_context(|| format!("delete {name}"))
}

/// Gives an interface an address.
pub fn add_address(netns: &Netns, name: &str, address: IpAddr, prefix: u8) -> Result<()> {
    let index = index(netns, name)?;
    netlink(netns, async |handle| Ok(handle.address().add(index, address, prefix).execute().await?))
        .with_context(|| format!("add {address}/{prefix} to {name}"))
}

/// Adds a route to `destination`/`prefix` by a gateway on an interface.
pub fn add_route(netns: &Netns, name: &str, destination: (IpAddr, u8), gateway: IpAddr) -> Result<()> {
    let index = index(netns, name)?;
    let (address, prefix) = destination;
    netlink(netns, async |handle| {
        let route = RouteMessageBuilder::<IpAddr>::new().destination_prefix(address, prefix)?;
        let route = route.gateway(gateway)?.output_interface(index).build();
        Ok(handle.route().add(route).execute().await?)
    })
    .with_context(|| format!("add a route to {address}/{prefix} by {gateway}"))
}

/// Tells an interface for good which Ethernet address an address is at, so that nobody asks.
pub fn add_neighbour(netns: &Netns, name: &str, address: IpAddr, mac: Mac) -> Result<()> {
    let index = index(netns, name)?;
    netlink(netns, async |handle| {
        let request = handle.neighbours().add(index, address).link_local_address(&mac);
        Ok(request.replace().execute().await?)
    })
    .with_context(|| format!("tell {name} where {address} is"))
}

/// Whether an interface is up and has a carrier.
pub fn is_running(netns: &Netns, name: &str) -> Result<bool> {
    let link = get(netns, name)?;
    Ok(link.attributes.iter().any(|attribute| matches!(attribute, LinkAttribute::OperState(State::Up))))
}

/// Whether the host would take a packet to this address for its own: IPv6 addresses come into use by and by.
pub fn is_local(netns: &Netns, address: IpAddr) -> Result<bool> {
    let prefix = if address.is_ipv4() { 32 } else { 128 };
    let route = netlink(netns, async |handle| {
        let request = RouteMessageBuilder::<IpAddr>::new().destination_prefix(address, prefix)?.build();
        Ok(handle.route().get(request).execute().try_next().await?)
    });
    let route = route.with_context(|| format!("look for the way to {address}"))?;
    Ok(route.is_some_and(|route| route.header.kind == RouteType::Local))
}

/// The interface's own counters.
pub fn statistics(netns: &Netns, name: &str) -> Result<Stats64> {
    let found = get(netns, name)?.attributes.into_iter().find_map(|attribute| match attribute {
        LinkAttribute::Stats64(stats) => Some(stats),
        _ => None,
    });
    found.with_context(|| format!("{name} has no counters"))
}

/// The index of an interface.
pub fn index(netns: &Netns, name: &str) -> io::Result<u32> {
    Ok(in_netns(netns, || if_nametoindex(name))??)
}

fn get(netns: &Netns, name: &str) -> Result<LinkMessage> {
    let index = index(netns, name)?;
    let link = netlink(netns, async |handle| {
        Ok(handle.link().get().match_index(index).execute().try_next().await?)
    });
    link.and_then(|link| link.context("it is not there")).with_context(|| format!("look at {name}"))
}

/// Runs requests in a namespace.
fn netlink<T: Send>(netns: &Netns, run: impl AsyncFnOnce(Handle) -> Result<T> + Send) -> Result<T> {
    in_netns(netns, || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        runtime.block_on(async {
            let (connection, handle, _) = rtnetlink::new_connection()?;
            tokio::spawn(connection);
            run(handle).await
        })
    })?
}
