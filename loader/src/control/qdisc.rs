//! clsact qdiscs and what is in them.

use std::io;

use netlink_packet_route::{
    RouteNetlinkMessage,
    tc::{TcAttribute, TcHandle, TcMessage},
};

use super::place::Direction;
use crate::containers::netlink;

/// Parent of the clsact qdisc and, with other lower halves, of its filters (linux/pkt_sched.h).
const CLSACT: u32 = 0xffff_fff1;
const INGRESS: u32 = 0xffff_fff2;
const EGRESS: u32 = 0xffff_fff3;

/// Removes the interface's clsact qdisc, unless filters are left in it: they would go with it.
pub fn remove_if_unused(ifindex: u32) -> io::Result<()> {
    let index = i32::try_from(ifindex).map_err(io::Error::other)?;
    for parent in [INGRESS, EGRESS] {
        if has_filters(index, parent) {
            log::info!("the clsact qdisc of interface {ifindex} stays: others have filters in it");
            return Ok(());
        }
    }
    let mut message = message(index, CLSACT);
    message.header.handle = TcHandle::from(CLSACT & 0xffff_0000);
    message.attributes.push(TcAttribute::Kind("clsact".to_owned()));
    let request = RouteNetlinkMessage::DelQueueDiscipline(message);
    match netlink::request(libc::NETLINK_ROUTE, request) {
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::EINVAL)) => Ok(()),
        removed => removed.map(drop),
    }
}

/// Whether there is a filter of this priority and handle.
pub fn has_filter(ifindex: u32, direction: Direction, (priority, handle): (u16, u32)) -> io::Result<bool> {
    let index = i32::try_from(ifindex).map_err(io::Error::other)?;
    Ok(filters(index, parent(direction))?.iter().any(|filter| {
        // The upper half is the priority, the lower one the protocol.
        u32::from(filter.header.handle) == handle && filter.header.info >> 16 == u32::from(priority)
    }))
}

/// Of what kinds the filters are whose handles are wanted.
pub fn kinds(ifindex: u32, direction: Direction, wanted: impl Fn(u32) -> bool) -> io::Result<Vec<String>> {
    let index = i32::try_from(ifindex).map_err(io::Error::other)?;
    let mut found = filters(index, parent(direction))?;
    // Each priority has a head with no handle.
    found.retain(|filter| u32::from(filter.header.handle) != 0 && wanted(filter.header.handle.into()));
    let kind = |filter: &TcMessage| {
        filter.attributes.iter().find_map(|attribute| match attribute {
            TcAttribute::Kind(kind) => Some(kind.clone()),
            _ => None,
        })
    };
    Ok(found.iter().filter_map(kind).collect())
}

const fn parent(direction: Direction) -> u32 {
    match direction {
        Direction::In => INGRESS,
        Direction::Out => EGRESS,
    }
}

/// If that cannot be read, there is something.
fn has_filters(index: i32, parent: u32) -> bool {
    filters(index, parent).map_or(true, |filters| !filters.is_empty())
}

fn filters(index: i32, parent: u32) -> io::Result<Vec<TcMessage>> {
    let request = RouteNetlinkMessage::GetTrafficFilter(message(index, parent));
    let answers = netlink::dump(libc::NETLINK_ROUTE, request)?;
    Ok(answers
        .into_iter()
        .filter_map(|answer| match answer {
            RouteNetlinkMessage::NewTrafficFilter(filter) => Some(filter),
            _ => None,
        })
        .collect())
}

fn message(index: i32, parent: u32) -> TcMessage {
    let mut message = TcMessage::default();
    message.header.index = index;
    message.header.parent = TcHandle::from(parent);
    message
}
