//! A token bucket in one word.
//!
//! The word is the time at which the bucket will be full. Every token taken moves it on by the time that a token takes
//! to come back; so credit is what xt_limit's would be at any moment, but there is one word to swap instead of two,
//! and a refused packet writes nothing. A bucket that was never used is full, as xt_limit's is.

use crate::{abi::units::Nanos, engine::tables::Word};

/// Takes a token that costs `cost` nanoseconds, if the bucket, `room` nanoseconds of credit when it is full and one
/// token less, has one.
///
/// A lost race, which means that another processor has taken a token, is run again up to seven times. Not in a loop:
/// 6.1's verifier takes some loops, as compilers lay them out, for endless ones.
#[inline(always)]
pub fn take<W: Word>(full_at: W, now: Nanos, cost: u64, room: u64) -> bool {
    let again = || attempt(full_at, now, cost, room);
    again()
        .or_else(again)
        .or_else(again)
        .or_else(again)
        .or_else(again)
        .or_else(again)
        .or_else(again)
        .or_else(again)
        .unwrap_or(false)
}

/// Whether there is a token; nothing if somebody else took one meanwhile.
#[inline(always)]
fn attempt<W: Word>(full_at: W, now: Nanos, cost: u64, room: u64) -> Option<bool> {
    let old = full_at.load();
    let missing = old.saturating_sub(now.0);
    if missing > room {
        return Some(false);
    }
    let new = now.0.wrapping_add(missing).wrapping_add(cost);
    if full_at.swap(old, new) { Some(true) } else { None }
}

#[cfg(test)]
mod tests {
    use core::cell::Cell;

    use super::*;

    impl Word for &Cell<u64> {
        fn load(&self) -> u64 {
            self.get()
        }

        fn swap(&self, old: u64, new: u64) -> bool {
            let same = self.get() == old;
            if same {
                self.set(new);
            }
            same
        }

        fn add(&self, value: u64) -> u64 {
            self.replace(self.get().wrapping_add(value))
        }
    }

    #[test]
    fn tokens_come_back_one_by_one() {
        let bucket = Cell::new(0);
        let takes = |now| take(&bucket, Nanos(now), 100, 200);
        assert_eq!([takes(1_000), takes(1_000), takes(1_000), takes(1_099)], [true, true, true, false]);
        assert_eq!([takes(1_100), takes(1_100), takes(1_250), takes(1_299)], [true, false, true, false]);
        assert_eq!([takes(9_000), takes(9_000), takes(9_000), takes(9_000)], [true, true, true, false]);
    }

    #[test]
    fn a_refusal_writes_nothing() {
        let bucket = Cell::new(5_000);
        assert!(!take(&bucket, Nanos(1_000), 100, 200));
        assert_eq!(bucket.get(), 5_000);
    }
}
