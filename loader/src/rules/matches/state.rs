//! `-m state`.

use crate::rules::{
    condition::Condition,
    extension::Extension,
    family::Family,
    feature::Feature,
    matches::conntrack::CtState,
    option::{Opt, Written},
    piece::Case,
    problem::Problem,
    values::flags::{Flag, Flags},
};

/// The state of the flow: the older form of [`super::conntrack::Conntrack`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// `--state`; never empty, and without the states of translation.
    pub state: Condition<Flags<CtState>>,
}

impl Extension for State {
    type Draft = Option<Condition<Flags<CtState>>>;
    const NAME: &'static str = "state";
    const FEATURE: Feature = Feature::State;
    const OPTIONS: &'static [Opt<Self>] = &[Opt::<Self>::one(
        "--state",
        |draft, given| {
            let mut state = Flags::EMPTY;
            for part in given.first.split(',') {
                state.insert(part.choose(CtState::WHAT, Case::Any, STATES)?);
            }
            given.fill(draft, given.condition(state))
        },
        |state| Written::conditional(Some(&state.state)),
    )
    .negatable()];

    fn finish(draft: Self::Draft, _: Family) -> Result<Self, Problem> {
        draft.map(|state| Self { state }).ok_or(Problem::Required { option: "--state" })
    }
}

/// The states that the match knows.
const STATES: &[(&str, CtState)] = &[
    ("INVALID", CtState::Invalid),
    ("NEW", CtState::New),
    ("RELATED", CtState::Related),
    ("ESTABLISHED", CtState::Established),
    ("UNTRACKED", CtState::Untracked),
];
