//! A node with its containers and addresses, and the hooks' way of asking the engine.

use std::net::SocketAddr;

use berth_common::engine::flow_table::FlowTable as _;
use berth_common::{
    abi::{
        address::Address,
        container::{Container, MAX_PORT_RANGES, Mode, PortRange, Usage},
        counters::Traffic,
        flow::{End, Flow, FlowKey, State},
        port::{Claim, PortKey},
        reason::Reason,
        units::{ContainerId, Nanos, Port, Protocol, Zone},
    },
    engine::{
        Headers, Trace, Verdict, Way, egress,
        headers::Place,
        ingress,
        ports::Refusal,
        tables::{Found, Tables as _},
        verdict::Owner,
    },
    memory::{Bytes, Capacity, MemoryTables, Socket},
    wire::ether,
};

use super::{ICMP, ICMPV6, ip_address};

/// Two containers in stateless mode, to quarrel.
pub const A: ContainerId = ContainerId(1);
pub const B: ContainerId = ContainerId(2);
/// A third, which has nothing to do with it.
pub const C: ContainerId = ContainerId(3);
/// Two in stateful mode.
pub const S: ContainerId = ContainerId(4);
pub const T: ContainerId = ContainerId(5);
/// One that has addresses of its own ([`OWN4`], [`OWN6`]), stateless.
pub const O: ContainerId = ContainerId(6);
/// One in disabled mode, and one in full mode.
pub const D: ContainerId = ContainerId(7);
pub const F: ContainerId = ContainerId(8);

pub const HOST: ContainerId = ContainerId::HOST;
pub const UNOWNED: ContainerId = ContainerId::UNOWNED;

/// The node's addresses.
pub const L4: &str = "192.0.2.1";
pub const M4: &str = "192.0.2.2";
pub const L6: &str = "2001:db8::1";
pub const LINK6: &str = "fe80::1";
/// Addresses of [`O`] alone.
pub const OWN4: &str = "192.0.2.60";
pub const OWN6: &str = "2001:db8::60";
/// Other hosts.
pub const R4: &str = "198.51.100.7";
pub const R6: &str = "2001:db8:f::7";

pub const PACKET: Traffic = Traffic { packets: 1, bytes: 100 };

/// A node.
pub struct Node {
    pub tables: MemoryTables,
}

impl Node {
    pub fn new() -> Self {
        Self::with(Capacity { containers: 16, flows: 1024, ports: 1024, ..Capacity::default() })
    }

    pub fn with(capacity: Capacity) -> Self {
        let tables = MemoryTables::new(capacity);
        tables.set_now(Nanos::seconds(1_000));
        let node = Self { tables };
        for (id, mode) in [
            (A, Mode::Stateless),
            (B, Mode::Stateless),
            (C, Mode::Stateless),
            (S, Mode::Stateful),
            (T, Mode::Stateful),
            (O, Mode::Stateless),
            (D, Mode::Disabled),
            (F, Mode::Full),
        ] {
            node.container(id, mode, 100, 100);
        }
        for address in [L4, M4, L6, LINK6] {
            node.tables.add_address(ip_address(address).into(), HOST);
        }
        node
    }

    /// Gives [`O`] its addresses, without which the node has none that is a container's alone.
    pub fn with_own_addresses() -> Self {
        let node = Self::new();
        for address in [OWN4, OWN6] {
            node.tables.add_address(ip_address(address).into(), O);
        }
        node
    }

    /// Adds a container, or changes one.
    pub fn container(&self, id: ContainerId, mode: Mode, flow_limit: u32, port_limit: u32) {
        let container = Container {
            generation: 1,
            mode: mode as u8,
            flags: 0,
            range_count: 0,
            flow_events: 0,
            flow_limit,
            port_limit,
            ranges: [PortRange { first: Port(0), last: Port(0) }; MAX_PORT_RANGES],
            guard_limit: 1_000,
            flow_rate: 0,
        };
        assert!(self.tables.add_container(id, container));
    }

    /// Gives a container a network of its own.
    pub fn own_network(&self, id: ContainerId) {
        let mut container = (&self.tables).container(id).expect("a container");
        container.flags |= Container::OWN_NETWORK;
        assert!(self.tables.add_container(id, container));
    }

    /// What is known of a container's own interface: bits of [`Container::KNOWN_ADDRESSES`] and its neighbours, and what addresses
    /// it has there.
    pub fn known(&self, id: ContainerId, flags: u8, addresses: &[Address]) {
        let container = (&self.tables).container(id).expect("a container");
        let flags = container.flags | Container::OWN_NETWORK | flags;
        assert!(self.tables.add_container(id, Container { flags, ..container }));
        for address in addresses {
            self.tables.add_own_address(id, *address);
        }
    }

    pub fn headers(packet: &[u8]) -> Headers {
        Bytes(packet).in_packet().expect("headers")
    }

    /// A socket of `sender` sends by an uplink.
    pub fn send(&self, sender: ContainerId, packet: &[u8]) -> Reason {
        self.send_in(Zone::UPLINK, sender, packet)
    }

    /// A socket of `sender` sends on `lo`.
    pub fn send_local(&self, sender: ContainerId, packet: &[u8]) -> Reason {
        self.send_in(Zone::LOCAL, sender, packet)
    }

    pub fn send_in(&self, zone: Zone, sender: ContainerId, packet: &[u8]) -> Reason {
        let headers = Self::headers(packet);
        let verdict =
            egress::send(&&self.tables, (&Bytes(packet), &headers), (sender, zone), true, Some(PACKET));
        assert_eq!(verdict.owner, Owner::new(sender, Way::Cgroup));
        verdict.reason
    }

    /// Whether a raw or packet socket of `sender` may speak for whoever is there, flow or no flow.
    pub fn speaks(&self, sender: ContainerId, packet: &[u8]) -> Reason {
        egress::speaks_for_another(&&self.tables, &Self::headers(packet), (sender, Zone::UPLINK))
    }

    /// A socket of the host sends by an uplink.
    pub fn send_by_host(&self, packet: &[u8]) {
        egress::by_host(&&self.tables, &Self::headers(packet), Zone::UPLINK);
    }

    /// The kernel sends on `lo`; whether that has moved a connection of a container's on.
    pub fn send_by_kernel(&self, packet: &[u8]) -> bool {
        egress::by_kernel(&&self.tables, (&Bytes(packet), &Self::headers(packet)), Zone::LOCAL, PACKET)
    }

    /// A packet socket of `sender` sends a frame that is not IP.
    pub fn send_frame(&self, sender: ContainerId, frame: &[u8]) -> Reason {
        let (kind, offset) = ether::payload(&Bytes(frame));
        egress::send_non_ip(&&self.tables, &Bytes(frame), kind, offset, sender)
    }

    /// A packet arrives at an uplink.
    pub fn arrive(&self, packet: &[u8]) -> Verdict {
        let headers = Self::headers(packet);
        ingress::arrive(&&self.tables, (&Bytes(packet), &headers), Zone::UPLINK, Trace::None, PACKET)
    }

    /// Whose a packet is that arrives at an uplink; it must pass.
    pub fn owner(&self, packet: &[u8]) -> (ContainerId, Way) {
        let verdict = self.arrive(packet);
        assert_eq!(verdict.reason, Reason::None);
        (verdict.owner.id, verdict.owner.way)
    }

    /// Whose a packet of the kernel is that leaves by an uplink.
    pub fn leave(&self, packet: &[u8]) -> (ContainerId, Way) {
        let headers = Self::headers(packet);
        let verdict =
            ingress::leave(&&self.tables, (&Bytes(packet), &headers), Zone::UPLINK, Trace::None, PACKET);
        assert!(verdict.passes(), "what the kernel sends is never dropped");
        (verdict.owner.id, verdict.owner.way)
    }

    /// Whether a socket of `receiver` may have a packet that came by an uplink.
    pub fn may_receive(&self, receiver: ContainerId, packet: &[u8]) -> bool {
        self.may_receive_in(Zone::UPLINK, receiver, packet)
    }

    /// Whether a socket of `receiver` may have a packet from `lo` that a container has sent.
    pub fn may_receive_local(&self, receiver: ContainerId, packet: &[u8]) -> bool {
        self.may_receive_in(Zone::LOCAL, receiver, packet)
    }

    pub fn may_receive_in(&self, zone: Zone, receiver: ContainerId, packet: &[u8]) -> bool {
        self.receive(zone, receiver, packet, (Trace::Judged, None))
    }

    /// Whether a socket of `receiver` may have a packet from `lo` that the host has sent.
    pub fn may_receive_from_host(&self, receiver: ContainerId, packet: &[u8]) -> bool {
        self.receive(Zone::LOCAL, receiver, packet, (Trace::None, Some(PACKET)))
    }

    fn receive(
        &self,
        zone: Zone,
        receiver: ContainerId,
        packet: &[u8],
        (trace, traffic): (Trace, Option<Traffic>),
    ) -> bool {
        let headers = Self::headers(packet);
        let packet = (&Bytes(packet), &headers);
        let verdict = ingress::receive(&&self.tables, packet, (receiver, zone), trace, traffic);
        assert_eq!(verdict.owner.id, receiver);
        assert!(verdict.passes() || verdict.reason == Reason::NotOwner);
        verdict.passes()
    }

    /// Which of all containers may have a packet, at an uplink or on `lo`.
    pub fn receivers(&self, zone: Zone, packet: &[u8]) -> Vec<ContainerId> {
        [A, B, C, S, T, O, D, F].into_iter().filter(|id| self.may_receive_in(zone, *id, packet)).collect()
    }

    /// A packet on the container's own interface.
    pub fn on_interface(&self, container: ContainerId, inward: bool, packet: &[u8]) -> Reason {
        let headers = Self::headers(packet);
        let verdict = ingress::on_interface(
            &&self.tables,
            (&Bytes(packet), &headers),
            (container, inward),
            Trace::None,
            PACKET,
        );
        assert_eq!(verdict.owner, Owner::new(container, Way::Interface));
        verdict.reason
    }

    /// A frame on the container's own interface.
    pub fn frame_on_interface(&self, container: ContainerId, inward: bool, frame: &[u8]) -> Reason {
        let (bytes, whose) = (Bytes(frame), (container, inward));
        let verdict = match bytes.in_frame() {
            Some(headers) => {
                ingress::on_interface(&&self.tables, (&bytes, &headers), whose, Trace::None, PACKET)
            }
            None => ingress::unread_on_interface(&&self.tables, &bytes, ether::payload(&bytes), whose),
        };
        assert_eq!(verdict.owner, Owner::new(container, Way::Interface));
        verdict.reason
    }

    /// A socket of `owner` is bound to a port.
    pub fn bind(&self, owner: ContainerId, protocol: u8, local: &str) -> Result<(), Refusal> {
        self.tables.reserve(&port_key(protocol, local), Claim::bound(owner))
    }

    /// It is closed.
    pub fn unbind(&self, owner: ContainerId, protocol: u8, local: &str) {
        self.tables.release(&port_key(protocol, local), Claim::bound(owner));
    }

    /// The operator reserves a port.
    pub fn reserve(&self, owner: ContainerId, protocol: u8, local: &str) -> Result<(), Refusal> {
        self.tables.reserve(&port_key(protocol, local), Claim::permanent(owner, false))
    }

    /// The operator gives it up.
    pub fn unreserve(&self, owner: ContainerId, protocol: u8, local: &str) {
        self.tables.release(&port_key(protocol, local), Claim::permanent(owner, false));
    }

    /// A socket that lookups find, without a reservation.
    pub fn socket(&self, owner: ContainerId, protocol: u8, local: &str) {
        let End { address, port } = flow_end(local);
        let found = if owner == HOST { Found::Other } else { Found::Container(owner) };
        self.tables.add_socket(Socket::bound(Protocol(protocol), address, port), found);
    }

    /// It is closed.
    pub fn close(&self, protocol: u8, local: &str) {
        assert!(self.try_close(protocol, local), "a socket at {local}");
    }

    pub fn try_close(&self, protocol: u8, local: &str) -> bool {
        let End { address, port } = flow_end(local);
        self.tables.remove_socket(&Socket::bound(Protocol(protocol), address, port))
    }

    pub fn wait(&self, seconds: u64) {
        self.tables.advance(Nanos::seconds(seconds));
    }

    pub fn now(&self) -> Nanos {
        (&self.tables).now()
    }

    /// A container may begin so many flows in a second.
    pub fn flow_rate(&self, id: ContainerId, rate: u32) {
        let container = (&self.tables).container(id).expect("a container");
        self.tables.add_container(id, Container { flow_rate: rate, ..container });
    }

    /// A container has its FTP listened to, or not.
    pub fn helper_ftp(&self, id: ContainerId, wanted: bool) {
        let container = (&self.tables).container(id).expect("a container");
        let flags = container.flags & !Container::HELPER_FTP;
        let flags = if wanted { flags | Container::HELPER_FTP } else { flags };
        self.tables.add_container(id, Container { flags, ..container });
    }

    /// User space is told of flows of this container: as [`Container::flow_events`] has it.
    pub fn flow_events(&self, id: ContainerId, wanted: u8) {
        let container = (&self.tables).container(id).expect("a container");
        self.tables.add_container(id, Container { flow_events: wanted, ..container });
    }

    /// Sends so that the flow, of UDP, has gone to and fro for long enough to be kept.
    pub fn send_kept(&self, id: ContainerId, packet: &[u8], back: &[u8]) {
        assert_eq!(self.send(id, packet), Reason::None);
        assert_eq!(self.arrive(back).reason, Reason::None);
        self.wait(3);
        assert_eq!(self.send(id, packet), Reason::None);
        assert!(self.flow(packet).expect("a flow").state.has(State::ASSURED));
    }

    /// The uplink flow of a packet, whichever way it goes, if it has not expired.
    pub fn flow(&self, packet: &[u8]) -> Option<Flow> {
        self.flow_in(Zone::UPLINK, packet)
    }

    pub fn flow_in(&self, zone: Zone, packet: &[u8]) -> Option<Flow> {
        let flow = self.tables.flow_at(&flow_key(zone, packet))?;
        (flow.expires > self.now()).then_some(flow)
    }

    pub fn usage(&self, id: ContainerId) -> Usage {
        self.tables.usage_of(id).expect("a place for the id")
    }

    /// Flows held.
    pub fn flows_held(&self, id: ContainerId) -> u64 {
        self.usage(id).flows.held.count()
    }

    /// Port reservations held.
    pub fn ports_held(&self, id: ContainerId) -> u64 {
        self.usage(id).ports.held.count()
    }

    /// Holds what is counted against what is there, and the flow table against what must be. (Shared entries and expired ones count until they are deleted.)
    pub fn check(&self) {
        assert_eq!(self.tables.export().flows.faults(), Vec::<String>::new());
        let (pool, usage) = (self.tables.export().flows.pool, (0..16).map(|id| self.usage(ContainerId(id))));
        assert_eq!(pool.promised, usage.map(|usage| usage.flows.held.promised()).sum::<u64>(), "promises");
        for id in (0..16).map(ContainerId) {
            let charged = |flow: &Flow| if flow.opener.is_container() { flow.opener } else { flow.responder };
            let flows = self.tables.flows().iter().filter(|(_, flow)| charged(flow) == id).count();
            assert_eq!(self.flows_held(id), flows as u64, "flows of {id:?}");
            let ports = self.tables.ports().iter().filter(|(_, claim)| holds(*claim, id)).count();
            assert_eq!(self.ports_held(id), ports as u64, "reservations of {id:?}");
        }
    }
}

fn holds(claim: Claim, id: ContainerId) -> bool {
    !claim.is_free() && !claim.is_dead() && claim.owner() == id
}

pub fn flow_end(text: &str) -> End {
    let end: SocketAddr = text.parse().expect("address and port");
    End { address: end.ip().into(), port: Port(end.port()) }
}

/// `192.0.2.1:53`, `0.0.0.0:53`, `[::]:53`; the port may be an ICMP id or a GRE key.
pub fn port_key(protocol: u8, local: &str) -> PortKey {
    let End { address, port } = flow_end(local);
    let protocol = if protocol == ICMP && !address.is_v4() { ICMPV6 } else { protocol };
    PortKey::new(Protocol(protocol), address, port)
}

pub fn flow_key(zone: Zone, packet: &[u8]) -> FlowKey {
    Place::in_zone(zone).key(&Node::headers(packet))
}
