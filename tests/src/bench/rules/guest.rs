//! Containers with an interface of their own and rules, as the loaded programs see them: one that is asked about at a time.

use anyhow::{Context, Result, ensure};
use berth_common::abi::{
    config::{Config, Interface},
    container::{Container, Mode, Usage},
    counters::Traffic,
    rules::{Line, chain::SLOTS, counters, header::Header},
    units::ContainerId,
};

use super::super::tuple::Tuple;
use super::super::world;
use crate::object::{Array, FlowMaps, Hash, Input, Object, Shelved, Shelves, shape, zero};

/// To a container, and from it.
pub const TO: &str = "berth_if_out";
const FROM: &str = "berth_if_in";
/// `lo`, on which the kernel has test runs take place.
const LO: u32 = 1;
const GENERATION: u32 = 1;
const FLOWS: u32 = 65_536;

/// A loaded object, and the tables of a node with containers behind `lo`.
pub struct Node {
    object: Object,
    config: Array<Config>,
    containers: Array<Container>,
    interfaces: Hash<u32, Interface>,
    shelves: Shelves,
    usage: Array<Usage>,
    last: u32,
    table: FlowMaps,
}

/// A container; it may have rules.
pub struct Guest {
    id: ContainerId,
    rules: Option<Ruleset>,
}

struct Ruleset {
    lines: Shelved,
    header: Header,
}

impl Node {
    /// Loads it, with no container.
    pub fn load() -> Result<Self> {
        let mut object = Object::load(&[TO, FROM], &[("FLOWS", FLOWS)])?;
        let config = Config { abi: berth_common::abi::VERSION, netns: 1, flows: shape(FLOWS), ..zero() };
        let mut shared = object.array("CONFIG")?;
        shared.set(0, config)?;
        let table = FlowMaps::take(&mut object, shape(FLOWS))?;
        Ok(Self {
            config: shared,
            containers: object.array("CONTAINERS")?,
            interfaces: object.hash("INTERFACES")?,
            shelves: object.shelves()?,
            usage: object.array("USAGE")?,
            last: 0,
            table,
            object,
        })
    }

    /// The object.
    pub fn object(&self) -> &Object {
        &self.object
    }

    /// Whether flows keep verdicts from now on; they do not unless told.
    pub fn keep_verdicts(&mut self, keep: bool) -> Result<()> {
        let config = Config { keep_verdicts: u32::from(keep), ..self.config.get(0)? };
        self.config.set(0, config)
    }

    /// A new container, with these rules if there are any.
    pub fn add(&mut self, mode: Mode, lines: &[Line]) -> Result<Guest> {
        self.last += 1;
        let id = ContainerId(self.last);
        let mut container = Container { generation: GENERATION, ..world::container(mode) };
        let mut rules = None;
        if let Some(first) = lines.first() {
            let header = Header::from_line(first).context("no ruleset")?;
            rules = Some(Ruleset { lines: self.shelves.set_rules(id, lines)?, header });
            container.flags |= Container::HAS_RULES;
        }
        self.containers.set(id.0, container)?;
        Ok(Guest { id, rules })
    }

    /// Puts other rules in the place of the container's.
    pub fn replace(&mut self, guest: &mut Guest, lines: &[Line]) -> Result<()> {
        let header = lines.first().and_then(Header::from_line).context("no ruleset")?;
        guest.rules = Some(Ruleset { lines: self.shelves.set_rules(guest.id, lines)?, header });
        Ok(())
    }

    /// All flows.
    pub fn flow_table(&mut self) -> &mut FlowMaps {
        &mut self.table
    }

    /// A packet comes to the container that is selected; tells whether it passes.
    pub fn receive(&self, packet: &Tuple) -> Result<bool> {
        self.run(TO, packet)
    }

    /// From now on it is this container that packets are for.
    pub fn select(&mut self, guest: &Guest) -> Result<()> {
        self.interfaces.insert(LO, Interface { container: guest.id, generation: GENERATION, flags: 0 })
    }

    /// The container that is selected sends a packet.
    pub fn send(&self, packet: &Tuple) -> Result<()> {
        ensure!(self.run(FROM, packet)?, "the container's packet was dropped");
        Ok(())
    }

    fn run(&self, program: &str, packet: &Tuple) -> Result<bool> {
        let frame = packet.frame()?;
        let run = self.object.run(program, &Input { frame: &frame, segments: 0, repeat: 1 })?;
        Ok(run.return_value.cast_signed() == -1)
    }

    /// How many flows a container has.
    pub fn flows(&self, guest: &Guest) -> Result<u64> {
        Ok(self.usage.get(guest.id.0)?.flows.held.count())
    }
}

impl Guest {
    /// How many packets each of its rules has counted, and last the policies.
    pub fn counted(&self) -> Result<Vec<u64>> {
        let Some(Ruleset { lines, header }) = &self.rules else { return Ok(Vec::new()) };
        let places = (header.counters..).take(counters::lines(header.rules) as usize);
        let lines = places.map(|line| lines.get(line)).collect::<Result<Vec<Line>>>()?;
        let counters = lines.iter().flat_map(|line| (0..4).filter_map(|place| counters::read(line, place)));
        let count = counters::policy(header.rules, SLOTS) as usize;
        Ok(counters.map(|Traffic { packets, .. }| packets).take(count).collect())
    }
}
