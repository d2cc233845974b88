//! SNAT.

use super::nat_range::NatRange;
use crate::rules::{
    extension::{Extension, Needs},
    family::Family,
    feature::Feature,
    hook::{Hook, Hooks},
    option::{Opt, Written},
    problem::Problem,
    table::TableName,
    values::Literal,
};

/// The source of a flow is translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snat {
    /// `--to-source`; its base is never there.
    pub to: NatRange,
    /// `--random`: the port is chosen by chance, from a hash.
    pub random: bool,
    /// `--random-fully`: the port is chosen by chance, from a generator.
    pub random_fully: bool,
    /// `--persistent`: one client has one address.
    pub persistent: bool,
}

/// What the options said.
#[derive(Default)]
pub(in crate::rules) struct Draft {
    to: Option<NatRange>,
    random: bool,
    random_fully: bool,
    persistent: bool,
}

impl Extension for Snat {
    type Draft = Draft;
    const NAME: &'static str = "SNAT";
    const TABLES: &'static [TableName] = &[TableName::Nat];
    const FEATURE: Feature = Feature::Nat;
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::<Self>::one(
            "--to-source",
            |draft, given| given.fill(&mut draft.to, NatRange::read(given.first, given.family)?),
            |snat| Written::option(Some(snat.to)),
        ),
        Opt::<Self>::flag(
            "--random",
            |draft, _| {
                draft.random = true;
                Ok(())
            },
            |snat| Written::flag(snat.random),
        ),
        Opt::<Self>::flag(
            "--random-fully",
            |draft, _| {
                draft.random_fully = true;
                Ok(())
            },
            |snat| Written::flag(snat.random_fully),
        ),
        Opt::<Self>::flag(
            "--persistent",
            |draft, _| {
                draft.persistent = true;
                Ok(())
            },
            |snat| Written::flag(snat.persistent),
        ),
    ];

    fn finish(draft: Draft, _: Family) -> Result<Self, Problem> {
        let Draft { to, random, random_fully, persistent } = draft;
        let to = to.ok_or(Problem::Required { option: "--to-source" })?;
        Ok(Self { to, random, random_fully, persistent })
    }

    fn protocols(&self, family: Family) -> Needs {
        self.to.protocols(family)
    }

    /// net/netfilter/xt_nat.c.
    fn hooks(&self) -> Hooks {
        Hooks::of(&[Hook::Postrouting, Hook::Input])
    }
}
