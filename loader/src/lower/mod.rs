//! From rules as they are written ([`crate::rules`]) to what the compiler takes ([`crate::compile::input`]).
//!
//! Pure: no I/O, no clock. What a rule means is what netfilter does with it (net/netfilter/xt_*.c), whose way a packet takes
//! through the tables too: mangle PREROUTING and INPUT, then filter INPUT; mangle OUTPUT, filter OUTPUT, mangle POSTROUTING;
//! and, through the container, mangle PREROUTING and FORWARD, filter FORWARD, mangle POSTROUTING. The chains of nat are asked
//! apart, of the first packet of each flow. Where netfilter drops a
//! packet because a match cannot read a header that is cut off, the rule does not match here: such packets do not come as
//! far as the rules.

mod action;
mod error;
mod externals;
mod header;
mod log;
mod matches;
mod names;
mod place;
mod program;
mod rule;
mod tables;
#[cfg(test)]
mod tests;
mod translation;
mod values;

use crate::{
    compile::input::{self, Family},
    rules::ruleset::Ruleset,
};

pub use error::{LowerError, Reason};
pub use externals::{ExternalSpec, Externals};
pub use log::{LogSpec, Report};
pub use names::Names;
pub use place::{Place, Spot};

/// The rules of one container. A family without rules passes everything.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// iptables'.
    pub ipv4: Option<&'a Ruleset>,
    /// ip6tables'.
    pub ipv6: Option<&'a Ruleset>,
}

/// Rules for the compiler, and what the numbers in them mean.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lowered {
    /// The rules.
    pub ruleset: input::Ruleset,
    /// By the number of a counter: what is counted there. The policies of filter are not among them: their counters are
    /// where the header has them.
    pub counters: Vec<Place>,
    /// By the number in [`Action::Log`](input::Action::Log): what is reported.
    pub logs: Vec<LogSpec>,
    /// By the id of an [`External`](input::External), but for those of sets: of what is asked.
    pub externals: Externals,
}

/// Lowers rules, or says which one cannot be carried out.
pub fn lower(source: &Source<'_>, names: &Names) -> Result<Lowered, LowerError> {
    let mut lowered = Lowered::default();
    let mut program = |family, ruleset: Option<&Ruleset>| {
        ruleset.map(|ruleset| program::program(family, ruleset, names, &mut lowered)).transpose()
    };
    let ipv4 = program(Family::Ipv4, source.ipv4)?;
    let ipv6 = program(Family::Ipv6, source.ipv6)?;
    (lowered.ruleset.ipv4, lowered.ruleset.ipv6) = (ipv4, ipv6);
    Ok(lowered)
}
