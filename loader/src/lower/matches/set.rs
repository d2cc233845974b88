//! Named sets (net/netfilter/xt_set.c).

use berth_common::abi::rules::external::{self, SET};

use super::super::rule::Context;
use crate::{
    compile::input::{Check, Condition, External},
    rules::matches::set::{Direction, Set},
};

pub(super) fn condition(set: &Set, context: &mut Context<'_>) -> Condition {
    let mut asked = external::Set { parts: 0, destinations: 0 };
    for direction in set.directions.iter().take(u8::BITS as usize) {
        asked.destinations |= u8::from(*direction == Direction::Destination) << asked.parts;
        asked.parts += 1;
    }
    Condition::Check(Check::External(External {
        kind: SET,
        id: context.externals.set(set.name.as_str()),
        parameters: asked.to_parameters(),
        inverted: set.negated,
        pure: true,
    }))
}
