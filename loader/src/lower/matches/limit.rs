//! How often packets come (net/netfilter/xt_limit.c).

use berth_common::abi::units::Nanos;

use crate::{
    compile::input::{Check, Condition},
    rules::matches::limit::{Limit, SCALE},
};

/// xt_limit's credits a second: `CREDITS_PER_JIFFY` times `HZ`, on kernels whose clock ticks 250 or 1,000 times a second.
const CREDITS: u64 = 32_000;

/// The nanoseconds in which a credit comes.
const NANOSECONDS: u64 = 1_000_000_000 / CREDITS;

/// The bucket counts in whole credits, as the kernel's does: a token at 10,000 a second costs three of them and not 3.2, and
/// what a bucket holds is rounded by itself, so that it may be a little more than its tokens.
pub(super) fn condition(limit: &Limit) -> Condition {
    let interval = limit.rate.interval;
    let full = interval.saturating_mul(limit.burst.into());
    Condition::Check(Check::Limit { cost: time(credits(interval)), full: time(credits(full)) })
}

/// `user2credits`: long times are rounded to seconds first, lest the product of 32 bits overflow.
const fn credits(user: u64) -> u64 {
    if user > u32::MAX as u64 / CREDITS {
        (user / SCALE).saturating_mul(CREDITS)
    } else {
        user * CREDITS / SCALE
    }
}

const fn time(credits: u64) -> Nanos {
    Nanos(credits.saturating_mul(NANOSECONDS))
}
