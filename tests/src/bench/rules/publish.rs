//! How long it takes until rules are in force.

use std::fs;
use std::io;
use std::time::Instant;

use anyhow::{Context, Result};
use berth::control::Kernel;
use berth_common::abi::units::ContainerId;
use serde::Serialize;

use super::super::samples::{Samples, Summary};
use super::ruleset::{self, Kind, Rules};
use crate::{Endpoint as _, SharedNode, in_netns};

/// A step on the way of rules into force.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// Which.
    pub name: &'static str,
    /// Milliseconds.
    pub ms: Summary,
    /// Milliseconds of a processor: on a busy machine, everything else waits for one.
    pub processor_ms: Summary,
}

/// What is measured.
#[derive(Clone, Debug, Serialize)]
pub struct Publishing {
    /// How many rules take the place of as many others.
    pub rules: usize,
    /// Bytes of the compiled rules.
    pub bytes: usize,
    /// The whole, and its largest parts, each measured by itself.
    pub steps: Vec<Step>,
}

/// Measures with so many rules.
pub fn measure(rules: usize, rounds: u32, seed: u64) -> Result<Publishing> {
    let texts = [seed, seed + 1].map(|seed| Rules::new(Kind::Stateful, rules, seed).text);
    let node = SharedNode::configured(&format!("[defaults]\nmax_rules = {rules}\n"))?;
    node.berth.ok(["container", "set", "a", "--mode", "stateful"])?;
    let daemon = node.berth.daemon_id().context("no daemon")?;
    let mut steps = Vec::new();
    let mut bytes = 0;
    for (round, text) in (0..=rounds).zip(texts.iter().cycle()) {
        let mut stopwatch = Stopwatch { steps: &mut steps, counts: round > 0, daemon };
        let file = node.berth.run_dir().join("rules");
        fs::write(&file, text)?;
        let file = file.to_str().context("a path that is not UTF-8")?;
        stopwatch.time("berth rules restore", || node.berth.ok(["rules", "restore", "a", file]))?;
        stopwatch.time("  berth status (a process and its answer)", || node.berth.ok(["status"]))?;
        let ruleset = stopwatch.time("  reading", || ruleset::read(text))?;
        let lowered = stopwatch.time("  lowering", || ruleset::lowered(&ruleset))?;
        let compiled = stopwatch.time("  compiling", || ruleset::compiled(&lowered))?;
        bytes = compiled.report.bytes;
        // As if all counters went on: those of rules that stay do.
        let carried: Vec<(u32, u32)> = (0..compiled.header.rules).map(|number| (number, number)).collect();
        let id = ContainerId(node.berth.container("a")?.id);
        in_netns(node.topology.node.netns(), || {
            let mut kernel = Kernel::join(node.berth.pin_dir())?;
            stopwatch.time("  writing to the kernel", || {
                Ok(kernel.set_ruleset(id, &compiled.lines, &carried, &[])?)
            })
        })??;
    }
    let step = |(name, [ms, processor_ms]): (&'static str, [Samples; 2])| {
        Some(Step { name, ms: ms.summary()?, processor_ms: processor_ms.summary()? })
    };
    Ok(Publishing { rules, bytes, steps: steps.into_iter().filter_map(step).collect() })
}

struct Stopwatch<'a> {
    steps: &'a mut Vec<(&'static str, [Samples; 2])>,
    counts: bool,
    daemon: u32,
}

impl Stopwatch<'_> {
    fn time<T>(&mut self, step: &'static str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let (start, before) = (Instant::now(), self.on_processor()?);
        let done = work()?;
        let taken = [start.elapsed().as_secs_f64() * 1e3, (self.on_processor()? - before) * 1e3];
        if self.counts {
            let place = self.steps.iter().position(|(name, _)| *name == step).unwrap_or_else(|| {
                self.steps.push((step, Default::default()));
                self.steps.len() - 1
            });
            for (samples, taken) in self.steps[place].1.iter_mut().zip(taken) {
                samples.add(taken);
            }
        }
        Ok(done)
    }

    /// Seconds that this process and the daemon have had a processor.
    #[allow(clippy::cast_precision_loss, reason = "far below where whole numbers cannot be told apart")]
    fn on_processor(&self) -> Result<f64> {
        let threads = ["self".to_owned(), self.daemon.to_string()].map(|id| format!("/proc/{id}/task"));
        let mut nanoseconds = 0;
        for thread in threads.iter().map(fs::read_dir).collect::<io::Result<Vec<_>>>()?.into_iter().flatten()
        {
            let text = fs::read_to_string(thread?.path().join("schedstat"))?;
            nanoseconds += text.split(' ').next().unwrap_or_default().parse::<u64>()?;
        }
        Ok(nanoseconds as f64 / 1e9)
    }
}
