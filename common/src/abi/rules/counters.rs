//! Counters of source rules and policies: packets and bytes, four counters a line.
//!
//! Each is there twice. Packets are counted by the kernel in the counters proper; the base is written by user space
//! alone and has what a rule had counted in rulesets before this one. What is shown is the sum. So no packet is lost
//! when a ruleset is replaced while traffic flows: user space writes the old ruleset's last counts into the base of
//! the new one, and never a line that the kernel counts in.

use super::{Line, chain::SLOTS, header::Header};
use crate::abi::counters::Traffic;

/// Words of a counter.
pub const COUNTER_WORDS: u32 = 2;

/// Counters in a line.
pub const COUNTERS_A_LINE: u32 = 4;

/// Lines that the counters of so many rules and of the policies take.
pub const fn lines(rules: u32) -> u32 {
    rules.saturating_add(SLOTS).div_ceil(COUNTERS_A_LINE)
}

/// The counter of the policy in a slot of a ruleset with so many counters of rules.
pub const fn policy(rules: u32, slot: u32) -> u32 {
    rules.saturating_add(slot)
}

impl Header {
    /// Line and place in it (0 to 3) of a counter.
    pub const fn counter_place(&self, counter: u32) -> (u32, usize) {
        (self.counters + counter / COUNTERS_A_LINE, (counter % COUNTERS_A_LINE) as usize)
    }

    /// Line and place in it of a counter's base.
    pub const fn base_place(&self, counter: u32) -> (u32, usize) {
        (self.base + counter / COUNTERS_A_LINE, (counter % COUNTERS_A_LINE) as usize)
    }
}

/// The counter at a place of a line.
pub fn read(line: &Line, place: usize) -> Option<Traffic> {
    match line.chunks_exact(COUNTER_WORDS as usize).nth(place)? {
        [packets, bytes] => Some(Traffic { packets: *packets, bytes: *bytes }),
        _ => None,
    }
}

/// Writes the counter at a place of a line.
pub fn write(line: &mut Line, place: usize, traffic: Traffic) {
    if let Some([packets, bytes]) = line.chunks_exact_mut(COUNTER_WORDS as usize).nth(place) {
        *packets = traffic.packets;
        *bytes = traffic.bytes;
    }
}
