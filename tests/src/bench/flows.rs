//! What the flow table costs: flows that are found, begun, begun anew after they have expired, and begun in the place of others.

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use berth_common::abi::timeout::Timeout;

use super::ingress::{datagram, segment};
use super::listing;
use super::machine::stay_on_one;
use super::report::{Case, Hook, Report};
use super::samples::Samples;
use super::stack;
use super::turnstile::{Target, Turnstile};
use super::world::{TRACKED, TRACKED_PORT, World};
use crate::in_netns;
use crate::name;
use crate::netns::Netns;

/// `lo`, on which the kernel has test runs take place.
const LO: u32 = 1;
/// How many flows the table has room for unless configured otherwise.
const DEFAULT_TABLE: u32 = 1 << 16;
/// How many runs make one measurement, at least.
const RUNS: u32 = 1 << 18;
/// So many flows are made at a time where the table is to have few.
const FEW: u32 = 1 << 10;
/// How long flows last that are to expire, in seconds, and longer than that.
const SHORT: u32 = 2;
const LONGER: Duration = Duration::from_millis(2_300);

/// How to measure.
#[derive(clap::Args, Debug)]
pub struct Options {
    /// How many flows the table is to have; powers of two
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "1,65536,1048576")]
    flows: Vec<u32>,
    /// How often everything is measured
    #[arg(long, value_name = "N", default_value = "5")]
    rounds: u32,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Measures and prints.
pub fn run(options: &Options) -> Result<()> {
    stay_on_one().context("stay on one processor")?;
    let netns = Netns::create(&name::unique())?;
    let mut columns: Vec<Column> =
        options.flows.iter().map(|&flows| Column::new(flows)).collect::<Result<_>>()?;
    in_netns(&netns, || {
        for round in 0..=options.rounds {
            for column in &mut columns {
                // The first round warms up.
                column.measure(round > 0)?;
            }
        }
        anyhow::Ok(())
    })??;
    let mut cases: Vec<_> = columns.into_iter().flat_map(Column::cases).collect();
    for &flows in &options.flows {
        // One after the other, since each has three nodes.
        let mut column = stack::Column::new(flows)?;
        for round in 0..=options.rounds {
            column.measure(round > 0)?;
        }
        cases.extend(column.cases());
    }
    let mut commands = Vec::new();
    for &flows in &options.flows {
        commands.extend(listing::measure(flows, options.rounds)?);
    }
    Report::new("Flows", options.rounds, cases).with_commands(commands).print(options.json)
}

/// The measurements with one number of flows in the table, which has room for little more.
struct Column {
    flows: u32,
    at_once: u32,
    world: World,
    turnstile: Turnstile,
    /// Makes at least [`FEW`] flows.
    opening: Turnstile,
    samples: [(&'static str, Samples); 6],
}

impl Column {
    fn new(flows: u32) -> Result<Self> {
        let world = World::load(&["berth_up_in"], flows.max(DEFAULT_TABLE), LO, None)?;
        let program = world.object().program("berth_up_in")?;
        let at_once = flows.max(FEW);
        let cases = ["empty program", "found", "begun", "begun anew", "in the place of another", "swept"];
        Ok(Self {
            flows,
            at_once,
            turnstile: Turnstile::new(program, flows)?,
            opening: Turnstile::new(program, at_once)?,
            samples: cases.map(|name| (name, Samples::default())),
            world,
        })
    }

    /// One round.
    fn measure(&mut self, counts: bool) -> Result<()> {
        let runs = RUNS.max(2 * self.flows);
        let packet = datagram(TRACKED_PORT)?;
        let empty = self.turnstile.run(Target::Empty, &packet, runs)?;
        let begun = self.begin()?;
        let found = self.turnstile.run(Target::Measured, &packet, runs)?;
        ensure!(
            self.world.flows(TRACKED)? == u64::from(self.flows),
            "a flow was begun that should not have been"
        );
        let swept = self.world.sweep(TRACKED, self.flows)?;
        let evicted = self.evict()?;
        let anew = self.begin_anew()?;
        if counts {
            let above = [found, begun, anew, evicted].map(|taken| taken - empty);
            let all = [empty].into_iter().chain(above).chain([swept]);
            for ((_, samples), taken) in self.samples.iter_mut().zip(all) {
                samples.add(taken);
            }
        }
        Ok(())
    }

    /// Begins all flows, and some more where they are few; leaves as many as there shall be.
    fn begin(&mut self) -> Result<f64> {
        let packet = datagram(TRACKED_PORT)?;
        self.world.flush(TRACKED)?;
        let taken = self.opening.run(Target::Measured, &packet, self.at_once)?;
        ensure!(self.world.flows(TRACKED)? == u64::from(self.at_once), "not every packet has begun a flow");
        if self.flows < self.at_once {
            self.world.flush(TRACKED)?;
            self.turnstile.run(Target::Measured, &packet, self.flows)?;
        }
        Ok(taken)
    }

    /// Connections take the place of all flows.
    fn evict(&mut self) -> Result<f64> {
        self.world.limit(TRACKED, self.flows)?;
        let before = self.world.evicted(TRACKED)?;
        let taken = self.opening.run(Target::Measured, &segment()?, self.at_once)?;
        let evicted = self.world.evicted(TRACKED)? - before;
        ensure!(evicted == u64::from(self.at_once), "{evicted} of {} flows were evicted", self.at_once);
        self.world.limit(TRACKED, u32::MAX)?;
        Ok(taken)
    }

    /// The same packets once more, when their flows have expired.
    fn begin_anew(&mut self) -> Result<f64> {
        let packet = datagram(TRACKED_PORT)?;
        self.world.flush(TRACKED)?;
        self.world.timeout(TRACKED, Timeout::UDP, SHORT)?;
        self.opening.run(Target::Measured, &packet, self.at_once)?;
        thread::sleep(LONGER);
        let taken = self.opening.run(Target::Measured, &packet, self.at_once)?;
        ensure!(
            self.world.flows(TRACKED)? == u64::from(self.at_once),
            "flows were begun beside expired ones"
        );
        self.world.timeout(TRACKED, Timeout::UDP, 0)?;
        Ok(taken)
    }

    fn cases(self) -> Vec<Case> {
        let flows = self.flows;
        let case = |(name, samples): (&'static str, Samples)| {
            Some(Case { hook: Hook::UplinkIngress, name, flows, ns: samples.summary()? })
        };
        self.samples.into_iter().filter_map(case).collect()
    }
}
