//! The loaded program, on two processors at once: packets that open flows, go on with them, and have others evicted, while flows
//! expire, are swept and flushed, quotas change, and the table grows. Whenever all is quiet, the table must be whole, and what is counted must be
//! what is there.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Context, Result, ensure};
use berth_common::abi::{
    address::{Address, AddressEntry},
    config::Config,
    container::{Container, Held, Mode, PortRange, Usage},
    control::Control,
    flow::{Flow, State},
    port::PortKey,
    units::{ContainerId, Nanos, Port, Protocol},
};
use berth_common::memory::{FlowArrays, generate::Random};
use berth_tests::frame::{Packet, ethernet_ip};
use berth_tests::object::{Array, FlowMaps, Hash, Input, Object, shape, zero};
use berth_tests::topology::{NODE_MAC, NODE_V4, REMOTE_MAC};
use berth_tests::{cases, privileged};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

const IN: &str = "berth_up_in";
/// `lo`, on which the kernel has test runs take place.
const LO: u32 = 1;
/// Fewer slots than limits allow, so that the table is full at times.
const SLOTS: u32 = 48;
/// Nor has it more when it has grown.
const MOST_SLOTS: u32 = 60;
const CONTAINERS: u32 = 3;
const PORT: u16 = 7000;
const LIMITS: [u32; 6] = [0, 1, 5, 12, 20, 30];
/// Of one and the same guarantee for all three, the largest would leave little for all.
const GUARANTEES: [u32; 4] = [0, 3, 8, 14];
/// Flows that each container may have packets in.
const FAR: usize = 40;
/// What each thread does between two checks.
const STEPS: usize = 400;
const ROUNDS: usize = 150;
const LEAST_ROUNDS: usize = 20;
/// After so many there is a new table, which may grow.
const ROUNDS_OF_A_TABLE: usize = 30;

struct World {
    object: Object,
    flows: FlowMaps,
    containers: Array<Container>,
    usage: Array<Usage>,
    control: Array<Control>,
    limits: BTreeMap<ContainerId, u32>,
    config: Array<Config>,
}

/// What a thread does in one round; the first thread alone works on what the loader works on.
enum Step {
    Packet(ContainerId, usize),
    Sweep(ContainerId),
    Flush(ContainerId),
    Limit(ContainerId, u32),
    Guarantee(ContainerId, u32),
    Grow,
}

fn ids() -> impl Iterator<Item = ContainerId> {
    (1..=CONTAINERS).map(ContainerId)
}

fn container(limit: u32) -> Container {
    Container {
        generation: 1,
        mode: Mode::Stateful as u8,
        flags: 0,
        range_count: 0,
        flow_events: 0,
        flow_limit: limit,
        port_limit: 10,
        ranges: [PortRange { first: Port(0), last: Port(0) }; 8],
        guard_limit: 0,
        flow_rate: 0,
    }
}

impl World {
    fn load() -> Result<Self> {
        let sizes = [("FLOWS", SLOTS), ("CONTAINERS", CONTAINERS + 1), ("USAGE", CONTAINERS + 1)];
        let mut object = Object::load(&[IN, "berth_control"], &sizes)?;
        let mut config = Config { abi: berth_common::abi::VERSION, netns: 1, flows: shape(SLOTS), ..zero() };
        config.uplinks[0] = LO;
        let mut shared = object.array("CONFIG")?;
        shared.set(0, config)?;
        let node = AddressEntry { owner: ContainerId::HOST, generation: 0 };
        let mut addresses: Hash<Address, AddressEntry> = object.hash("ADDRESSES")?;
        addresses.insert(Address::from(NODE_V4), node)?;
        let mut world = Self {
            flows: FlowMaps::take(&mut object, shape(SLOTS))?,
            containers: object.array("CONTAINERS")?,
            usage: object.array("USAGE")?,
            control: object.array("CONTROL")?,
            limits: BTreeMap::new(),
            config: shared,
            object,
        };
        for id in ids() {
            world.limit(id, 20)?;
            let key = PortKey::new(Protocol::UDP, Address::ANY4, Port(port(id)));
            let request = Control { operation: Control::RESERVE, container: id, key, ..zero() };
            ensure!(world.request(request)?.flags == 0, "a port was refused");
        }
        Ok(world)
    }

    fn limit(&mut self, id: ContainerId, limit: u32) -> Result<()> {
        self.limits.insert(id, limit);
        self.containers.set(id.0, container(limit))
    }

    fn request(&mut self, request: Control) -> Result<Control> {
        self.control.set(0, request)?;
        self.object.run("berth_control", &Input { frame: &[0; 64], segments: 0, repeat: 1 })?;
        self.control.get(0)
    }

    fn held(&self, id: ContainerId) -> Result<u64> {
        Ok(self.usage.get(id.0)?.flows.held.count())
    }

    /// Both threads at once. Returns the highest limit that each container has had.
    fn run(
        &mut self,
        [first, second]: [Vec<Step>; 2],
        frames: &Frames,
    ) -> Result<BTreeMap<ContainerId, u64>> {
        let before: BTreeMap<_, _> = ids().map(|id| Ok((id, self.held(id)?))).collect::<Result<_>>()?;
        let changes = first.iter().filter_map(|step| match step {
            Step::Limit(id, limit) => Some((*id, *limit)),
            _ => None,
        });
        let mut highest = before;
        for (id, limit) in self.limits.clone().into_iter().chain(changes) {
            let highest = highest.entry(id).or_default();
            *highest = (*highest).max(limit.into());
        }
        let Self { object, containers, usage, control, limits, flows, config } = self;
        let (object, done) = (&*object, &AtomicBool::new(false));
        let (usage, highest) = (&*usage, &highest);
        thread::scope(|scope| {
            let other = scope.spawn(move || {
                on_processor(1)?;
                for step in second {
                    if let Step::Packet(id, far) = step {
                        arrive(object, frames.of(id, far))?;
                    }
                }
                anyhow::Ok(())
            });
            // Not at quiet moments only: at no time is more held than there may be.
            let watcher = scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    for (id, highest) in highest {
                        let held = usage.get(id.0)?.flows.held.count();
                        ensure!(held <= *highest, "{id:?} holds {held} of at most {highest}");
                    }
                }
                Ok(())
            });
            let own = || {
                on_processor(0)?;
                for step in first {
                    let request = match step {
                        Step::Packet(id, far) => {
                            arrive(object, frames.of(id, far))?;
                            continue;
                        }
                        Step::Limit(id, limit) => {
                            limits.insert(id, limit);
                            containers.set(id.0, container(limit))?;
                            continue;
                        }
                        Step::Sweep(id) => {
                            Control { operation: Control::SWEEP_FLOWS, container: id, ..zero() }
                        }
                        Step::Flush(id) => {
                            Control { operation: Control::FLUSH_FLOWS, container: id, ..zero() }
                        }
                        // In vain now and then, if the other is quicker each time.
                        Step::Guarantee(container, flows) => {
                            Control { operation: Control::GUARANTEE, container, flows, ..zero() }
                        }
                        Step::Grow => {
                            let slots = config.get(0)?.flows.slots + 1;
                            if slots > MOST_SLOTS {
                                continue;
                            }
                            flows.grow(config, slots, |request| {
                                control.set(0, request)?;
                                object.run(
                                    "berth_control",
                                    &Input { frame: &[0; 64], segments: 0, repeat: 1 },
                                )?;
                                control.get(0)
                            })?;
                            continue;
                        }
                    };
                    control.set(0, request)?;
                    object.run("berth_control", &Input { frame: &[0; 64], segments: 0, repeat: 1 })?;
                }
                anyhow::Ok(())
            };
            let result = own();
            let other = other.join().expect("the other thread");
            done.store(true, Ordering::Relaxed);
            result.and(other).and(watcher.join().expect("the watcher"))
        })?;
        Ok(highest.clone())
    }

    /// Nothing is lost or counted twice.
    fn check(&self, highest: &BTreeMap<ContainerId, u64>) -> Result<()> {
        let arrays = self.flows.export()?;
        let faults = arrays.faults();
        ensure!(faults.is_empty(), "{}", faults.join("\n"));
        let all: Vec<Held> = ids().map(|id| Ok(self.usage.get(id.0)?.flows.held)).collect::<Result<_>>()?;
        let promised: u64 = all.iter().map(|held| held.promised()).sum();
        ensure!(arrays.pool.promised == promised, "{:?}: {all:?}", arrays.pool);
        let there = arrays.held();
        for (id, highest) in highest {
            let (held, there) = (self.held(*id)?, there.get(id).copied().unwrap_or(0));
            ensure!(held == there, "{id:?} is charged for {held} flows and has {there}");
            ensure!(held <= *highest, "{id:?} holds {held} of at most {highest}");
        }
        Ok(())
    }

    /// Some flows expire, and some become worth keeping.
    fn age(&mut self, random: &mut Random) -> Result<()> {
        for (number, flow) in self.flows.flows()? {
            let flow = match random.below(8) {
                0 | 1 => Flow { expires: Nanos(1), ..flow },
                2 => Flow { state: flow.state.with(State::ASSURED), ..flow },
                _ => continue,
            };
            self.flows.set(number, flow)?;
        }
        Ok(())
    }
}

/// A frame for each flow.
struct Frames(BTreeMap<(ContainerId, usize), Vec<u8>>);

impl Frames {
    fn new() -> Result<Self> {
        let mut frames = BTreeMap::new();
        for id in ids() {
            for (far, port_there) in (0..FAR).zip(1_000..) {
                let from = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1)), port_there);
                let packet = Packet::udp(from, SocketAddr::new(NODE_V4, port(id))).build()?;
                frames.insert((id, far), ethernet_ip(REMOTE_MAC, NODE_MAC, &packet));
            }
        }
        Ok(Self(frames))
    }

    fn of(&self, id: ContainerId, far: usize) -> &[u8] {
        &self.0[&(id, far)]
    }
}

fn port(id: ContainerId) -> u16 {
    PORT + u16::try_from(id.0).unwrap_or(0)
}

fn arrive(object: &Object, frame: &[u8]) -> Result<()> {
    object.run(IN, &Input { frame, segments: 0, repeat: 1 }).map(drop).context("a packet")
}

fn on_processor(number: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(number)?;
    // A machine of one has both there, one after the other as the scheduler likes.
    let _ = sched_setaffinity(Pid::from_raw(0), &set);
    Ok(())
}

fn steps(random: &mut Random, alone: bool) -> Vec<Step> {
    let one = |random: &mut Random| {
        let id = random.pick(&[1, 2, 3]).map_or(ContainerId::HOST, ContainerId);
        match random.below(200) {
            0..=7 if alone => Step::Sweep(id),
            8 if alone => Step::Flush(id),
            9 if alone && random.once_in(4) => Step::Grow,
            10..=12 if alone => Step::Limit(id, random.pick(&LIMITS).unwrap_or(0)),
            13..=14 if alone => Step::Guarantee(id, random.pick(&GUARANTEES).unwrap_or(0)),
            _ => Step::Packet(id, random.below(FAR)),
        }
    };
    (0..STEPS).map(|_| one(random)).collect()
}

#[test]
fn what_is_counted_is_what_is_there() -> Result<()> {
    privileged!();
    let seed = cases::seed()?;
    let mut random = Random::new(seed);
    let frames = Frames::new()?;
    let mut left = cases::number(ROUNDS, LEAST_ROUNDS)?;
    while left > 0 {
        let rounds = left.min(ROUNDS_OF_A_TABLE);
        with_a_table(rounds, &mut random, &frames)
            .with_context(|| format!("{left} rounds left, seed {seed}"))?;
        left -= rounds;
    }
    Ok(())
}

fn with_a_table(rounds: usize, random: &mut Random, frames: &Frames) -> Result<()> {
    let mut world = World::load()?;
    for round in 0..rounds {
        let plans = [steps(random, true), steps(random, false)];
        let highest = world.run(plans, frames)?;
        world.check(&highest).with_context(|| format!("after round {round}"))?;
        world.age(random)?;
    }
    if rounds < LEAST_ROUNDS {
        return Ok(());
    }
    // All of it has happened.
    let all: Vec<Usage> = ids().map(|id| world.usage.get(id.0)).collect::<Result<_>>()?;
    assert!(all.iter().all(|usage| usage.evicted > 0 && usage.flows.failcnt > 0), "{all:?}");
    let FlowArrays { pool, shape, .. } = world.flows.export()?;
    let taken: u64 = pool.queues.iter().map(|queue| queue.head).sum();
    assert!(taken > u64::from(SLOTS) && pool.hand > 0, "slots came round, and were stolen: {pool:?}");
    assert!(shape.slots > SLOTS + 1, "it has grown: {shape:?}");
    Ok(())
}
