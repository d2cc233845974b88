//! The engine's rules once more, as plainly as can be: lists that are searched from end to end, nothing cached, nothing
//! packed, no counters where one can count. Written from the design, not from the engine.

mod flows;
mod lookup;
mod packets;
mod ports;
mod rings;

use std::{
    collections::{BTreeMap, VecDeque},
    net::IpAddr,
};

use berth_common::abi::units::{ContainerId, Zone};

use super::talk::End;
use crate::support::*;

const SECOND: u64 = 1_000_000_000;

#[derive(Clone, Copy, Debug)]
pub struct Tenant {
    pub stateful: bool,
    pub flow_limit: u64,
    pub port_limit: u64,
}

#[derive(Clone, Debug)]
pub struct Flow {
    /// Which node of the rings it is.
    node: usize,
    zone: Zone,
    protocol: u8,
    /// The opener's end, then the other.
    ends: (End, End),
    /// For whom an entry beside the pair's is.
    sharer: Option<ContainerId>,
    pub opener: ContainerId,
    pub responder: ContainerId,
    began: u64,
    pub expires: u64,
    replied: bool,
    assured: bool,
    pub out: u64,
    pub back: u64,
}

impl Flow {
    pub fn charged(&self) -> ContainerId {
        if self.opener.is_container() { self.opener } else { self.responder }
    }
}

#[derive(Clone, Debug)]
struct Reservation {
    protocol: u8,
    local: (IpAddr, u16),
    owner: ContainerId,
    sockets: u32,
    permanent: bool,
}

/// Where a packet's flow is in the list, and whether the packet comes from its opener.
type Place = (usize, bool);

pub struct Model {
    pub now: u64,
    pub strict: bool,
    pub tenants: BTreeMap<ContainerId, Tenant>,
    pub addresses: Vec<(IpAddr, ContainerId)>,
    pub flows: Vec<Flow>,
    /// Nodes there ever were.
    nodes: usize,
    /// The nodes of flows, and of such as are no more, in the order in which they are looked at.
    rings: BTreeMap<ContainerId, VecDeque<usize>>,
    /// Until when nobody looks for flows that have expired.
    dry_until: BTreeMap<ContainerId, u64>,
    ports: Vec<Reservation>,
    /// Ports that more than one container has held keys of since they were last free.
    mixed: Vec<(u8, bool, u16)>,
    sockets: Vec<(u8, (IpAddr, u16), ContainerId)>,
    pub flow_failures: BTreeMap<ContainerId, u64>,
    pub evicted: BTreeMap<ContainerId, u64>,
}

fn any_of(address: IpAddr) -> IpAddr {
    ip_address(if address.is_ipv4() { "0.0.0.0" } else { "::" })
}

impl Model {
    pub fn new(now: u64) -> Self {
        Self {
            now,
            strict: false,
            tenants: BTreeMap::new(),
            addresses: Vec::new(),
            flows: Vec::new(),
            nodes: 0,
            rings: BTreeMap::new(),
            dry_until: BTreeMap::new(),
            ports: Vec::new(),
            mixed: Vec::new(),
            sockets: Vec::new(),
            flow_failures: BTreeMap::new(),
            evicted: BTreeMap::new(),
        }
    }

    pub fn open_socket(&mut self, protocol: u8, local: (IpAddr, u16), owner: ContainerId) {
        self.close_socket(protocol, local);
        self.sockets.push((protocol, local, owner));
    }

    pub fn close_socket(&mut self, protocol: u8, local: (IpAddr, u16)) {
        self.sockets.retain(|socket| (socket.0, socket.1) != (protocol, local));
    }
}
