//! Lists of addresses that were seen (net/netfilter/xt_recent.c).

use std::net::IpAddr;

use berth_common::abi::{
    guard::RECENT_STAMPS,
    rules::external::{self, RECENT, RecentAction},
    units::Nanos,
};

use super::super::{Reason, rule::Context};
use crate::{
    compile::input::{Check, Condition, External},
    rules::matches::recent::{Action, Recent, Seen, Side},
};

pub(super) fn condition(recent: &Recent, context: &mut Context<'_>) -> Result<Condition, Reason> {
    let (action, seen) = match recent.action {
        Action::Set => (RecentAction::Set, external::Seen::default()),
        Action::Check(seen) => (RecentAction::Check, lower(seen)),
        Action::Update(seen) => (RecentAction::Update, lower(seen)),
        Action::Remove => (RecentAction::Remove, external::Seen::default()),
    };
    if usize::from(seen.hits) > RECENT_STAMPS {
        return Err(Reason::RecentHits(seen.hits));
    }
    let asked = external::Recent {
        action,
        destination: recent.side == Side::Destination,
        inverted: recent.negated,
        prefix: prefix(recent.mask).ok_or_else(|| Reason::RecentMask(recent.mask.to_string()))?,
        seen,
    };
    let (id, asked) = context.externals.recent(context.family(), recent.name.as_str(), asked);
    Ok(Condition::Check(Check::External(External {
        kind: RECENT,
        id,
        parameters: asked.to_parameters(),
        inverted: false,
        pure: action == RecentAction::Check && !seen.reap,
    })))
}

fn lower(seen: Seen) -> external::Seen {
    external::Seen {
        within: seen.seconds.map_or(0, |seconds| Nanos::seconds(seconds.into()).0),
        hits: seen.hits.unwrap_or(0),
        reap: seen.reap,
        same_ttl: seen.same_ttl,
    }
}

/// The length of a mask without holes.
fn prefix(mask: IpAddr) -> Option<u8> {
    let (ones, all) = match mask {
        IpAddr::V4(mask) => (mask.to_bits().leading_ones(), mask.to_bits().count_ones()),
        IpAddr::V6(mask) => (mask.to_bits().leading_ones(), mask.to_bits().count_ones()),
    };
    u8::try_from(ones).ok().filter(|_| ones == all)
}
