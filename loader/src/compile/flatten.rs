//! One list of entries for a built-in chain and all that it leads to.
//!
//! A jump is an entry that is counted and goes on at the next one; behind it stands a copy of the chain, each entry
//! intersected with the jump's region, so that no other packet meets any of them. RETURN goes on behind the copy; at
//! the end of the copy the walk is there anyway. A jump with checks goes on behind the copy if they do not hold. A
//! goto is the same, but what it copies returns where the chain that it stands in returns. Out of a base chain that is its
//! policy.
//!
//! The legs of a built-in chain stand one behind another, each with its policy at its end; what a leg accepts goes on at
//! the first entry of the next one. The policy of the last leg stands behind all entries.

use super::{
    CompileError, Role,
    input::{Action, Dimension, Policy},
    prepare::{CheckList, Prepared, PreparedLeg, PreparedRule, PreparedStage},
    region::Region,
};

/// An entry.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Which packets it is for.
    pub(super) region: Region,
    /// What must be asked of them.
    pub(super) checks: CheckList,
    /// What is then done. A jump, goto, or return does nothing but to go on at `next`.
    pub(super) action: Action,
    /// The rule's or policy's counter, and what part the entry plays.
    pub(super) counter: u32,
    pub(super) role: Role,
    /// Where it goes on.
    pub(super) next: usize,
    /// Where it goes on if a check does not hold.
    pub(super) otherwise: usize,
}

impl Entry {
    /// Whether a walk may go on behind it.
    pub(super) fn goes_on(&self) -> bool {
        self.checks.count > 0 || !ends(self.action)
    }

    /// Whether it may do something else for another packet of the same flow.
    pub(super) fn varies(&self) -> bool {
        self.checks.count > 0
            || self.region.varies()
            || matches!(self.action, Action::Log(_) | Action::SetMark { .. })
    }
}

/// How many entries there may be.
pub(super) struct Budget {
    pub(super) rules: usize,
    pub(super) limit: usize,
    pub(super) used: usize,
}

impl Budget {
    /// Beyond this many times the limit, entries are not counted any more: nested jumps double them at every level.
    const PATIENCE: usize = 8;

    fn check(&self) -> Result<(), CompileError> {
        if self.used <= self.limit { Ok(()) } else { Err(self.error(false)) }
    }

    fn error(&self, at_least: bool) -> CompileError {
        CompileError::TooManyEntries { rules: self.rules, needed: self.used, at_least, limit: self.limit }
    }
}

/// The entries of a built-in chain, without the policy of its last leg. Policies that have no counter of their own count
/// in `counter`.
pub(super) fn flatten(
    program: &Prepared,
    base: &[PreparedLeg],
    counter: u32,
    budget: &mut Budget,
) -> Result<Vec<Entry>, CompileError> {
    let mut flattening =
        Flattening { program, entries: Vec::new(), labels: Vec::new(), onward: None, unknown: &[], budget };
    let mut rest = base;
    while let [leg, later @ ..] = rest {
        flattening.leg(leg, leg.counter.unwrap_or(counter), later.is_empty())?;
        rest = later;
    }
    flattening.budget.check()?;
    Ok(flattening.finish())
}

/// A place in the list that is found later.
#[derive(Clone, Copy)]
struct Label(usize);

/// Where a label is, and whether any entry leads there.
#[derive(Clone, Copy, Default)]
struct Place {
    entry: usize,
    used: bool,
}

/// Where an entry leads to.
#[derive(Clone, Copy)]
enum Target {
    Following,
    Label(Label),
}

struct Draft {
    entry: Entry,
    next: Target,
    otherwise: Target,
}

impl Draft {
    fn new(region: Region, checks: CheckList, action: Action, (counter, role): (u32, Role)) -> Self {
        let entry = Entry { region, checks, action, counter, role, next: 0, otherwise: 0 };
        Self { entry, next: Target::Following, otherwise: Target::Following }
    }

    /// The same for packets that the leg accepts.
    fn going_on(self, onward: Label) -> Self {
        let entry = Entry { action: Action::Continue, ..self.entry };
        Self { entry, next: Target::Label(onward), ..self }
    }
}

/// The chain that is being copied.
#[derive(Clone, Copy)]
struct Frame {
    /// Where it returns.
    back: Label,
    /// Whether whoever comes to the end of the copy is there.
    at_end: bool,
}

/// What becomes of packets that a rule or chain is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// Some go on behind it.
    Open,
    /// All that come to its end have returned, or are decided about.
    Returned,
    /// All that come to its end are decided about. Some may have returned before.
    Decided,
}

struct Flattening<'a> {
    program: &'a Prepared,
    entries: Vec<Draft>,
    labels: Vec<Place>,
    /// Where the leg leads that is being copied; nowhere if it is the last one.
    onward: Option<Label>,
    /// What is not known in that leg.
    unknown: &'a [Dimension],
    budget: &'a mut Budget,
}

impl<'a> Flattening<'a> {
    fn leg(&mut self, leg: &'a PreparedLeg, counter: u32, is_last: bool) -> Result<(), CompileError> {
        let (policy, onward) = (self.label(), self.label());
        self.onward = (!is_last).then_some(onward);
        self.unknown = &leg.unknown;
        let end = match leg.chain {
            Some(chain) => self.copy(chain.0, &Region::ALL, Frame { back: policy, at_end: true })?,
            None => End::Open,
        };
        self.bind(policy);
        if !is_last && (end != End::Decided || self.is_used(policy)) {
            let action = match leg.policy {
                Policy::Accept => Action::Continue,
                Policy::Drop => Action::Drop,
            };
            self.push(Draft::new(Region::ALL, CheckList::default(), action, (counter, Role::Policy)))?;
        }
        self.bind(onward);
        Ok(())
    }

    fn chain(&mut self, rules: &[PreparedRule], region: &Region, frame: Frame) -> Result<End, CompileError> {
        let mut rest = rules;
        while let [rule, others @ ..] = rest {
            let frame = Frame { at_end: frame.at_end && others.is_empty(), ..frame };
            let end = self.rule(rule, &rule.stages, region, frame)?;
            if end != End::Open {
                return Ok(end);
            }
            rest = others;
        }
        Ok(End::Open)
    }

    fn rule(
        &mut self,
        rule: &PreparedRule,
        stages: &[PreparedStage],
        context: &Region,
        frame: Frame,
    ) -> Result<End, CompileError> {
        let [stage, later @ ..] = stages else {
            return Ok(End::Open);
        };
        for region in &stage.regions {
            let known = region.without_dimensions(self.unknown);
            let Some(region) = known.and_then(|region| context.intersection(&region)) else {
                continue;
            };
            let is_for_all = region == *context && stage.checks.count == 0;
            let end = if later.is_empty() {
                self.last_stage(rule, stage.checks, region, frame)?
            } else {
                let behind = self.label();
                let guard = draft(rule, region.clone(), stage.checks, Role::Guard);
                self.push(Draft { otherwise: Target::Label(behind), ..guard })?;
                let end = self.rule(rule, later, &region, frame)?;
                self.bind(behind);
                end
            };
            if is_for_all && end != End::Open {
                return Ok(end);
            }
        }
        Ok(End::Open)
    }

    /// The entry that is counted, and what it leads to.
    fn last_stage(
        &mut self,
        rule: &PreparedRule,
        checks: CheckList,
        region: Region,
        frame: Frame,
    ) -> Result<End, CompileError> {
        let entry = draft(rule, region.clone(), checks, Role::Rule);
        match rule.action {
            Action::Accept | Action::Drop | Action::Reject(_) | Action::Translate(_) => {
                let decision = match self.onward.filter(|_| rule.action == Action::Accept) {
                    Some(onward) => entry.going_on(onward),
                    None => entry,
                };
                self.push(decision)?;
                Ok(End::Decided)
            }
            Action::Log(_) | Action::SetMark { .. } | Action::Continue => {
                self.push(entry)?;
                Ok(End::Open)
            }
            Action::Return => {
                self.push(Draft { next: Target::Label(frame.back), ..entry })?;
                Ok(End::Returned)
            }
            Action::Jump(chain) => {
                let behind = self.label();
                self.push(Draft { otherwise: Target::Label(behind), ..entry })?;
                let end = self.copy(chain.0, &region, Frame { back: behind, at_end: true })?;
                self.bind(behind);
                Ok(if end == End::Decided && !self.is_used(behind) { end } else { End::Open })
            }
            Action::Goto(chain) => {
                let behind = self.label();
                self.push(Draft { otherwise: Target::Label(behind), ..entry })?;
                let end = self.copy(chain.0, &region, frame)?;
                if end == End::Open && !frame.at_end {
                    self.push(Draft {
                        next: Target::Label(frame.back),
                        ..draft(rule, region, CheckList::default(), Role::Back)
                    })?;
                }
                self.bind(behind);
                Ok(if end == End::Decided && !self.is_used(frame.back) { end } else { End::Returned })
            }
        }
    }

    fn copy(&mut self, chain: usize, region: &Region, frame: Frame) -> Result<End, CompileError> {
        let program = self.program;
        let rules = program.chains.get(chain).ok_or(CompileError::NoChain(chain))?;
        self.chain(rules, region, frame)
    }

    fn push(&mut self, draft: Draft) -> Result<(), CompileError> {
        self.mark_used(draft.next);
        self.mark_used(draft.otherwise);
        self.budget.used += 1;
        if self.budget.used > self.budget.limit.saturating_mul(Budget::PATIENCE) {
            return Err(self.budget.error(true));
        }
        if self.budget.used <= self.budget.limit {
            self.entries.push(draft);
        }
        Ok(())
    }

    fn label(&mut self) -> Label {
        self.labels.push(Place::default());
        Label(self.labels.len() - 1)
    }

    /// The label is behind the last entry.
    fn bind(&mut self, label: Label) {
        if let Some(place) = self.labels.get_mut(label.0) {
            place.entry = self.entries.len();
        }
    }

    fn mark_used(&mut self, target: Target) {
        let place = match target {
            Target::Following => None,
            Target::Label(label) => self.labels.get_mut(label.0),
        };
        if let Some(place) = place {
            place.used = true;
        }
    }

    fn is_used(&self, label: Label) -> bool {
        self.labels.get(label.0).is_none_or(|place| place.used)
    }

    fn finish(self) -> Vec<Entry> {
        let find = |number: usize, target| match target {
            Target::Following => number + 1,
            Target::Label(label) => self.labels.get(label.0).map_or(number + 1, |place| place.entry),
        };
        self.entries
            .into_iter()
            .enumerate()
            .map(|(number, draft)| Entry {
                next: find(number, draft.next),
                otherwise: find(number, draft.otherwise),
                ..draft.entry
            })
            .collect()
    }
}

fn draft(rule: &PreparedRule, region: Region, checks: CheckList, part: Role) -> Draft {
    let action = if part == Role::Rule { rule.action } else { Action::Continue };
    Draft::new(region, checks, action, (rule.counter, part))
}

const fn ends(action: Action) -> bool {
    match action {
        Action::Accept | Action::Drop | Action::Reject(_) | Action::Translate(_) => true,
        Action::Return
        | Action::Jump(_)
        | Action::Goto(_)
        | Action::Log(_)
        | Action::SetMark { .. }
        | Action::Continue => false,
    }
}
