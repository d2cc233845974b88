//! A rule's conditions as boxes and checks.
//!
//! The boxes come first, as tables find them, and then the checks, in the rule's order. Where a check that changes
//! something stands before a condition on a field, that is not the same: the check is asked of packets that do not
//! satisfy the condition too. Such a rule has several stages: at the end of each but the last, nothing is done but to
//! go on to the next one.

use berth_common::abi::rules::{Family, entry::MAX_CHECKS};

use super::{
    input::{Check, Condition, Dimension, Rule, Values},
    region::Region,
};

/// Boxes that have no packet in common, and what must be asked of packets in any of them.
#[derive(Clone, Debug)]
pub(super) struct Stage<'a> {
    pub(super) regions: Vec<Region>,
    pub(super) checks: Vec<&'a Check>,
}

impl Stage<'_> {
    fn new() -> Self {
        Self { regions: vec![Region::ALL], checks: Vec::new() }
    }

    /// Whether a condition on a field may still be put in front of the checks.
    fn is_open(&self) -> bool {
        self.checks.iter().all(|check| check.is_pure())
    }

    fn narrow(&mut self, other: &[Region]) {
        self.regions = self
            .regions
            .iter()
            .flat_map(|region| other.iter().filter_map(|other| region.intersection(other)))
            .collect();
    }
}

/// The stages of a rule.
pub(super) fn stages(rule: &Rule, family: Family) -> Vec<Stage<'_>> {
    let mut done = Vec::new();
    let mut stage = Stage::new();
    for condition in &rule.conditions {
        let is_full = match condition {
            Condition::Field(..) | Condition::Either(_) => !stage.is_open(),
            Condition::Check(_) => stage.checks.len() >= MAX_CHECKS as usize,
        };
        if is_full {
            done.push(std::mem::replace(&mut stage, Stage::new()));
        }
        match condition {
            Condition::Field(dimension, values) => {
                stage.narrow(Region::field(*dimension, values, family).as_slice());
            }
            Condition::Either(alternatives) => stage.narrow(&disjoint(alternatives, family)),
            Condition::Check(check) => stage.checks.push(check),
        }
    }
    done.push(stage);
    done
}

/// The alternatives as boxes of which no two have a packet in common.
fn disjoint(alternatives: &[Vec<(Dimension, Values)>], family: Family) -> Vec<Region> {
    let mut all: Vec<Region> = Vec::new();
    for fields in alternatives {
        let Some(region) = fields.iter().try_fold(Region::ALL, |region, (dimension, values)| {
            region.intersection(&Region::field(*dimension, values, family)?)
        }) else {
            continue;
        };
        let pieces = all.iter().fold(vec![region], |pieces, before| {
            let cut = |piece: Region| match piece.intersection(before) {
                Some(_) => piece.without(before, family),
                None => vec![piece],
            };
            pieces.into_iter().flat_map(cut).collect()
        });
        all.extend(pieces);
    }
    all
}
