//! The tables of a node, as far as the benchmarks need one.

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use berth_common::abi::{
    address::{Address, AddressEntry},
    config::Config,
    container::{Container, Mode, PortRange, Usage},
    control::Control,
    counters::Counters,
    port::PortKey,
    rules::Line,
    socket::CgroupEntry,
    timeout::{Timeout, Timeouts},
    units::{ContainerId, Port, Protocol},
};

use crate::object::{Array, Hash, Input, Object, PerCpu, Shelves, shape, zero};
use crate::topology::NODE_V4;

/// A container all of whose traffic has flows.
pub const TRACKED: ContainerId = ContainerId(1);
/// A container whose traffic has flows only where nothing else tells whose it is.
pub const PLAIN: ContainerId = ContainerId(2);
/// A port that the tracked container has reserved.
pub const TRACKED_PORT: u16 = 7001;
/// A port that the plain one has reserved.
pub const PLAIN_PORT: u16 = 7002;

const GENERATION: u32 = 1;
/// Longer than slots rest for who is guaranteed none.
const RESTED: Duration = Duration::from_millis(150);
const IDS: u32 = 3;

/// A loaded object with the tables of a node with two containers.
pub struct World {
    object: Object,
    control: Array<Control>,
    counters: PerCpu<Counters>,
    node_counters: PerCpu<Counters>,
    usage: Array<Usage>,
    containers: Array<Container>,
    timeouts: Array<Timeouts>,
    shelves: Shelves,
    slots: u32,
}

impl World {
    /// Loads some programs. `uplink` is the index of the only one; `cgroup` the id and the level of the plain
    /// container's cgroup.
    pub fn load(programs: &[&str], flows: u32, uplink: u32, cgroup: Option<(u64, u8)>) -> Result<Self> {
        let programs = [programs, &["berth_control"]].concat();
        let mut object = Object::load(&programs, &[("FLOWS", flows)])?;
        let mut config: Config = zero();
        config.abi = berth_common::abi::VERSION;
        config.netns = 1;
        config.flows = shape(flows);
        config.uplinks[0] = uplink;
        config.cgroup_levels[0] = cgroup.map_or(0, |(_, level)| level);
        object.array("CONFIG")?.set(0, config)?;
        let mut containers = object.array("CONTAINERS")?;
        containers.set(TRACKED.0, container(Mode::Stateful))?;
        containers.set(PLAIN.0, container(Mode::Stateless))?;
        let node = AddressEntry { owner: ContainerId::HOST, generation: 0 };
        object.hash("ADDRESSES")?.insert(Address::from(NODE_V4), node)?;
        if let Some((id, _)) = cgroup {
            let entry = CgroupEntry { container: PLAIN, generation: GENERATION };
            let mut cgroups: Hash<u64, CgroupEntry> = object.hash("CGROUPS")?;
            cgroups.insert(id, entry)?;
        }
        let mut world = Self {
            control: object.array("CONTROL")?,
            counters: object.per_cpu("COUNTERS")?,
            node_counters: object.per_cpu("NODE_COUNTERS")?,
            usage: object.array("USAGE")?,
            containers,
            timeouts: object.array("TIMEOUTS")?,
            shelves: object.shelves()?,
            slots: flows,
            object,
        };
        world.reserve(TRACKED, Protocol::UDP, TRACKED_PORT)?;
        world.reserve(TRACKED, Protocol::TCP, TRACKED_PORT)?;
        world.reserve(PLAIN, Protocol::UDP, PLAIN_PORT)?;
        Ok(world)
    }

    /// The object.
    pub fn object(&self) -> &Object {
        &self.object
    }

    /// Makes this a set.
    pub fn put_set(&mut self, number: u32, lines: &[Line]) -> Result<()> {
        self.shelves.set_set(number, lines)
    }

    /// Puts rules in force for a container.
    pub fn put_rules(&mut self, id: ContainerId, lines: &[Line]) -> Result<()> {
        self.shelves.set_rules(id, lines).map(drop)
    }

    /// Sets flags of a container.
    pub fn add_flags(&mut self, id: ContainerId, flags: u8) -> Result<()> {
        let before = self.containers.get(id.0)?;
        self.containers.set(id.0, Container { flags: before.flags | flags, ..before })
    }

    /// Sets how many flows a container may have.
    pub fn limit(&mut self, id: ContainerId, limit: u32) -> Result<()> {
        let before = self.containers.get(id.0)?;
        self.containers.set(id.0, Container { flow_limit: limit, ..before })
    }

    /// Sets how long flows of a container last; zero is as long as unless set.
    pub fn timeout(&mut self, id: ContainerId, timeout: Timeout, seconds: u32) -> Result<()> {
        let Timeouts(mut all) = self.timeouts.get(id.0)?;
        *all.get_mut(timeout.0 as usize).context("no such timeout")? = seconds;
        self.timeouts.set(id.0, Timeouts(all))
    }

    /// Flows of a container that had to go for others.
    pub fn evicted(&self, id: ContainerId) -> Result<u64> {
        Ok(self.usage.get(id.0)?.evicted)
    }

    /// Has the hand of a container go over so many slots; returns how many nanoseconds that takes for each slot.
    pub fn sweep(&mut self, id: ContainerId, slots: u32) -> Result<f64> {
        self.over_slots(Control::SWEEP_FLOWS, id, slots)
    }

    /// Forgets every flow of a container, and waits until their slots may be used again.
    pub fn flush(&mut self, container: ContainerId) -> Result<()> {
        let held = u32::try_from(self.flows(container)?)?;
        self.over_slots(Control::FLUSH_FLOWS, container, self.slots)?;
        self.sweep(container, held)?;
        thread::sleep(RESTED);
        Ok(())
    }

    /// How many flows a container has.
    pub fn flows(&self, container: ContainerId) -> Result<u64> {
        Ok(self.usage.get(container.0)?.flows.held.count())
    }

    /// How many packets were counted for an owner on the uplink.
    pub fn packets(&self, owner: ContainerId) -> Result<u64> {
        let counters = if owner == ContainerId::UNOWNED {
            self.node_counters.get(Counters::UNOWNED)?
        } else {
            self.counters.get(owner.0)?
        };
        Ok(counters.iter().map(|one| one.uplink.inward.packets + one.uplink.outward.packets).sum())
    }

    /// Has something done with so many slots; returns how many nanoseconds that takes for each.
    fn over_slots(&mut self, operation: u32, container: ContainerId, slots: u32) -> Result<f64> {
        self.control.set(0, Control { operation, container, ..zero() })?;
        let input = Input { frame: &[0; 64], segments: 0, repeat: slots / Control::LOOKS + 1 };
        let run = self.object.run("berth_control", &input).context("run the control program")?;
        Ok(run.duration.as_secs_f64() * 1e9 / f64::from(Control::LOOKS))
    }

    fn reserve(&mut self, container: ContainerId, protocol: Protocol, port: u16) -> Result<()> {
        ensure!(container.0 < IDS, "no such container");
        let key = PortKey::new(protocol, Address::ANY4, Port(port));
        let answer = self.request(Control { operation: Control::RESERVE, container, key, ..zero() })?;
        ensure!(answer.flags == 0, "port {port} was refused: {answer:?}");
        Ok(())
    }

    fn request(&mut self, request: Control) -> Result<Control> {
        self.control.set(0, request)?;
        let input = Input { frame: &[0; 64], segments: 0, repeat: 1 };
        self.object.run("berth_control", &input).context("run the control program")?;
        self.control.get(0)
    }
}

/// A container of this mode, without limits.
pub fn container(mode: Mode) -> Container {
    Container {
        generation: GENERATION,
        mode: mode as u8,
        flags: 0,
        range_count: 0,
        flow_events: 0,
        flow_limit: u32::MAX,
        port_limit: u32::MAX,
        ranges: [PortRange { first: Port(0), last: Port(0) }; 8],
        guard_limit: 1_000,
        flow_rate: 0,
    }
}
