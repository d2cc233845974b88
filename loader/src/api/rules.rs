//! Rules in requests and output.

use serde::{Deserialize, Serialize};

use super::{name::Name, traffic::Traffic};
use crate::rules;

/// Of which family rules are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// iptables'.
    #[default]
    Ipv4,
    /// ip6tables'.
    Ipv6,
}

impl From<Family> for rules::family::Family {
    fn from(family: Family) -> Self {
        match family {
            Family::Ipv4 => Self::Ipv4,
            Family::Ipv6 => Self::Ipv6,
        }
    }
}

/// A table of rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Table {
    /// What passes
    #[default]
    Filter,
    /// Addresses and ports
    Nat,
    /// Marks
    Mangle,
}

impl From<Table> for rules::table::TableName {
    fn from(table: Table) -> Self {
        match table {
            Table::Filter => Self::Filter,
            Table::Nat => Self::Nat,
            Table::Mangle => Self::Mangle,
        }
    }
}

/// Tables to be replaced by what a text says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restore {
    /// The container.
    pub name: Name,
    /// The family.
    #[serde(default)]
    pub family: Family,
    /// iptables-save text.
    pub text: String,
    /// Only to find out whether it could be done.
    #[serde(default)]
    pub check: bool,
    /// In how many seconds it comes undone unless it is confirmed.
    #[serde(default)]
    pub confirm: Option<u64>,
}

/// A change of one table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// The container.
    pub name: Name,
    /// The family.
    #[serde(default)]
    pub family: Family,
    /// The table.
    #[serde(default)]
    pub table: Table,
    /// The words of an iptables command, as `-A INPUT -j DROP`.
    pub command: Vec<String>,
    /// In how many seconds it comes undone unless it is confirmed.
    #[serde(default)]
    pub confirm: Option<u64>,
}

/// Rules one by one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Listed {
    /// By chain.
    pub chains: Vec<Chain>,
}

/// A chain and its rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// Its table.
    pub table: String,
    /// Its name.
    pub chain: String,
    /// What becomes of a packet at its end; none for a chain of the user's.
    pub policy: Option<String>,
    /// What came to its end.
    pub counted: Option<Traffic>,
    /// Its rules.
    pub rules: Vec<Rule>,
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// As iptables-save writes it, without its chain.
    pub rule: String,
    /// What matched it.
    pub counted: Traffic,
}
