//! A TCP connection as it looks from between its ends: where it stands, and whether a segment is one that its receiver can be
//! expecting. What is said of each segment is what nf_conntrack says (net/netfilter/nf_conntrack_proto_tcp.c); how it is come
//! to is this module's own.

mod last;
mod moves;
mod packed;
mod reset;
mod segment;
mod step;
mod window;

pub use super::facts::Facts;
pub use last::Last;
pub use segment::{Kind, Options, Segment};
pub use step::{Decision, Lasts, Outcome, Parts, Step, Whole};
pub use window::{End, Fit};

use crate::abi::flow::Phase;
use moves::Move;
use reset::Reset;

/// A connection.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Where it stands.
    pub phase: Phase,
    /// Who opened it.
    pub opener: End,
    /// The other end.
    pub responder: End,
    /// The last segment that meant something.
    pub last: Last,
}

impl Connection {
    /// Before it has begun.
    pub const NEW: Self =
        Self { phase: Phase::None, opener: End::UNKNOWN, responder: End::UNKNOWN, last: Last::NONE };

    /// It begins with a segment: with a SYN, or in mid-stream. It is still to [meet](Self::meet) that segment.
    #[inline(always)]
    pub fn begin(&mut self, segment: &Segment) {
        if segment.kind() == Kind::Syn {
            self.opener.begin(segment);
        } else {
            self.opener.pick_up(segment);
            self.opener.flags = End::SACK;
            self.responder.flags = End::SACK;
            self.loosen();
        }
    }

    /// What the segment acknowledges selectively counts only if its receiver takes that.
    #[inline(always)]
    pub const fn select(&self, segment: &mut Segment, facts: Facts) {
        let receiver = if facts.has(Facts::FROM_OPENER) { &self.responder } else { &self.opener };
        if !receiver.has(End::SACK) {
            segment.selective = segment.acknowledgement;
        }
    }

    /// Its ends are not held to their windows from now on: how much was sent is not known.
    #[inline(always)]
    pub const fn loosen(&mut self) {
        self.opener.flags |= End::LIBERAL;
        self.responder.flags |= End::LIBERAL;
    }

    /// What one more segment comes to, and how long the connection lasts then.
    #[inline(always)]
    pub fn meet(&mut self, parts: &impl Parts, segment: &Segment, facts: Facts) -> (Step, Lasts) {
        let before = self.phase;
        let decision = parts.decide(self, segment, facts);
        match decision.outcome() {
            Outcome::Judged => match parts.judge(self, segment, facts) {
                Fit::Inside => {}
                Fit::Beside => return (Step::Ignored, Lasts::Unchanged),
                Fit::Outside => return (Step::Invalid, self.doubt(segment.kind(), facts)),
            },
            Outcome::Certain => {}
            Outcome::Ignored => return (Step::Ignored, Lasts::Unchanged),
            Outcome::Invalid => return (Step::Invalid, Lasts::Unchanged),
            Outcome::Reopens => return (Step::Reopens, Lasts::Unchanged),
        }
        self.move_on((before, decision.next()), segment.kind(), facts)
    }

    /// What a segment's kind means where the connection stands.
    #[inline(always)]
    pub fn decide(&mut self, segment: &Segment, facts: Facts) -> Decision {
        let (kind, from_opener) = (segment.kind(), facts.has(Facts::FROM_OPENER));
        let before = self.phase;
        let mut next = match moves::next(before, kind, from_opener) {
            Move::Invalid => return Decision::new(Outcome::Invalid, before),
            Move::Nowhere => match self.pass_by(segment, from_opener) {
                Some(next) => next,
                None => return Decision::new(Outcome::Ignored, before),
            },
            Move::To(Phase::SynSent) if before as u8 >= Phase::TimeWait as u8 => {
                if self.may_be_reopened(from_opener) {
                    return Decision::new(Outcome::Reopens, before);
                }
                match self.pass_by(segment, from_opener) {
                    Some(next) => next,
                    None => return Decision::new(Outcome::Ignored, before),
                }
            }
            Move::To(next) => next,
        };
        match next {
            // The challenge to a SYN acknowledges no FIN.
            Phase::TimeWait if before == Phase::LastAck && self.is_challenge(kind, from_opener) => {
                self.last.set(Last::CHALLENGED, false);
                return Decision::new(Outcome::Ignored, before);
            }
            Phase::SynSent2 => self.last.set(Last::SIMULTANEOUS, true),
            Phase::SynRecv if !from_opener && kind == Kind::Ack && self.last.has(Last::SIMULTANEOUS) => {
                next = Phase::Established;
            }
            Phase::Close if kind == Kind::Rst => match self.resets(segment, facts) {
                Reset::Judged => {}
                Reset::Certain => return Decision::new(Outcome::Certain, next),
                Reset::Doubtful => next = before,
                Reset::Invalid => return Decision::new(Outcome::Invalid, before),
            },
            _ => {}
        }
        Decision::new(Outcome::Judged, next)
    }

    /// How a segment fits. One that would not, of an end of which too little is known, passes and changes nothing.
    #[inline(always)]
    pub fn judge(&mut self, segment: &Segment, facts: Facts) -> Fit {
        let from_opener = facts.has(Facts::FROM_OPENER);
        let Self { opener, responder, .. } = self;
        let (sender, receiver) = if from_opener { (opener, responder) } else { (responder, opener) };
        match window::meet((&mut *sender, receiver), segment, self.phase, from_opener) {
            Fit::Inside => {}
            _ if sender.has(End::LIBERAL) || facts.has(Facts::LIBERAL) => return Fit::Inside,
            other => return other,
        }
        if segment.kind() == Kind::Ack {
            self.last.count_again(segment, from_opener);
        }
        Fit::Inside
    }

    #[inline(always)]
    fn move_on(&mut self, (before, next): (Phase, Phase), kind: Kind, facts: Facts) -> (Step, Lasts) {
        let from_opener = facts.has(Facts::FROM_OPENER);
        self.last.kind = kind;
        self.last.from_opener = from_opener;
        self.phase = next;
        if next != before && next == Phase::FinWait {
            self.end_mut(from_opener).flags |= End::CLOSED;
        }
        self.conclude(kind, before, facts)
    }

    /// A segment goes by that may be the ends' business and not what was seen of it. Where it answers a SYN that went by, the
    /// connection is theirs again, and goes on.
    #[inline(always)]
    fn pass_by(&mut self, segment: &Segment, from_opener: bool) -> Option<Phase> {
        let kind = segment.kind();
        let answers = self.last.kind == Kind::Syn && self.last.from_opener != from_opener;
        if kind == Kind::SynAck && answers && segment.acknowledgement == self.last.end {
            self.resume(from_opener);
            return Some(Phase::SynRecv);
        }
        let Last { scale, flags, again, .. } = self.last;
        self.last = Last { kind, from_opener, end: segment.end, window: segment.window, scale, flags, again };
        self.last.set(Last::STOPPED, segment.window == 0);
        if kind == Kind::Syn && from_opener {
            self.last.scale = if segment.options.has(Options::SCALES) { segment.options.scale() } else { 0 };
            self.last.set(Last::SCALES, segment.options.has(Options::SCALES));
            self.last.set(Last::SACK, segment.options.has(Options::SACK));
            self.last.set(Last::CHALLENGED, self.phase == Phase::LastAck);
            self.last.set(Last::SIMULTANEOUS, false);
        }
        // Nothing was seen of that end, so this is free: what a reset would have to begin with.
        if self.phase == Phase::SynSent && kind == Kind::Ack && !from_opener {
            self.responder.acknowledged = segment.acknowledgement;
        }
        None
    }

    /// The sender of the SYN that went by is as it told, and who answers it is new.
    #[inline(always)]
    fn resume(&mut self, from_opener: bool) {
        let Last { end, window, scale, flags, .. } = self.last;
        self.last.set(Last::CHALLENGED, false);
        let other = self.end_mut(!from_opener);
        other.sent = end;
        other.may_send = end;
        other.window = if window == 0 { 1 } else { window as u32 };
        other.scale = scale;
        other.flags = 0;
        if flags & Last::SCALES != 0 {
            other.flags |= End::SCALES;
        }
        if flags & Last::SACK != 0 {
            other.flags |= End::SACK;
        }
        self.end_mut(from_opener).forget();
    }

    /// Whether a SYN begins another connection, now that this one is over.
    #[inline(always)]
    const fn may_be_reopened(&self, from_opener: bool) -> bool {
        let closed = (self.opener.flags | self.responder.flags) & End::CLOSED != 0;
        closed || (self.last.from_opener == from_opener && matches!(self.last.kind, Kind::Rst))
    }

    #[inline(always)]
    fn is_challenge(&self, kind: Kind, from_opener: bool) -> bool {
        kind == Kind::Ack
            && self.last.from_opener != from_opener
            && self.last.kind == Kind::Syn
            && self.last.has(Last::CHALLENGED)
    }

    /// A segment that closes, and is outside of the window, makes one doubt what is known: two of them, from either end, mean
    /// that the connection is over.
    #[inline(always)]
    fn doubt(&mut self, kind: Kind, facts: Facts) -> Lasts {
        let from_opener = facts.has(Facts::FROM_OPENER);
        if !facts.has(Facts::ASSURED) || !matches!(kind, Kind::Rst | Kind::Fin) {
            return Lasts::Unchanged;
        }
        if self.last.from_opener != from_opener && matches!(self.last.kind, Kind::Rst | Kind::Fin) {
            return Lasts::Shortened;
        }
        self.last.kind = kind;
        self.last.from_opener = from_opener;
        Lasts::Unchanged
    }

    /// What comes of a segment that has moved the connection on from a phase.
    #[inline(always)]
    fn conclude(&self, kind: Kind, before: Phase, facts: Facts) -> (Step, Lasts) {
        let waits = (self.opener.flags | self.responder.flags) & End::UNACKNOWLEDGED != 0;
        let lasts = if self.last.again >= Last::MOST {
            Lasts::Repeating
        } else if kind == Kind::Rst {
            Lasts::Reset
        } else if waits {
            Lasts::Unacknowledged
        } else if self.last.has(Last::STOPPED) {
            Lasts::Repeating
        } else {
            Lasts::Phase
        };
        let is_open = self.phase == Phase::Established;
        if facts.has(Facts::ANSWERED) {
            let was_opening = matches!(before, Phase::SynRecv | Phase::Established);
            let step = if was_opening && is_open { Step::Assured } else { Step::Moved };
            return (step, lasts);
        }
        match kind {
            Kind::Rst => (Step::Ends, lasts),
            // Or else one who tries for ever would keep it alive.
            Kind::Syn if before == Phase::SynSent => (Step::Moved, Lasts::Unchanged),
            _ if is_open && lasts == Lasts::Phase => (Step::Moved, Lasts::Unacknowledged),
            _ => (Step::Moved, lasts),
        }
    }

    #[inline(always)]
    const fn end_mut(&mut self, opener: bool) -> &mut End {
        if opener { &mut self.opener } else { &mut self.responder }
    }
}
