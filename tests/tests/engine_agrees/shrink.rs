//! Leaving out what a difference does not need.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::Result;
use berth_common::memory::Capacity;
use berth_common::memory::generate::Scene;

use crate::kernel::Kernel;
use crate::setting::Setting;
use crate::step::Step;
use crate::trial::{self, Outcome};

/// How long it is worth trying.
const LIMIT: Duration = Duration::from_secs(20);
/// How many steps are printed at most, the last ones.
const SHOWN: usize = 20;

/// The fewest steps found after which the sides still differ, and how they do.
pub fn shrink(
    kernel: &mut Kernel,
    setting: &Setting,
    steps: &[Step],
    world: (&Scene, Capacity),
) -> Result<String> {
    let deadline = Instant::now() + LIMIT;
    let mut steps = steps.to_vec();
    let mut difference = String::from("it could not be reproduced");
    let mut size = steps.len();
    while size > 0 && Instant::now() < deadline {
        let mut start = 0;
        while start < steps.len() && Instant::now() < deadline {
            let end = steps.len().min(start + size);
            let fewer = [&steps[..start], &steps[end..]].concat();
            if let Outcome::Differed(text) = trial::run(kernel, setting, &fewer, world)? {
                (steps, difference) = (fewer, text);
            } else {
                start = end;
            }
        }
        size /= 2;
    }
    let mut text = format!("shrunk to {} steps:\n{difference}\nafter:\n", steps.len());
    for step in steps.iter().skip(steps.len().saturating_sub(SHOWN)) {
        writeln!(text, "  {step}")?;
    }
    writeln!(text, "from: {:?}", setting.snapshot)?;
    Ok(text)
}
