//! How often packets of one kind come (net/netfilter/xt_hashlimit.c).

use berth_common::abi::rules::external::{self, HASHLIMIT, HashlimitEnd};

use super::super::rule::Context;
use crate::{
    compile::input::{Check, Condition, External, Family},
    rules::matches::hashlimit::{Hashlimit, Key, SCALE, Sense},
};

/// Credit is reckoned far more finely than in nanoseconds there, so that these are exact.
const NANOSECONDS: u64 = 1_000_000_000 / SCALE;

pub(super) fn condition(hashlimit: &Hashlimit, context: &mut Context<'_>) -> Condition {
    let family = context.family();
    let cost = hashlimit.rate.interval.saturating_mul(NANOSECONDS);
    let end = |address, prefix: Option<u8>, port| HashlimitEnd {
        address: hashlimit.mode.contains(address),
        prefix: prefix.unwrap_or(bits(family)),
        port: hashlimit.mode.contains(port),
    };
    let asked = external::Hashlimit {
        cost,
        room: cost.saturating_mul(u64::from(hashlimit.burst).saturating_sub(1)),
        above: hashlimit.sense == Sense::Above,
        source: end(Key::SourceAddress, hashlimit.source_prefix, Key::SourcePort),
        destination: end(Key::DestinationAddress, hashlimit.destination_prefix, Key::DestinationPort),
        expire: hashlimit.expire,
    };
    let (id, asked) = context.externals.hashlimit(family, hashlimit, asked);
    Condition::Check(Check::External(External {
        kind: HASHLIMIT,
        id,
        parameters: asked.to_parameters(),
        inverted: false,
        pure: false,
    }))
}

const fn bits(family: Family) -> u8 {
    match family {
        Family::Ipv4 => 32,
        Family::Ipv6 => 128,
    }
}
