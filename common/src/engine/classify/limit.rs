//! A token bucket in one word.
//!
//! The word is the time at which the bucket will be full. Every token taken moves it on by the time that a token takes
//! to come back; so credit is what xt_limit's would be at any moment, but there is one word to swap instead of two,
//! and a refused packet writes nothing. A bucket that was never used is full, as xt_limit's is.

use crate::{abi::units::Nanos, engine::tables::Word};

/// How often a lost race is run again. Each loss means that another processor has taken a token.
const ATTEMPTS: u32 = 16;

/// Takes a token that costs `cost` nanoseconds, if the bucket, `room` nanoseconds of credit when it is full and one
/// token less, has one.
#[inline(always)]
pub fn take<W: Word>(full_at: W, now: Nanos, cost: u64, room: u64) -> bool {
    for _ in 0..ATTEMPTS {
        let old = full_at.load();
        let missing = old.saturating_sub(now.0);
        if missing > room {
            return false;
        }
        let new = now.0.wrapping_add(missing).wrapping_add(cost);
        if full_at.swap(old, new) {
            return true;
        }
    }
    false
}
