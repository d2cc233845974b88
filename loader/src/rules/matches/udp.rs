//! `-m udp`.

use crate::rules::{
    condition::Condition,
    extension::{Extension, Needs},
    family::Family,
    feature::Feature,
    option::{Opt, Written},
    problem::Problem,
    values::{ports::PortRange, protocol::Protocol},
};

/// Ports of UDP.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Udp {
    /// `--sport`.
    pub source: Option<Condition<PortRange>>,
    /// `--dport`.
    pub destination: Option<Condition<PortRange>>,
}

impl Extension for Udp {
    type Draft = Self;
    const NAME: &'static str = "udp";
    const FEATURE: Feature = Feature::Filter;
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::<Self>::one(
            "--sport",
            |draft, given| PortRange::put(&mut draft.source, given),
            |udp| Written::conditional(udp.source.as_ref()),
        )
        .alias(&["--source-port"])
        .negatable(),
        Opt::<Self>::one(
            "--dport",
            |draft, given| PortRange::put(&mut draft.destination, given),
            |udp| Written::conditional(udp.destination.as_ref()),
        )
        .alias(&["--destination-port"])
        .negatable(),
    ];

    fn finish(draft: Self, _: Family) -> Result<Self, Problem> {
        Ok(draft)
    }

    fn protocols(&self, _: Family) -> Needs {
        Needs { protocols: &[Protocol::UDP], options: "-p udp" }
    }
}
