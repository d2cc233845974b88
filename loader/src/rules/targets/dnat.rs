//! DNAT.

use super::nat_range::NatRange;
use crate::rules::{
    extension::{Extension, Needs},
    family::Family,
    feature::Feature,
    hook::{Hook, Hooks},
    option::{Opt, Written},
    problem::Problem,
    table::TableName,
};

/// The destination of a flow is translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dnat {
    /// `--to-destination`.
    pub to: NatRange,
    /// `--random`: the port is chosen by chance.
    pub random: bool,
    /// `--persistent`: one client has one address.
    pub persistent: bool,
}

/// What the options said.
#[derive(Default)]
pub(in crate::rules) struct Draft {
    to: Option<NatRange>,
    random: bool,
    persistent: bool,
}

impl Extension for Dnat {
    type Draft = Draft;
    const NAME: &'static str = "DNAT";
    const TABLES: &'static [TableName] = &[TableName::Nat];
    const FEATURE: Feature = Feature::Nat;
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::<Self>::one(
            "--to-destination",
            |draft, given| given.fill(&mut draft.to, NatRange::with_base(given.first, given.family)?),
            |dnat| Written::option(Some(dnat.to)),
        ),
        Opt::<Self>::flag(
            "--random",
            |draft, _| {
                draft.random = true;
                Ok(())
            },
            |dnat| Written::flag(dnat.random),
        ),
        Opt::<Self>::flag(
            "--persistent",
            |draft, _| {
                draft.persistent = true;
                Ok(())
            },
            |dnat| Written::flag(dnat.persistent),
        ),
    ];

    fn finish(draft: Draft, _: Family) -> Result<Self, Problem> {
        let Draft { to, random, persistent } = draft;
        to.map(|to| Self { to, random, persistent }).ok_or(Problem::Required { option: "--to-destination" })
    }

    fn protocols(&self, family: Family) -> Needs {
        self.to.protocols(family)
    }

    /// net/netfilter/xt_nat.c.
    fn hooks(&self) -> Hooks {
        Hooks::of(&[Hook::Prerouting, Hook::Output])
    }
}
