//! How many flows there are (net/netfilter/xt_connlimit.c).

use berth_common::abi::rules::external::{self, CONNLIMIT};

use super::super::rule::Context;
use crate::{
    compile::input::{Check, Condition, External},
    rules::matches::connlimit::{Bound, Connlimit, Side},
};

pub(super) fn condition(connlimit: &Connlimit, context: &mut Context<'_>) -> Condition {
    let (limit, above) = match connlimit.bound {
        Bound::Upto(limit) => (limit, false),
        Bound::Above(limit) => (limit, true),
    };
    let asked = external::Connlimit {
        limit,
        above,
        destination: connlimit.side == Side::Destination,
        prefix: connlimit.prefix,
    };
    Condition::Check(Check::External(External {
        kind: CONNLIMIT,
        id: context.externals.connlimit(context.place),
        parameters: asked.to_parameters(),
        inverted: false,
        pure: false,
    }))
}
