//! Why rules cannot be compiled.

use super::input::{BuiltIn, Family};

/// Why a ruleset cannot be compiled, or may not be within the bounds that it was given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// A rule leads to a chain that is not there.
    #[error("a rule leads to chain number {0}, which does not exist")]
    NoChain(usize),
    /// A rule translates to nothing that there is.
    #[error("a rule translates to target number {0}, which does not exist")]
    NoTarget(u32),
    /// A chain leads to itself.
    #[error("chain {0} leads back to itself: a packet would never leave it; break the loop of jumps")]
    Loop(String),
    /// Chains lead to chains too deeply.
    #[error("chain {chain} is more than {limit} jumps away from a built-in chain: nest chains less deeply")]
    TooDeep {
        /// The chain.
        chain: String,
        /// How deeply chains may be nested.
        limit: usize,
    },
    /// More counters than a ruleset has room for.
    #[error("the rules have {count} counters, and at most {limit} can be had")]
    TooManyCounters {
        /// How many.
        count: u64,
        /// How many are possible.
        limit: u32,
    },
    /// Jumps make more copies than allowed.
    #[error(
        "{rules} rules become {}{needed} entries, since a chain is copied for every rule that jumps to it, and at most {limit} are allowed: jump to large chains from fewer rules",
        if *.at_least { "more than " } else { "" }
    )]
    TooManyEntries {
        /// Source rules.
        rules: usize,
        /// Compiled entries.
        needed: usize,
        /// Whether there are even more, which were not counted.
        at_least: bool,
        /// How many are allowed.
        limit: usize,
    },
    /// A packet could meet too many rules that do not end its walk.
    #[error(
        "a packet in {} of {} could meet {needed} rules that match it without deciding about it (jumps, LOG, MARK, RETURN, rules without target, limits and the like), and at most {limit} are allowed: let such rules match fewer packets",
        chain_name(*.chain),
        family_name(*.family)
    )]
    TooManySteps {
        /// In which family.
        family: Family,
        /// In which chain.
        chain: BuiltIn,
        /// How many, at most.
        needed: u32,
        /// How many are allowed.
        limit: u32,
    },
    /// The tables are larger than allowed.
    #[error(
        "the compiled rules take at least {needed} bytes, and at most {limit} are allowed: use sets for long lists of addresses"
    )]
    TooLarge {
        /// Bytes.
        needed: usize,
        /// How many are allowed.
        limit: usize,
    },
    /// A table is deeper than the classifier follows.
    #[error(
        "the conditions of the rules take {needed} look-ups one after another, and at most {limit} are possible"
    )]
    TooManyLookups {
        /// Look-ups.
        needed: u32,
        /// How many are possible.
        limit: u32,
    },
}

const fn chain_name(chain: BuiltIn) -> &'static str {
    match chain {
        BuiltIn::Input => "INPUT",
        BuiltIn::Output => "OUTPUT",
        BuiltIn::Forward => "FORWARD",
        BuiltIn::NatPrerouting => "nat's PREROUTING",
        BuiltIn::NatInput => "nat's INPUT",
        BuiltIn::NatOutput => "nat's OUTPUT",
        BuiltIn::NatPostrouting => "nat's POSTROUTING",
    }
}

const fn family_name(family: Family) -> &'static str {
    match family {
        Family::Ipv4 => "IPv4",
        Family::Ipv6 => "IPv6",
    }
}
