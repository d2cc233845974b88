//! A table: its chains.

use std::{collections::HashSet, fmt};

use super::{
    chain::{Base, Chain, ChainName},
    counters::Counters,
    hook::Hook,
    rule::Rule,
};

/// The tables a container may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TableName {
    /// What passes.
    Filter,
    /// Addresses and ports.
    Nat,
    /// Marks.
    Mangle,
}

impl TableName {
    /// All of them, in the order in which they are written.
    pub const ALL: [Self; 3] = [Self::Filter, Self::Nat, Self::Mangle];

    /// Its name behind the `*`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Filter => "filter",
            Self::Nat => "nat",
            Self::Mangle => "mangle",
        }
    }

    /// The table of this name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.name() == name)
    }

    /// The hooks its base chains hang on, in the order in which iptables-save writes them.
    pub const fn hooks(self) -> &'static [Hook] {
        match self {
            Self::Filter => &[Hook::Input, Hook::Forward, Hook::Output],
            Self::Nat => &[Hook::Prerouting, Hook::Input, Hook::Output, Hook::Postrouting],
            Self::Mangle => &Hook::ALL,
        }
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The chains of one table: the base chains in the order of [`TableName::hooks`], then the user's by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// The chains.
    pub chains: Vec<Chain>,
}

impl Table {
    /// The table as it is before the first rule: base chains that accept.
    pub fn empty(name: TableName) -> Self {
        let base = |&hook| Chain {
            name: ChainName::of(hook),
            base: Some(Base { hook, policy: super::chain::Policy::Accept, counters: Counters::default() }),
            rules: Vec::new(),
        };
        Self { chains: name.hooks().iter().map(base).collect() }
    }

    /// The chain of this name.
    pub fn chain(&self, name: &str) -> Option<&Chain> {
        self.chains.iter().find(|chain| chain.name.as_str() == name)
    }

    /// The chains to which packets come from a hook.
    pub fn reached_from(&self, hook: Hook) -> Vec<&Chain> {
        let mut reached: Vec<&Chain> = self.chain(hook.name()).into_iter().collect();
        let (mut known, mut followed) = (HashSet::new(), 0);
        while let Some(chain) = reached.get(followed) {
            followed += 1;
            let names = chain.rules.iter().filter_map(Rule::leads_to);
            let next = names.filter(|name| known.insert(*name)).filter_map(|name| self.chain(name.as_str()));
            reached.extend(next.collect::<Vec<_>>());
        }
        reached
    }

    /// How many rules it holds: what `numiptent` counts. Policies and chains are no entries of the user's.
    pub fn entries(&self) -> usize {
        self.chains.iter().map(|chain| chain.rules.len()).sum()
    }
}
