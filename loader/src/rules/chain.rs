//! A chain: its name, its policy, its rules.

use std::fmt;

use super::{counters::Counters, hook::Hook, problem::Problem, rule::Rule};

/// The longest name of a chain in bytes: `XT_EXTENSION_MAXNAMELEN` less the final zero
/// (include/uapi/linux/netfilter/x_tables.h).
pub const MAX_NAME: usize = 28;

/// Words that a target could be, so that no chain may be called so.
const TARGETS: [&str; 4] = ["ACCEPT", "DROP", "RETURN", "QUEUE"];

/// A chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Its name, unique in its table.
    pub name: ChainName,
    /// What makes it a base chain; a chain of the user's has none and is reached by jumps only.
    pub base: Option<Base>,
    /// Its rules, in order.
    pub rules: Vec<Rule>,
}

/// What a base chain has beside its rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Base {
    /// Where packets enter it.
    pub hook: Hook,
    /// What happens to a packet at its end.
    pub policy: Policy,
    /// What met the policy.
    pub counters: Counters,
}

/// What happens to a packet at the end of a base chain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// It passes.
    #[default]
    Accept,
    /// It is dropped.
    Drop,
}

impl Policy {
    /// The policy of this name.
    pub fn by_name(name: &str) -> Option<Self> {
        [Self::Accept, Self::Drop].into_iter().find(|policy| policy.name() == name)
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accept => "ACCEPT",
            Self::Drop => "DROP",
        }
    }
}

/// A chain's name: 1 to 28 bytes without whitespace and quotes, that does not begin with `-` or `!` and is no target.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChainName(String);

impl ChainName {
    /// The name of a hook's base chain.
    pub fn of(hook: Hook) -> Self {
        Self(hook.name().to_owned())
    }

    /// A name of the user's.
    pub(super) fn new(text: &str) -> Result<Self, Problem> {
        if text.is_empty() || text.len() > MAX_NAME {
            return Err(Problem::NameLength { what: "chain", max: MAX_NAME });
        }
        if text.starts_with(['-', '!']) {
            return Err(Problem::ChainStart);
        }
        if text.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '"' | '\\')) {
            return Err(Problem::NameCharacter { what: "chain" });
        }
        if TARGETS.contains(&text) || super::targets::MODULES.iter().any(|module| module.name == text) {
            return Err(Problem::ChainIsTarget);
        }
        Ok(Self(text.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ChainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
