//! `-m frag`.

use crate::rules::{
    extension::Extension,
    family::Family,
    feature::Feature,
    option::{Arity, Opt, Written},
    problem::Problem,
};

/// Fragments of IPv6: packets with a fragment header, if nothing more is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frag {
    /// `--fragfirst`: its offset is zero.
    pub first: bool,
    /// Whether more must, or must not, follow.
    pub more: Option<More>,
}

/// What follows a fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum More {
    /// `--fragmore`: more.
    Follow,
    /// `--fraglast`: nothing.
    None,
}

const PRESENCE: &str = "match that there is a fragment header, or --fragfirst, --fragmore, --fraglast";

impl Extension for Frag {
    type Draft = Self;
    const NAME: &'static str = "frag";
    const ONLY: Option<(Family, &'static str)> = Some((Family::Ipv6, "use -f"));
    const FEATURE: Feature = Feature::Frag;
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::<Self>::refused("--fragid", Arity::One, PRESENCE),
        Opt::<Self>::refused("--fraglen", Arity::One, PRESENCE),
        Opt::<Self>::refused("--fragres", Arity::None, PRESENCE),
        Opt::<Self>::flag(
            "--fragfirst",
            |draft, _| {
                draft.first = true;
                Ok(())
            },
            |frag| Written::flag(frag.first),
        ),
        Opt::<Self>::flag(
            "--fragmore",
            |draft, given| given.fill(&mut draft.more, More::Follow),
            |frag| Written::flag(frag.more == Some(More::Follow)),
        ),
        Opt::<Self>::flag(
            "--fraglast",
            |draft, given| given.fill(&mut draft.more, More::None),
            |frag| Written::flag(frag.more == Some(More::None)),
        ),
    ];

    fn finish(draft: Self, _: Family) -> Result<Self, Problem> {
        Ok(draft)
    }
}
