//! Leaving out what a difference does not need.

use std::time::{Duration, Instant};

use anyhow::Result;
use berth::rules::generate::shrink;

use crate::trial::{self, Sides, Trial};

/// How long it is worth trying.
const LIMIT: Duration = Duration::from_secs(60);

/// The smallest trial found on which the sides still differ, and how they do.
pub fn shrink(sides: &mut Sides, trial: Trial) -> Result<String> {
    let deadline = Instant::now() + LIMIT;
    let Trial { ruleset, packets } = fewer_packets(sides, trial, deadline);
    let mut differs =
        |trial: &Trial| Instant::now() < deadline && sides.run(trial).is_ok_and(|all| !all.is_empty());
    let ruleset = shrink::minimal(ruleset, |ruleset| {
        differs(&Trial { ruleset: ruleset.clone(), packets: packets.clone() })
    });
    let trial = fewer_packets(sides, Trial { ruleset, packets }, deadline);
    let differences = sides.run(&trial)?;
    trial::describe(&trial, &differences)
}

fn fewer_packets(sides: &mut Sides, mut trial: Trial, deadline: Instant) -> Trial {
    let mut size = trial.packets.len();
    while size > 0 && Instant::now() < deadline {
        let mut start = 0;
        while start < trial.packets.len() && Instant::now() < deadline {
            let end = trial.packets.len().min(start + size);
            let packets = [&trial.packets[..start], &trial.packets[end..]].concat();
            let fewer = Trial { packets, ..trial.clone() };
            if sides.run(&fewer).is_ok_and(|all| !all.is_empty()) {
                trial = fewer;
            } else {
                start = end;
            }
        }
        size /= 2;
    }
    trial
}
