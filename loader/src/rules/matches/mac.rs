//! `-m mac`.

use crate::rules::{
    condition::Condition,
    extension::Extension,
    family::Family,
    feature::Feature,
    hook::{Hook, Hooks},
    option::{Opt, Written},
    problem::Problem,
    values::mac::Mac,
};

/// The hardware address of the sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MacSource {
    /// `--mac-source`.
    pub source: Condition<Mac>,
}

impl Extension for MacSource {
    type Draft = Option<Condition<Mac>>;
    const NAME: &'static str = "mac";
    const FEATURE: Feature = Feature::Mac;
    const OPTIONS: &'static [Opt<Self>] = &[Opt::<Self>::one(
        "--mac-source",
        |draft, given| given.put_condition(draft),
        |mac| Written::conditional(Some(&mac.source)),
    )
    .negatable()];

    fn finish(draft: Self::Draft, _: Family) -> Result<Self, Problem> {
        draft.map(|source| Self { source }).ok_or(Problem::Required { option: "--mac-source" })
    }

    /// A packet that leaves has no sender's address yet (net/netfilter/xt_mac.c).
    fn hooks(&self) -> Hooks {
        Hooks::of(&[Hook::Prerouting, Hook::Input, Hook::Forward])
    }
}
