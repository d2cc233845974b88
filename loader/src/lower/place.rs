//! Where in a container's rules something stands.

use std::fmt;

use crate::{
    compile::input::Family,
    rules::{chain::ChainName, table::TableName},
};

/// A rule or a policy.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// The family.
    pub family: Family,
    /// The table.
    pub table: TableName,
    /// The chain.
    pub chain: ChainName,
    /// What of the chain.
    pub spot: Spot,
}

/// What of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Spot {
    /// A rule, by its index.
    Rule(usize),
    /// The policy.
    Policy,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let family = match self.family {
            Family::Ipv4 => "IPv4",
            Family::Ipv6 => "IPv6",
        };
        match self.spot {
            Spot::Rule(index) => write!(f, "rule {} of", index + 1)?,
            Spot::Policy => f.write_str("the policy of")?,
        }
        write!(f, " chain {} of table {} for {family}", self.chain, self.table)
    }
}
