//! CONNMARK.

use super::mark::{Change, and_mark, or_mark, set_mark, set_xmark, xor_mark};
use crate::rules::{
    error::RuleError,
    extension::Extension,
    family::Family,
    feature::Feature,
    option::{Given, Opt, Written},
    problem::Problem,
    values::mark::word,
};

/// The mark of a packet's flow is changed, or one mark copied to the other, and the packet goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connmark {
    /// `--set-xmark`: the flow's is changed.
    Set(Change),
    /// `--save-mark`: bits of the packet's go to the flow's.
    Save(Masks),
    /// `--restore-mark`: bits of the flow's go to the packet's.
    Restore(Masks),
}

/// Which bits are copied. Those of the receiving mark's mask become zero first, then those that are set in the giving
/// mark and its mask change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Masks {
    /// `--nfmask`: of the packet's mark.
    pub packet: u32,
    /// `--ctmask`: of the flow's mark.
    pub flow: u32,
}

/// What the options said.
#[derive(Default)]
pub(in crate::rules) struct Draft {
    action: Option<Action>,
    packet: Option<u32>,
    flow: Option<u32>,
    both: Option<u32>,
}

/// The options of which there is one.
#[derive(Clone, Copy)]
enum Action {
    Change(Change),
    Save,
    Restore,
}

impl Extension for Connmark {
    type Draft = Draft;
    const NAME: &'static str = "CONNMARK";
    const FEATURE: Feature = Feature::Connmark;
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::<Self>::one(
            "--set-xmark",
            |draft, given| change(draft, given, set_xmark),
            |connmark| match connmark {
                Self::Set(change) => Written::option(Some(change)),
                Self::Save(_) | Self::Restore(_) => None,
            },
        ),
        Opt::<Self>::one("--set-mark", |draft, given| change(draft, given, set_mark), |_| None),
        Opt::<Self>::one("--and-mark", |draft, given| change(draft, given, and_mark), |_| None),
        Opt::<Self>::one("--or-mark", |draft, given| change(draft, given, or_mark), |_| None),
        Opt::<Self>::one("--xor-mark", |draft, given| change(draft, given, xor_mark), |_| None),
        Opt::<Self>::flag(
            "--save-mark",
            |draft, given| given.fill(&mut draft.action, Action::Save),
            |connmark| Written::flag(matches!(connmark, Self::Save(_))),
        ),
        Opt::<Self>::flag(
            "--restore-mark",
            |draft, given| given.fill(&mut draft.action, Action::Restore),
            |connmark| Written::flag(matches!(connmark, Self::Restore(_))),
        ),
        Opt::<Self>::one(
            "--nfmask",
            |draft, given| given.fill(&mut draft.packet, word(given.first)?),
            |connmark| hexadecimal(connmark.masks()?.packet),
        ),
        Opt::<Self>::one(
            "--ctmask",
            |draft, given| given.fill(&mut draft.flow, word(given.first)?),
            |connmark| hexadecimal(connmark.masks()?.flow),
        ),
        Opt::<Self>::one("--mask", |draft, given| given.fill(&mut draft.both, word(given.first)?), |_| None),
    ];

    fn finish(draft: Draft, _: Family) -> Result<Self, Problem> {
        let Draft { action, packet, flow, both } = draft;
        if both.is_some() && (packet.is_some() || flow.is_some()) {
            return Err(Problem::Conflict { with: "--mask beside --nfmask or --ctmask" });
        }
        let all = both.unwrap_or(u32::MAX);
        let masks = Masks { packet: packet.unwrap_or(all), flow: flow.unwrap_or(all) };
        match action {
            Some(Action::Save) => Ok(Self::Save(masks)),
            Some(Action::Restore) => Ok(Self::Restore(masks)),
            Some(Action::Change(change)) if packet.or(flow).or(both).is_none() => Ok(Self::Set(change)),
            Some(Action::Change(_)) => Err(Problem::Required {
                option: "--save-mark or --restore-mark for --mask, --nfmask and --ctmask",
            }),
            None => Err(Problem::Required { option: "--set-mark, --save-mark or --restore-mark" }),
        }
    }
}

impl Connmark {
    const fn masks(self) -> Option<Masks> {
        match self {
            Self::Set(_) => None,
            Self::Save(masks) | Self::Restore(masks) => Some(masks),
        }
    }
}

fn hexadecimal(word: u32) -> Option<Written> {
    Written::option(Some(format!("{word:#x}")))
}

fn change(
    draft: &mut Draft,
    given: &Given<'_>,
    read: fn(&Given<'_>) -> Result<Change, RuleError>,
) -> Result<(), RuleError> {
    given.fill(&mut draft.action, Action::Change(read(given)?))
}
