//! REDIRECT.

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

/// The destination of a flow is translated to this host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Redirect {
    /// `--to-ports`: the ports to choose from.
    pub ports: Option<PortRange>,
    /// `--random`: the port is chosen by chance.
    pub random: bool,
}

impl Extension for Redirect {
    type Draft = Self;
    const NAME: &'static str = "REDIRECT";
    const TABLES: &'static [TableName] = &[TableName::Nat];
    const FEATURE: Feature = Feature::Nat;
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::<Self>::one(
            "--to-ports",
            |draft, given| given.fill(&mut draft.ports, PortRange::dashed(given.first)?),
            |redirect| Written::option(redirect.ports.map(PortRange::with_dash)),
        ),
        Opt::<Self>::flag(
            "--random",
            |draft, _| {
                draft.random = true;
                Ok(())
            },
            |redirect| Written::flag(redirect.random),
        ),
    ];

    fn finish(draft: Self, _: Family) -> Result<Self, Problem> {
        Ok(draft)
    }

    fn protocols(&self, family: Family) -> Needs {
        if self.ports.is_some() { with_ports(family) } else { Needs::NOTHING }
    }

    /// net/netfilter/xt_REDIRECT.c.
    fn hooks(&self) -> Hooks {
        Hooks::of(&[Hook::Prerouting, Hook::Output])
    }
}
