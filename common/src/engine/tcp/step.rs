//! What a segment comes to.

use super::{Connection, Facts, Fit, Segment};
use crate::abi::flow::Phase;

/// What a segment comes to.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It has moved the connection on.
    Moved = 0,
    /// It is the connection's, but has not moved it.
    Ignored = 1,
    /// It is none of the connection's: to rules it is invalid.
    Invalid = 2,
    /// It begins another connection between the same ends.
    Reopens = 3,
    /// It has ended the connection, which nobody had answered.
    Ends = 4,
    /// It has moved it on, and shows that both ends mean it.
    Assured = 5,
}

/// How long a connection lasts from now on unless more comes.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lasts {
    /// As long as before.
    Unchanged = 0,
    /// As its phase does.
    Phase = 1,
    /// As one that was reset.
    Reset = 2,
    /// No longer than one whose end waits for an acknowledgement (`nf_conntrack_tcp_timeout_unacknowledged`).
    Unacknowledged = 3,
    /// No longer than one whose end repeats itself (`nf_conntrack_tcp_timeout_max_retrans`).
    Repeating = 4,
    /// As long as before, but no longer than one whose end waits for an acknowledgement.
    Shortened = 5,
}

/// What becomes of a segment by its kind.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It moves the connection on if it is in the window.
    Judged = 0,
    /// It moves it on.
    Certain = 1,
    /// It moves nothing.
    Ignored = 2,
    /// It makes no sense.
    Invalid = 3,
    /// It begins another connection.
    Reopens = 4,
}

/// An [`Outcome`], and above it the phase that comes next: one number, as all that a function can return which the verifier
/// proves by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision(pub u32);

impl Decision {
    #[inline(always)]
    pub(super) const fn new(outcome: Outcome, next: Phase) -> Self {
        Self(outcome as u32 | (next as u32) << 8)
    }

    /// What becomes of the segment.
    #[inline(always)]
    pub const fn outcome(self) -> Outcome {
        match self.0 as u8 {
            0 => Outcome::Judged,
            1 => Outcome::Certain,
            2 => Outcome::Ignored,
            4 => Outcome::Reopens,
            _ => Outcome::Invalid,
        }
    }

    /// What comes next.
    #[inline(always)]
    pub const fn next(self) -> Phase {
        Phase::from_number((self.0 >> 8) as u8)
    }
}

/// The parts of [`Connection::meet`], which in the kernel are functions that the verifier proves by themselves: it would go
/// through them as often as there are ways that lead to them.
pub trait Parts {
    /// As [`Connection::begin`].
    #[inline(always)]
    fn begin(&self, connection: &mut Connection, segment: &Segment) {
        connection.begin(segment);
    }

    /// As [`Connection::decide`].
    #[inline(always)]
    fn decide(&self, connection: &mut Connection, segment: &Segment, facts: Facts) -> Decision {
        connection.decide(segment, facts)
    }

    /// As [`Connection::judge`].
    #[inline(always)]
    fn judge(&self, connection: &mut Connection, segment: &Segment, facts: Facts) -> Fit {
        connection.judge(segment, facts)
    }
}

/// All in one.
#[derive(Clone, Copy, Debug)]
pub struct Whole;

impl Parts for Whole {}
