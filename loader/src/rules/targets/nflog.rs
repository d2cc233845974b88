//! NFLOG.

use super::log::prefix;
use crate::rules::{
    extension::Extension,
    family::Family,
    feature::Feature,
    option::{Arity, Opt, Written},
    problem::Problem,
    words::quoted,
};

/// The longest prefix in bytes: what `struct xt_nflog_info` has room for, less the final zero
/// (include/uapi/linux/netfilter/xt_NFLOG.h).
pub const MAX_PREFIX: usize = 63;

/// A packet is reported to a listener, and goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nflog {
    /// `--nflog-prefix`: at most 63 bytes, without control characters; none is empty.
    pub prefix: String,
    /// `--nflog-group`.
    pub group: u16,
    /// `--nflog-size`: how many bytes of the packet are reported; none is all.
    pub size: Option<u32>,
    /// `--nflog-threshold`: how many packets are held back to be reported together; zero leaves it to the kernel.
    pub threshold: u16,
}

/// What the options said.
#[derive(Default)]
pub(in crate::rules) struct Draft {
    prefix: Option<String>,
    group: Option<u16>,
    size: Option<u32>,
    threshold: Option<u16>,
}

impl Extension for Nflog {
    type Draft = Draft;
    const NAME: &'static str = "NFLOG";
    const FEATURE: Feature = Feature::Nflog;
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::<Self>::one(
            "--nflog-prefix",
            |draft, given| given.fill(&mut draft.prefix, prefix(given, MAX_PREFIX)?),
            |nflog| Written::option((!nflog.prefix.is_empty()).then(|| quoted(&nflog.prefix))),
        ),
        Opt::<Self>::one(
            "--nflog-group",
            |draft, given| given.put(&mut draft.group),
            |nflog| Written::option((nflog.group != 0).then_some(nflog.group)),
        ),
        Opt::<Self>::refused("--nflog-range", Arity::One, "it has never worked; use --nflog-size"),
        Opt::<Self>::one(
            "--nflog-size",
            |draft, given| given.put(&mut draft.size),
            |nflog| Written::option(nflog.size),
        ),
        Opt::<Self>::one(
            "--nflog-threshold",
            |draft, given| given.put(&mut draft.threshold),
            |nflog| Written::option((nflog.threshold != 0).then_some(nflog.threshold)),
        ),
    ];

    fn finish(draft: Draft, _: Family) -> Result<Self, Problem> {
        Ok(Self {
            prefix: draft.prefix.unwrap_or_default(),
            group: draft.group.unwrap_or_default(),
            size: draft.size,
            threshold: draft.threshold.unwrap_or_default(),
        })
    }
}
