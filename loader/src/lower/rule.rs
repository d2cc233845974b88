//! One rule.

use super::{Externals, LogSpec, Names, Place, Reason, action, header, matches};
use crate::{
    compile::input::{ChainId, Family, Rule, Target},
    rules::{self, chain::ChainName},
};

/// What a rule may refer to.
pub(super) struct Context<'a> {
    /// Where the rule stands.
    pub(super) place: &'a Place,
    pub(super) names: &'a Names,
    /// Finds a chain of the rule's table.
    pub(super) find: &'a dyn Fn(&ChainName) -> Option<ChainId>,
    /// Whether packets come to the rule that the container itself sends, for their flows to be translated.
    pub(super) is_sending: bool,
    pub(super) targets: &'a mut Vec<Target>,
    pub(super) logs: &'a mut Vec<LogSpec>,
    pub(super) externals: &'a mut Externals,
}

impl Context<'_> {
    pub(super) const fn family(&self) -> Family {
        self.place.family
    }
}

/// Lowers a rule.
pub(super) fn rule(
    written: &rules::rule::Rule,
    counter: u32,
    context: &mut Context<'_>,
) -> Result<Rule, Reason> {
    let mut conditions = header::conditions(&written.header, context)?;
    for one in &written.matches {
        conditions.extend(matches::conditions(one, context)?);
    }
    Ok(Rule { counter, conditions, action: action::action(written.target.as_ref(), context)? })
}
