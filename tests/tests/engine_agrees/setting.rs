//! What both sides begin with.

use berth_common::abi::{
    address::{Address, AddressEntry, OwnAddress},
    config::Config,
    container::{Container, PortRange},
    flow::Flow,
    port::Claim,
    socket::SocketOwner,
    units::{ContainerId, Nanos, Port, Protocol},
};
use berth_common::engine::tables::Found;
use berth_common::memory::generate::{Random, Scene};
use berth_common::memory::{Capacity, MemoryTables, Snapshot, Socket};
use berth_common::wire::ether::Mac;

use crate::memory::Memory;
use crate::step::{self, Step};
use crate::trial::SECOND;

/// Ids that containers may have, the host's included. Not every one is a container's.
pub const CONTAINERS: usize = 6;
/// The node's network namespace, as far as the programs know.
pub const NETNS: u64 = 77;
/// How many packets have made flows before anything is compared.
const WARM_UP: usize = 400;
/// What containers are guaranteed of the flow table: together more than a small one has.
const GUARANTEES: [u32; 4] = [0, 2, 8, 40];
const HOUR: Nanos = Nanos::seconds(3600);

/// What both sides begin with.
pub struct Setting {
    /// The tables.
    pub snapshot: Snapshot,
    /// Whether the packets of sockets are on an uplink, rather than within the node.
    pub on_uplink: bool,
    /// Whose each of [`SOCKETS`] is.
    pub owners: Vec<SocketOwner>,
}

/// Sockets that lookups find: protocol, port, and whether at one address of the node only.
pub const SOCKETS: &[(Protocol, u16, bool)] = &[
    (Protocol::UDP, 53, false),
    (Protocol::UDP, 53, true),
    (Protocol::UDP, 4000, true),
    (Protocol::UDP, 40_000, false),
    (Protocol::TCP, 80, false),
    (Protocol::TCP, 80, true),
    (Protocol::TCP, 4000, false),
    (Protocol::TCP, 13, true),
];

/// [`SOCKETS`], each for both families.
pub fn sockets(scene: &Scene) -> impl Iterator<Item = Socket> {
    let v4 = scene.local.iter().find(|address| address.is_ipv4()).copied();
    let v6 = scene.local.iter().find(|address| address.is_ipv6()).copied();
    SOCKETS.iter().flat_map(move |&(protocol, port, exact)| {
        [v4, v6].into_iter().flatten().map(Address::from).map(move |address| {
            let address = if exact { address } else { address.wildcard() };
            Socket::bound(protocol, address, Port(port))
        })
    })
}

/// One of the node's addresses.
pub fn local_address(scene: &Scene, random: &mut Random) -> Address {
    random.pick(&scene.local).map_or(Address::ANY4, Address::from)
}

impl Setting {
    /// Some containers with addresses, reservations and flows.
    pub fn random(scene: &Scene, capacity: Capacity, now: Nanos, random: &mut Random) -> Self {
        let empty = MemoryTables::new(capacity);
        empty.set_now(now);
        empty.set_drops_unowned(random.once_in(3));
        for id in 1..CONTAINERS {
            // One that does not exist.
            if !random.once_in(6) {
                let id = ContainerId(id as u32);
                empty.add_container(id, container(random));
                assert!(empty.guarantee(id, random.pick(&GUARANTEES).unwrap_or(0)));
            }
        }
        for _ in 0..random.below(24) {
            let owner = ContainerId(1 + random.below(CONTAINERS - 1) as u32);
            let bound = random.once_in(2);
            let claim = if bound { Claim::bound(owner) } else { Claim::permanent(owner, random.once_in(4)) };
            // Those that conflict are refused.
            let _ = empty.reserve(&step::port_key(scene, random), claim);
        }
        let mut snapshot = empty.export();
        snapshot.addresses = addresses(scene, &snapshot, random);
        snapshot.own_addresses = own_addresses(scene, &snapshot, random);
        let mut setting = Self { snapshot, on_uplink: random.once_in(2), owners: Vec::new() };
        setting.owners = sockets(scene).map(|_| setting.owner(random)).collect();
        setting.warm_up(scene, capacity, now, random);
        setting
    }

    /// The configuration that tells the programs of it; `lo`, on which test runs take place, is interface 1.
    pub fn config(&self, cgroup_level: u8) -> Config {
        let own = self.snapshot.addresses.iter().filter(|(_, entry)| entry.owner.is_container()).count();
        let mut config: Config = berth_tests::object::zero();
        config.abi = berth_common::abi::VERSION;
        config.unowned = self.snapshot.unowned;
        config.netns = NETNS;
        config.uplinks[0] = u32::from(self.on_uplink);
        config.container_addresses = own as u32;
        config.cgroup_levels[0] = cgroup_level;
        config.flows = self.snapshot.flows.shape;
        config
    }

    /// The generation of a container that exists.
    pub fn generation(&self, id: ContainerId) -> Option<u32> {
        let found = self.snapshot.containers.iter().find(|(other, _)| *other == id);
        found.map(|(_, container)| container.generation)
    }

    /// What a lookup says that finds a socket with this mark.
    pub fn found(&self, owner: &SocketOwner) -> Found {
        let current = owner.netns == NETNS && self.generation(owner.container) == Some(owner.generation);
        if current { Found::Container(owner.container) } else { Found::Other }
    }

    /// A mark of some container, of one that is gone, or of another network namespace.
    fn owner(&self, random: &mut Random) -> SocketOwner {
        let container = ContainerId(random.below(CONTAINERS) as u32);
        let generation = self.generation(container).unwrap_or(1) + u32::from(random.once_in(5));
        SocketOwner { container, generation, netns: NETNS + u64::from(random.once_in(5)) }
    }

    /// Makes flows and fragments by packets, has some of them end, and others change hands.
    fn warm_up(&mut self, scene: &Scene, capacity: Capacity, now: Nanos, random: &mut Random) {
        let mut memory = Memory::new(self, scene, capacity);
        memory.set_now(now);
        for _ in 0..random.below(WARM_UP) {
            memory.step(&Step::random(scene, random));
        }
        let mut snapshot = memory.snapshot();
        for (_, flow) in snapshot.flows.slots.iter_mut().filter(|(_, flow)| flow.expires.0 != 0) {
            age(flow, now, random);
        }
        for (_, place) in &mut snapshot.fragments {
            place.fragment.expires = if random.once_in(4) { Nanos(1) } else { now.after(HOUR) };
        }
        for (_, usage) in &mut snapshot.usage {
            // Some have sent almost as many control packets in this second as they may.
            if random.once_in(2) {
                usage.control = (now.0 >> SECOND << 32) + 63;
            }
        }
        // It may be growing: then all that was there is on the old side.
        let shape = snapshot.flows.shape;
        let more = shape.slots + 16;
        snapshot.flows.shape = match random.below(4) {
            0 => shape.looking(more),
            1 => shape.looking(more).making(),
            _ => shape,
        };
        self.snapshot = snapshot;
    }
}

/// Ended, being deleted, or good for longer than any comparison lasts.
fn age(flow: &mut Flow, now: Nanos, random: &mut Random) {
    flow.expires = match random.below(8) {
        0 | 1 => Nanos(1),
        2 => Nanos(0),
        _ => now.after(HOUR),
    };
    // Who is charged does not change by this.
    if flow.opener.is_container() && random.once_in(6) {
        flow.responder = ContainerId(random.below(CONTAINERS) as u32);
    }
    if random.once_in(4) {
        flow.port_epoch = flow.port_epoch.wrapping_sub(1);
    }
}

fn container(random: &mut Random) -> Container {
    let generation = 1 + random.below(3) as u32;
    Container {
        generation,
        mode: random.below(5) as u8,
        // What is known of interfaces, of half of them.
        flags: random.below(4) as u8 | if random.once_in(2) { (random.below(8) as u8) << 5 } else { 0 },
        range_count: 0,
        flow_events: 0,
        flow_limit: random.pick(&[0, 3, 60, 100_000, 100_000, 100_000]).unwrap_or(0),
        port_limit: random.pick(&[0, 2, 100_000, 100_000]).unwrap_or(0),
        ranges: [PortRange { first: Port(0), last: Port(0) }; 8],
        guard_limit: 1_000,
        // One in a second, of some.
        flow_rate: u32::from(generation == 3),
    }
}

/// What containers have on their own interfaces: some of the node's, some of those who are far, some hardware addresses.
fn own_addresses(scene: &Scene, snapshot: &Snapshot, random: &mut Random) -> Vec<(OwnAddress, u32)> {
    let ip = scene.local.iter().chain(&scene.remote).map(|&address| Address::from(address));
    let macs = Scene::MACS.map(|mac| Mac::from_octets(mac).link_local());
    let candidates: Vec<Address> = ip.chain(macs).collect();
    let mut all = Vec::new();
    for &(container, Container { generation, .. }) in &snapshot.containers {
        for &address in &candidates {
            if !random.once_in(3) {
                let stamp = generation + u32::from(random.once_in(12));
                all.push((OwnAddress { address, container }, stamp));
            }
        }
    }
    all.sort_unstable_by_key(|(key, _)| *key);
    all
}

/// The node's addresses, few of them a container's alone, some of those of one that is gone.
fn addresses(scene: &Scene, snapshot: &Snapshot, random: &mut Random) -> Vec<(Address, AddressEntry)> {
    let host = AddressEntry { owner: ContainerId::HOST, generation: 0 };
    let mut addresses: Vec<(Address, AddressEntry)> =
        scene.local.iter().map(|&address| (Address::from(address), host)).collect();
    for (_, entry) in &mut addresses {
        if let Some((owner, container)) = random.pick(&snapshot.containers).filter(|_| random.once_in(6)) {
            let generation = container.generation + u32::from(random.once_in(4));
            *entry = AddressEntry { owner, generation };
        }
    }
    addresses.sort_unstable_by_key(|(address, _)| *address);
    addresses
}
