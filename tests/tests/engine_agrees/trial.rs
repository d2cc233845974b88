//! The same steps on both sides, and what they say.

use anyhow::Result;
use berth_common::abi::counters::Counters;
use berth_common::abi::units::Nanos;
use berth_common::memory::generate::Scene;
use berth_common::memory::{Capacity, Snapshot};
use nix::time::{ClockId, clock_gettime};

use crate::compare;
use crate::kernel::Kernel;
use crate::memory::Memory;
use crate::setting::{CONTAINERS, Setting};
use crate::step::Step;

/// The second by which containers' control packets are limited, as a shift.
pub const SECOND: u32 = 30;
/// How long before the end of such a second no step begins.
const MARGIN: u64 = 100_000_000;
/// No flow that is made in a trial ends in it: the shortest time that one has is 10 s. No step begins after this.
const LIMIT: Nanos = Nanos::seconds(5);
/// A step that ends later than this may have been stopped in its middle for too long.
const LATEST: Nanos = Nanos::seconds(8);

/// What comes of a step: what a program returned, or for a request its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What was returned, or the reason for a refusal.
    pub code: u32,
    /// How many entries were changed, or who holds the port.
    pub result: u32,
}

/// Counters of each container, the host first; then those of nobody and of frames that are not IP.
pub type Tally = [Counters; CONTAINERS + 2];

/// How a trial ended.
pub enum Outcome {
    /// Both sides said the same.
    Agreed {
        /// How many steps there was time for.
        steps: usize,
        /// What has been counted.
        tally: Box<Tally>,
    },
    /// They did not.
    Differed(String),
    /// The machine was so slow that they need not have.
    Disturbed,
}

/// Both sides take the same steps.
pub fn run(
    kernel: &mut Kernel,
    setting: &Setting,
    steps: &[Step],
    (scene, capacity): (&Scene, Capacity),
) -> Result<Outcome> {
    kernel.prepare(setting)?;
    let mut memory = Memory::new(setting, scene, capacity);
    let start = now()?;
    let mut taken = 0;
    for step in steps {
        let before = calm_now()?;
        if before > start.after(LIMIT) {
            break;
        }
        memory.set_now(before);
        let loaded = kernel.step(step, setting)?;
        let after = now()?;
        if after.0 >> SECOND != before.0 >> SECOND || after > start.after(LATEST) {
            return Ok(Outcome::Disturbed);
        }
        if after != before {
            // Slots rest for milliseconds: nobody can tell which of both times the program has seen.
            memory.follow(&kernel.snapshot()?, &kernel.tally()?);
            continue;
        }
        taken += 1;
        let engine = memory.step(step);
        let tally = kernel.tally()?;
        if loaded != engine || tally != *memory.tally() {
            let counters = compare::tallies(&tally, memory.tally());
            return Ok(Outcome::Differed(format!(
                "step: {step}\nloaded program: {loaded:?}\nengine in memory: {engine:?}\n{counters}"
            )));
        }
    }
    let (loaded, engine): (Snapshot, Snapshot) = (kernel.snapshot()?, memory.snapshot());
    Ok(match compare::snapshots(&loaded, &engine) {
        None => Outcome::Agreed { steps: taken, tally: Box::new(*memory.tally()) },
        Some(text) => Outcome::Differed(format!("the tables afterwards:\n{text}")),
    })
}

/// The clock that the programs look at.
pub fn now() -> Result<Nanos> {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC_COARSE)?;
    Ok(Nanos(u64::try_from(time.tv_sec())? * 1_000_000_000 + u64::try_from(time.tv_nsec())?))
}

/// The clock when the present second is not about to end.
fn calm_now() -> Result<Nanos> {
    loop {
        let now = now()?;
        let left = (1 << SECOND) - (now.0 & ((1 << SECOND) - 1));
        if left > MARGIN {
            return Ok(now);
        }
        std::thread::sleep(std::time::Duration::from_nanos(left));
    }
}
