//! The loaded programs.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use anyhow::{Context, Result};
use berth_common::abi::{
    address::{Address, AddressEntry, OwnAddress},
    config::{Config, Interface, Runtime},
    container::{Container, Usage},
    control::Control,
    counters::{Both, Counters, Traffic},
    fragment::FragmentPlace,
    port::{PortEntry, PortKey},
    socket::{CgroupEntry, SocketOwner},
    units::{ContainerId, Protocol},
};
use berth_common::memory::generate::Scene;
use berth_common::memory::{Capacity, Snapshot, Socket};
use berth_tests::object::{Array, FlowMaps, Hash, Input, Object, PerCpu, Storage, shape, zero};
use berth_tests::{Endpoint as _, Host};
use socket2::{Domain, Type};

use crate::place::Place;
use crate::setting::{CONTAINERS, Setting, sockets};
use crate::step::{Hook, PROGRAMS, Step};
use crate::trial::{Answer, Tally};

/// `lo`, on which the kernel has test runs take place.
const LO: u32 = 1;
/// What the kernel takes off before a socket's program sees the packet: two addresses, and a type for experiments, of
/// which it expects nothing. The programs do not look at it.
const ETHERNET: [u8; 14] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x88, 0xb5];

/// The loaded programs and their maps.
pub struct Kernel {
    object: Object,
    config: Array<Config>,
    /// What is in it.
    configured: Option<Config>,
    runtime: Array<Runtime>,
    containers: Array<Container>,
    usage: Array<Usage>,
    counters: PerCpu<Counters>,
    node_counters: PerCpu<Counters>,
    cgroups: Hash<u64, CgroupEntry>,
    interfaces: Hash<u32, Interface>,
    addresses: Hash<Address, AddressEntry>,
    own_addresses: Hash<OwnAddress, u32>,
    flows: FlowMaps,
    ports: Hash<PortKey, PortEntry>,
    summaries: Array<u64>,
    fragments: Array<FragmentPlace>,
    owners: Storage<SocketOwner>,
    control: Array<Control>,
    sockets: Vec<socket2::Socket>,
    place: Place,
    /// Words of `PORT_SUMMARY` that may not be zero.
    touched: BTreeSet<u32>,
}

impl Kernel {
    /// Loads the programs and makes the sockets that lookups find.
    pub fn load(place: &Place, scene: &Scene, capacity: Capacity) -> Result<Self> {
        let entries = |count: usize| u32::try_from(count);
        let flows = entries(capacity.flows)?;
        let sizes = [
            ("CONTAINERS", entries(capacity.containers)?),
            ("USAGE", entries(capacity.containers)?),
            ("COUNTERS", entries(capacity.containers)?),
            ("FLOWS", flows),
            ("PORTS", entries(capacity.ports)?),
        ];
        let mut object = Object::load(PROGRAMS, &sizes)?;
        Ok(Self {
            config: object.array("CONFIG")?,
            configured: None,
            runtime: object.array("RUNTIME")?,
            containers: object.array("CONTAINERS")?,
            usage: object.array("USAGE")?,
            counters: object.per_cpu("COUNTERS")?,
            node_counters: object.per_cpu("NODE_COUNTERS")?,
            cgroups: object.hash("CGROUPS")?,
            interfaces: object.hash("INTERFACES")?,
            addresses: object.hash("ADDRESSES")?,
            own_addresses: object.hash("OWN_ADDRESSES")?,
            flows: FlowMaps::take(&mut object, shape(flows))?,
            ports: object.hash("PORTS")?,
            summaries: object.array("PORT_SUMMARY")?,
            fragments: object.array("FRAGMENTS")?,
            owners: object.storage("SOCKET_OWNERS")?,
            control: object.array("CONTROL")?,
            sockets: sockets(scene).map(|socket| open(place.host(), &socket)).collect::<Result<_>>()?,
            place: place.clone(),
            touched: BTreeSet::new(),
            object,
        })
    }

    /// Puts into the maps what the setting has, and nothing else.
    pub fn prepare(&mut self, setting: &Setting) -> Result<()> {
        let Snapshot { runtime, containers, usage, addresses, own_addresses, flows, .. } = &setting.snapshot;
        let Snapshot { ports, summaries, fragments, .. } = &setting.snapshot;
        self.clear()?;
        self.configure(setting.config(self.place.level()))?;
        self.runtime.set(0, *runtime)?;
        for &(id, container) in containers {
            self.containers.set(id.0, container)?;
        }
        for &(id, usage) in usage {
            self.usage.set(id.0, usage)?;
        }
        for &(address, entry) in addresses {
            self.addresses.insert(address, entry)?;
        }
        for &(address, generation) in own_addresses {
            self.own_addresses.insert(address, generation)?;
        }
        self.flows.import(flows)?;
        for &(key, entry) in ports {
            self.ports.insert(key, entry)?;
        }
        for &(index, word) in summaries {
            self.summaries.set(index, word)?;
            self.touched.insert(index);
        }
        for &(number, place) in fragments {
            self.fragments.set(number, place)?;
        }
        for (socket, &owner) in self.sockets.iter().zip(&setting.owners) {
            self.owners.set(socket, owner)?;
        }
        Ok(())
    }

    fn configure(&mut self, config: Config) -> Result<()> {
        if self.configured != Some(config) {
            self.config.set(0, config)?;
            self.configured = Some(config);
        }
        Ok(())
    }

    /// What comes of a step.
    pub fn step(&mut self, step: &Step, setting: &Setting) -> Result<Answer> {
        match step {
            Step::Request(request) => self.request(*request),
            Step::Packet { hook, actor, segments, bytes } => {
                let generation = setting.generation(*actor).unwrap_or_default();
                if hook.is_on_sockets() {
                    self.cgroups
                        .insert(self.place.cgroup(), CgroupEntry { container: *actor, generation })?;
                } else if !hook.is_on_uplink() {
                    let flags = if hook.has_ethernet() { 0 } else { Interface::BARE };
                    self.interfaces.insert(LO, Interface { container: *actor, generation, flags })?;
                }
                let mut config = setting.config(self.place.level());
                if hook.is_on_uplink() && !hook.has_ethernet() {
                    (config.uplinks[0], config.bare_uplinks) = (LO, 1);
                }
                self.configure(config)?;
                self.packet(*hook, *segments, bytes)
            }
        }
    }

    /// All counters.
    pub fn tally(&self) -> Result<Tally> {
        let mut tally: Tally = [zero(); CONTAINERS + 2];
        let owners = (0..).map(|index| self.counters.get(index)).take(CONTAINERS);
        let others = (0..2).map(|index| self.node_counters.get(index));
        for (total, values) in tally.iter_mut().zip(owners.chain(others)) {
            values?.iter().for_each(|counters| sum(total, counters));
        }
        Ok(tally)
    }

    /// All tables.
    pub fn snapshot(&self) -> Result<Snapshot> {
        let unused = Usage::default();
        let mut snapshot = Snapshot {
            unowned: self.config.get(0)?.unowned,
            runtime: self.runtime.get(0)?,
            addresses: self.addresses.entries()?,
            own_addresses: self.own_addresses.entries()?,
            flows: self.flows.export()?,
            ports: self.ports.entries()?,
            fragments: self.fragments()?,
            ..Snapshot::default()
        };
        for id in (0..).take(CONTAINERS) {
            let (container, usage) = (self.containers.get(id)?, self.usage.get(id)?);
            snapshot.containers.extend((container.generation != 0).then_some((ContainerId(id), container)));
            snapshot.usage.extend((usage != unused).then_some((ContainerId(id), usage)));
        }
        for &index in &self.touched {
            let word = self.summaries.get(index)?;
            snapshot.summaries.extend((word != 0).then_some((index, word)));
        }
        snapshot.addresses.sort_unstable_by_key(|(key, _)| *key);
        snapshot.own_addresses.sort_unstable_by_key(|(key, _)| *key);
        snapshot.ports.sort_unstable_by_key(|(key, _)| *key);
        Ok(snapshot)
    }

    fn request(&mut self, request: Control) -> Result<Answer> {
        self.touched.extend(request.key.summary_index());
        self.control.set(0, request)?;
        let input = Input { frame: &[0; 64], segments: 0, repeat: 1 };
        self.object.run("berth_control", &input).context("run the control program")?;
        let Control { flags, result, .. } = self.control.get(0)?;
        Ok(Answer { code: flags, result })
    }

    fn packet(&self, hook: Hook, segments: u32, bytes: &[u8]) -> Result<Answer> {
        let framed;
        let frame = if hook.is_on_sockets() {
            framed = [&ETHERNET, bytes].concat();
            &framed
        } else {
            bytes
        };
        let input = Input { frame, segments, repeat: 1 };
        let run =
            self.object.run(hook.program(), &input).with_context(|| format!("run {}", hook.program()))?;
        Ok(Answer { code: run.return_value, result: 0 })
    }

    fn clear(&mut self) -> Result<()> {
        for id in (0..).take(CONTAINERS) {
            self.containers.set(id, zero())?;
            self.usage.set(id, zero())?;
            self.counters.set(id, zero())?;
        }
        for index in 0..Counters::NODE_ENTRIES {
            self.node_counters.set(index, zero())?;
        }
        for index in std::mem::take(&mut self.touched) {
            self.summaries.set(index, 0)?;
        }
        self.addresses.clear()?;
        self.own_addresses.clear()?;
        self.ports.clear()?;
        for (number, _) in self.fragments()? {
            self.fragments.set(number, zero())?;
        }
        Ok(())
    }

    /// The places that were ever used.
    fn fragments(&self) -> Result<Vec<(u32, FragmentPlace)>> {
        let mut places = self.fragments.values()?;
        places.retain(|(_, place)| place.turn != 0);
        Ok(places)
    }
}

/// A socket as the lookups in memory know it.
fn open(host: &Host, socket: &Socket) -> Result<socket2::Socket> {
    let local = SocketAddr::new(IpAddr::from(socket.local.address), socket.local.port.0);
    let listens = socket.protocol == Protocol::TCP;
    let kind = if listens { Type::STREAM } else { Type::DGRAM };
    let made = host.socket(Domain::for_address(local), kind, None)?;
    if local.is_ipv6() {
        made.set_only_v6(true)?;
    }
    // A wildcard and one of its addresses at once.
    made.set_reuse_port(true)?;
    made.bind(&local.into()).with_context(|| format!("bind {local}"))?;
    if listens {
        made.listen(1)?;
    }
    Ok(made)
}

fn sum(total: &mut Counters, counters: &Counters) {
    let both = [
        (&mut total.uplink, &counters.uplink),
        (&mut total.local, &counters.local),
        (&mut total.interface, &counters.interface),
        (&mut total.forwarded, &counters.forwarded),
        (&mut total.dropped, &counters.dropped),
    ];
    for (total, counters) in both {
        let Both { inward, outward } = total;
        for (total, Traffic { packets, bytes }) in [(inward, counters.inward), (outward, counters.outward)] {
            total.packets += packets;
            total.bytes += bytes;
        }
    }
    for (total, count) in total.drops.iter_mut().zip(counters.drops) {
        *total += count;
    }
}
