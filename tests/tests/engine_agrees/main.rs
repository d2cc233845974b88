//! The engine in memory and the loaded programs, given the same tables and the same packets, say the same: verdicts,
//! counters, reasons, and what is in the tables afterwards.
#![allow(clippy::cast_possible_truncation, reason = "what is cast here is small: ids, counts, kinds")]

mod compare;
mod coverage;
mod kernel;
mod memory;
mod place;
mod setting;
mod shrink;
mod step;
mod trial;

use anyhow::{Result, bail, ensure};
use berth_common::abi::reason::Reason;
use berth_common::memory::Capacity;
use berth_common::memory::generate::{Random, Scene};
use berth_tests::{cases, privileged};

use coverage::Coverage;
use kernel::Kernel;
use place::Place;
use setting::{CONTAINERS, Setting};
use step::Step;
use trial::Outcome;

/// How many packets and requests, of both tests together. With fewer some reasons do not come up, and are not asked for: what is
/// emulated is to show that its kernel does as the engine does, and needs a minute for 5,000.
const STEPS: usize = 120_000;
const LEAST_STEPS: usize = 9_000;
/// Most of them in one trial, and how many trials there are at least.
const TRIAL: usize = 6_000;
const TRIALS: usize = 6;

#[test]
fn the_engine_agrees_with_the_loaded_programs() -> Result<()> {
    privileged!();
    agree(Capacity { flows: 8_192, ports: 1_024, ..capacity() }, steps()? * 2 / 3, &[Reason::FlowTableFull])
}

#[test]
fn the_engine_agrees_when_tables_are_full() -> Result<()> {
    privileged!();
    agree(Capacity { flows: 40, ports: 10, ..capacity() }, steps()? / 3, &[])
}

fn steps() -> Result<usize> {
    cases::number(STEPS, LEAST_STEPS)
}

fn capacity() -> Capacity {
    Capacity { containers: CONTAINERS, ..Capacity::default() }
}

/// `missing` is what does not come up with such tables.
fn agree(capacity: Capacity, wanted: usize, missing: &[Reason]) -> Result<()> {
    let seed = cases::seed()?;
    let scene = Scene::default();
    Place::visit(|place| {
        let mut kernel = Kernel::load(place, &scene, capacity)?;
        let mut random = Random::new(seed);
        let (mut ran, mut disturbed, mut coverage) = (0, 0, Coverage::default());
        while ran < wanted {
            let mut source = Random::new(random.bits());
            let setting = Setting::random(&scene, capacity, trial::now()?, &mut source);
            let count = 1 + source.below(TRIAL.min(wanted / TRIALS));
            let steps: Vec<Step> = (0..count).map(|_| Step::random(&scene, &mut source)).collect();
            match trial::run(&mut kernel, &setting, &steps, (&scene, capacity))? {
                Outcome::Agreed { steps, tally } => {
                    ran += steps;
                    coverage.add(&tally);
                }
                Outcome::Disturbed => {
                    disturbed += 1;
                    ensure!(disturbed < 20, "this machine is too slow or too busy for a comparison");
                }
                Outcome::Differed(text) => {
                    let shrunk = shrink::shrink(&mut kernel, &setting, &steps, (&scene, capacity))?;
                    bail!("{text}\n{shrunk}\n(reproduce with --seed {seed})");
                }
            }
        }
        println!("{ran} packets and requests agreed\n{coverage}");
        coverage.expect_places()?;
        if steps()? >= STEPS { coverage.expect_all_but(missing) } else { Ok(()) }
    })
}
