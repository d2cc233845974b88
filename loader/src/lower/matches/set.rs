//! Named sets (net/netfilter/xt_set.c).

use berth_common::abi::rules::external::{self, SET};

use super::super::{Reason, rule::Context};
use crate::{
    compile::input::{Check, Condition, External},
    rules::matches::set::{Direction, Set},
};

/// As iptables does, this wants the set to be there and of the family, and leaves it to the lookup whether there are
/// enough directions.
pub(super) fn condition(set: &Set, context: &mut Context<'_>) -> Result<Condition, Reason> {
    let name = set.name.as_str();
    let (id, family) = context.names.set(name).ok_or_else(|| Reason::NoSet(name.to_owned()))?;
    if family.is_some_and(|family| family != context.family()) {
        return Err(Reason::SetFamily(name.to_owned()));
    }
    let mut asked = external::Set { parts: 0, destinations: 0 };
    for direction in set.directions.iter().take(u8::BITS as usize) {
        asked.destinations |= u8::from(*direction == Direction::Destination) << asked.parts;
        asked.parts += 1;
    }
    Ok(Condition::Check(Check::External(External {
        kind: SET,
        id,
        parameters: asked.to_parameters(),
        inverted: set.negated,
        pure: true,
    })))
}
