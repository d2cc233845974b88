//! MASQUERADE.

use super::nat_range::with_ports;
use crate::rules::{
    extension::{Extension, Needs},
    family::Family,
    feature::Feature,
    hook::{Hook, Hooks},
    option::{Opt, Written},
    problem::Problem,
    table::TableName,
    values::ports::PortRange,
};

/// The source of a flow is translated to the address of the interface by which it leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Masquerade {
    /// `--to-ports`: the ports to choose from.
    pub ports: Option<PortRange>,
    /// `--random`: the port is chosen by chance, from a hash.
    pub random: bool,
    /// `--random-fully`: the port is chosen by chance, from a generator.
    pub random_fully: bool,
}

impl Extension for Masquerade {
    type Draft = Self;
    const NAME: &'static str = "MASQUERADE";
    const TABLES: &'static [TableName] = &[TableName::Nat];
    const FEATURE: Feature = Feature::Nat;
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::<Self>::one(
            "--to-ports",
            |draft, given| given.fill(&mut draft.ports, PortRange::dashed(given.first)?),
            |masquerade| Written::option(masquerade.ports.map(PortRange::with_dash)),
        ),
        Opt::<Self>::flag(
            "--random",
            |draft, _| {
                draft.random = true;
                Ok(())
            },
            |masquerade| Written::flag(masquerade.random),
        ),
        Opt::<Self>::flag(
            "--random-fully",
            |draft, _| {
                draft.random_fully = true;
                Ok(())
            },
            |masquerade| Written::flag(masquerade.random_fully),
        ),
    ];

    fn finish(draft: Self, _: Family) -> Result<Self, Problem> {
        Ok(draft)
    }

    fn protocols(&self, family: Family) -> Needs {
        if self.ports.is_some() { with_ports(family) } else { Needs::NOTHING }
    }

    /// net/netfilter/xt_MASQUERADE.c.
    fn hooks(&self) -> Hooks {
        Hooks::of(&[Hook::Postrouting])
    }
}
