//! What comes out of a walk.

use crate::{abi::reason::Reason, engine::rules::Ruling};

/// What is to become of the packet.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It passes.
    Accept = 0,
    /// It is dropped.
    Drop = 1,
    /// It is dropped, and its sender is told so in the way that [`Outcome::code`] says.
    Reject = 2,
    /// The tables make no sense: it is dropped.
    Corrupt = 3,
    /// The walk did not come to an end: it is dropped.
    Exhausted = 4,
    /// A check could not be told, since the container keeps as much as it may: it is dropped.
    OverQuota = 5,
    /// A check could not be told, since a table of the node is full: it is dropped.
    TableFull = 6,
}

/// The outcome of a walk. What it counted, it has counted.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What is to become of the packet.
    pub decision: Decision,
    /// Of a rejection: how.
    pub code: u8,
    /// Whether any other packet of the same flow, direction and state, as long as it is not a fragment, would have come
    /// to the same decision by the same entries, so counting in the same counters and doing nothing else.
    ///
    /// It is so if the walk met no *varying* entry: one that has a check, logs or marks, or that looks at a dimension
    /// that is not constant in a flow. To meet means more than to match: the walk also goes over the entries that match
    /// in all constant dimensions, and where the first of those is not the one that matches in all, some other packet
    /// would stop there. Fragments never share an answer (later ones have no ports), nor does ICMP, whose code the
    /// flow does not know.
    pub constant: bool,
    /// The packet's mark after the walk.
    pub mark: u32,
    /// The counter of the rule or policy that decided; of no meaning if there were no rules.
    pub counter: u32,
    /// Of a chain of table nat: line of the [target](crate::abi::rules::target) that the flow is translated to; zero for none.
    pub target: u32,
}

impl Outcome {
    /// What this means for the packet.
    #[inline(always)]
    pub const fn ruling(&self) -> Ruling {
        let reason = match self.decision {
            Decision::Accept => Reason::None,
            Decision::Drop => Reason::Rule,
            Decision::Reject => Reason::Rejected,
            Decision::Corrupt | Decision::Exhausted => Reason::RulesDamaged,
            Decision::OverQuota => Reason::GuardQuota,
            Decision::TableFull => Reason::GuardTableFull,
        };
        Ruling { reason, code: self.code, is_counted: false }
    }

    /// Where there are no rules at all.
    pub const NO_RULES: Self = Self {
        decision: Decision::Accept,
        code: 0,
        constant: true,
        mark: 0,
        counter: crate::abi::rules::entry::NO_COUNTER,
        target: 0,
    };

    /// Where the ruleset is not one.
    pub const CORRUPT: Self = Self { decision: Decision::Corrupt, constant: false, ..Self::NO_RULES };
}
