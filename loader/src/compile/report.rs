//! What the compiler hands back.

use berth_common::abi::counters::Traffic;
use berth_common::abi::rules::{Line, counters, header::Header};

use super::input::{BuiltIn, Family};

/// A compiled ruleset.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// Its lines.
    pub lines: Vec<Line>,
    /// Where things are in them.
    pub header: Header,
    /// What it costs, and where its entries come from.
    pub report: Report,
}

/// What a compiled ruleset costs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Source rules.
    pub rules: usize,
    /// Bytes of all lines.
    pub bytes: usize,
    /// The built-in chains.
    pub roots: Vec<Root>,
}

/// What one built-in chain became.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// In which family.
    pub family: Family,
    /// Which chain.
    pub chain: BuiltIn,
    /// An upper bound on the entries that a packet meets without the walk ending there.
    pub steps: u32,
    /// Tables in which a packet is looked up.
    pub tables: usize,
    /// Most nodes that a packet comes through in all tables together.
    pub lookups: u32,
    /// Where each entry comes from, in order; the last one is the policy of the last leg.
    pub origins: Vec<Origin>,
}

/// Where an entry comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The counter of the rule, or of the policy.
    pub counter: u32,
    /// What part it plays.
    pub role: Role,
}

/// What part an entry plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The rule itself: it is counted and acts.
    Rule,
    /// Checks of the rule that come before conditions on fields: nothing is counted.
    Guard,
    /// Back from the chain that the rule went to: nothing is counted.
    Back,
    /// A policy: it is counted.
    Policy,
}

impl Role {
    /// Whether packets are counted there.
    pub(super) const fn counts(self) -> bool {
        match self {
            Self::Rule | Self::Policy => true,
            Self::Guard | Self::Back => false,
        }
    }
}

impl Compiled {
    /// Stamps it with a generation, which no other ruleset of the container has had.
    pub fn stamp(&mut self, generation: u64) {
        self.header.generation = generation;
        if let Some(line) = self.lines.first_mut() {
            *line = self.header.to_line();
        }
    }

    /// Lets a counter begin at what was counted before.
    pub fn set_base(&mut self, counter: u32, traffic: Traffic) {
        let (line, place) = self.header.base_place(counter);
        if let Some(line) = self.lines.get_mut(line as usize) {
            counters::write(line, place, traffic);
        }
    }
}
