//! All rules of one container and family.

use std::collections::BTreeMap;

use super::{
    family::Family,
    table::{Table, TableName},
};

/// All rules of one container and family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruleset {
    /// The family.
    pub family: Family,
    /// The tables that the text gave. One that is not there has no rules, and accepts.
    pub tables: BTreeMap<TableName, Table>,
}

impl Ruleset {
    /// No tables.
    pub const fn new(family: Family) -> Self {
        Self { family, tables: BTreeMap::new() }
    }

    /// The table of this name.
    pub fn table(&self, name: TableName) -> Option<&Table> {
        self.tables.get(&name)
    }

    /// Whether it has flows translated: whether table nat has a rule.
    pub fn translates(&self) -> bool {
        self.table(TableName::Nat).is_some_and(|table| table.entries() > 0)
    }

    /// How many rules it holds, as `numiptent` counts them: one for each rule after lists of addresses have been
    /// spread out. Policies and chains do not count.
    pub fn entries(&self) -> usize {
        self.tables.values().map(Table::entries).sum()
    }

    /// The same without what has been counted.
    pub fn without_counters(&self) -> Self {
        let mut plain = self.clone();
        for chain in plain.tables.values_mut().flat_map(|table| &mut table.chains) {
            if let Some(base) = &mut chain.base {
                base.counters = super::counters::Counters::default();
            }
            for rule in &mut chain.rules {
                rule.counters = None;
            }
        }
        plain
    }
}
