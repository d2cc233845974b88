//! `-m statistic`.

use std::fmt;

use crate::rules::{
    condition::Condition,
    error::RuleError,
    extension::Extension,
    family::Family,
    feature::Feature,
    option::{Opt, Written},
    piece::{Case, Piece},
    problem::Problem,
    values::{Literal, number::between},
};

/// Every so many packets, or by chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statistic {
    /// `--mode random`: by chance.
    Random {
        /// `--probability`.
        probability: Condition<Probability>,
    },
    /// `--mode nth`: one packet of so many that are asked about.
    Nth {
        /// `--every`: of how many; at least one.
        every: Condition<u32>,
        /// `--packet`: after how many the first one is; below `every`.
        packet: u32,
    },
}

/// A probability in steps of 1/2³¹, which the kernel compares with 31 random bits; at most 2³¹.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probability(pub u32);

/// Certainty.
const ONE: f64 = (1_u32 << 31) as f64;

/// The ways to choose packets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::rules) enum Mode {
    Random,
    Nth,
}

const MODES: &[(&str, Mode)] = &[("random", Mode::Random), ("nth", Mode::Nth)];

/// What the options said.
#[derive(Default)]
pub(in crate::rules) struct Draft {
    mode: Option<Mode>,
    probability: Option<Condition<Probability>>,
    every: Option<Condition<u32>>,
    packet: Option<u32>,
}

impl Extension for Statistic {
    type Draft = Draft;
    const NAME: &'static str = "statistic";
    const FEATURE: Feature = Feature::Statistic;
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::<Self>::one(
            "--mode",
            |draft, given| {
                let mode = given.first.choose("mode; write random or nth", Case::Exact, MODES)?;
                given.fill(&mut draft.mode, mode)
            },
            |statistic| match statistic {
                Self::Random { .. } => Written::option(Some("random")),
                Self::Nth { .. } => Written::option(Some("nth")),
            },
        ),
        Opt::<Self>::one(
            "--probability",
            |draft, given| given.put_condition(&mut draft.probability),
            |statistic| match statistic {
                Self::Random { probability } => Written::conditional(Some(probability)),
                Self::Nth { .. } => None,
            },
        )
        .negatable(),
        Opt::<Self>::one(
            "--every",
            |draft, given| {
                let every = between(given.first, "number of packets", 1, u32::MAX.into())?;
                given.fill(&mut draft.every, given.condition(every))
            },
            |statistic| match statistic {
                Self::Random { .. } => None,
                Self::Nth { every, .. } => Written::conditional(Some(every)),
            },
        )
        .negatable(),
        Opt::<Self>::one(
            "--packet",
            |draft, given| given.put(&mut draft.packet),
            |statistic| match statistic {
                Self::Random { .. } => None,
                Self::Nth { packet, .. } => Written::option(Some(packet)),
            },
        ),
    ];

    fn finish(draft: Draft, _: Family) -> Result<Self, Problem> {
        let Draft { mode, probability, every, packet } = draft;
        match (mode.ok_or(Problem::Required { option: "--mode" })?, probability, every, packet) {
            (Mode::Random, Some(probability), None, None) => Ok(Self::Random { probability }),
            (Mode::Nth, None, Some(every), Some(packet)) if packet < every.value => {
                Ok(Self::Nth { every, packet })
            }
            (Mode::Random, ..) => {
                Err(Problem::Required { option: "--probability, and nothing else, in mode random" })
            }
            (Mode::Nth, ..) => Err(Problem::Required {
                option: "--every and, below it, --packet, and nothing else, in mode nth",
            }),
        }
    }
}

impl Literal for Probability {
    fn read(piece: Piece<'_>, _: Family) -> Result<Self, RuleError> {
        let number = piece.text.starts_with(|c: char| c.is_ascii_digit() || c == '.');
        match piece.text.parse::<f64>() {
            // Between 0 and 1 the product fits.
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            Ok(share) if number && (0.0..=1.0).contains(&share) => Ok(Self((share * ONE).round() as u32)),
            _ => Err(piece.wrong(Problem::OutOfRange { what: "probability", min: 0, max: 1 })),
        }
    }
}

impl fmt::Display for Probability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.11}", f64::from(self.0) / ONE)
    }
}
