//! Features: what a container's rules may use, and who says so.

use super::{Enforcer, Node, NodeError, Observer, spec::settings};
use crate::{
    api::{self, feature::FeatureRow, mode::Mode, name::Name, settings::Settings},
    rules::{
        feature::{Feature, Features, features},
        ruleset::Ruleset,
        save,
    },
};

/// The four sets of which a container's features are the intersection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Allowance {
    supported: Features,
    node: Features,
    container: Features,
    mode: Features,
}

impl Allowance {
    /// What is allowed by all, with all that it needs.
    pub(super) fn effective(&self) -> Features {
        self.supported.and(self.node).and(self.container).and(self.mode).supported()
    }

    /// Which set forbids a feature, or something that it needs; nothing for one that may be used.
    fn forbids(&self, feature: Feature, mode: Mode) -> Option<String> {
        let needed = Features::from_iter([feature]).closure();
        let sets = [
            (self.supported, "this berth does not enforce it yet".to_owned()),
            (self.node, "the node does not allow it: see features in berth.toml".to_owned()),
            (
                self.container,
                "the container's features leave it out: `berth container set --features`".to_owned(),
            ),
            (self.mode, format!("mode {mode} does not have it: `berth container set --mode`")),
        ];
        sets.into_iter().find_map(|(set, why)| {
            let missing = needed.without(set).iter().next()?;
            Some(if missing == feature { why } else { format!("it needs {missing}, and {why}") })
        })
    }
}

impl<E: Enforcer, O: Observer> Node<E, O> {
    pub(super) fn list_features(&self, name: Option<&Name>) -> Result<Vec<FeatureRow>, NodeError> {
        let settings = match name {
            Some(name) => settings(self.known(name)?.0),
            None => Settings { mode: Some(Mode::Full), ..Settings::default() },
        };
        let allowance = self.allowance(&settings);
        let effective = allowance.effective();
        Ok(Feature::ALL
            .into_iter()
            .map(|feature| FeatureRow {
                feature: feature.to_string(),
                supported: allowance.supported.contains(feature),
                node: allowance.node.contains(feature),
                container: allowance.container.contains(feature),
                mode: allowance.mode.contains(feature),
                effective: effective.contains(feature),
            })
            .collect())
    }

    pub(super) fn allowance(&self, settings: &Settings) -> Allowance {
        Allowance {
            supported: enforced(),
            node: self.config.features.set(),
            container: settings.features.as_ref().map_or_else(Features::unless_told, api::feature::Mask::set),
            mode: of_mode(self.mode(settings)),
        }
    }

    /// Fails with every rule that the settings do not allow.
    pub(super) fn check_features<'a>(
        &self,
        settings: &Settings,
        rulesets: impl IntoIterator<Item = &'a Ruleset>,
    ) -> Result<(), NodeError> {
        let (allowance, mode) = (self.allowance(settings), self.mode(settings));
        let effective = allowance.effective();
        let mut offending = Vec::new();
        for ruleset in rulesets {
            for (table, chains) in &ruleset.tables {
                for chain in &chains.chains {
                    for rule in &chain.rules {
                        let Some(feature) = features(*table, rule).without(effective).iter().next() else {
                            continue;
                        };
                        let why = allowance.forbids(feature, mode).unwrap_or_default();
                        let at = if rule.line > 0 { format!("line {}: ", rule.line) } else { String::new() };
                        let text = save::to_rule(rule);
                        offending.push(format!("{at}-A {}{text}: feature {feature}: {why}", chain.name));
                    }
                }
            }
        }
        if offending.is_empty() { Ok(()) } else { Err(NodeError::Forbidden(offending)) }
    }
}

/// What this berth enforces.
fn enforced() -> Features {
    Features::all().without(Features::from_iter([Feature::Connmark]))
}

/// What a mode allows (design §5).
fn of_mode(mode: Mode) -> Features {
    let stateful =
        [Feature::Conntrack, Feature::State, Feature::Connmark, Feature::Connlimit, Feature::HelperFtp];
    match mode {
        Mode::Disabled => Features::NONE,
        Mode::Stateless => Features::all().without(stateful.into_iter().chain([Feature::Nat]).collect()),
        Mode::Stateful => Features::all().without(Features::from_iter([Feature::Nat])),
        Mode::Full => Features::all(),
    }
}
