//! Segments that reset a connection.

use super::{
    Connection, Facts,
    segment::{Kind, Segment, before},
    window::End,
};
use crate::abi::flow::Phase;

/// What is to be thought of a reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reset {
    /// It resets the connection if it is in the window.
    Judged,
    /// It resets it.
    Certain,
    /// It does not reset it, yet, and must be in the window.
    Doubtful,
    /// It is none of the connection's.
    Invalid,
}

impl Connection {
    /// What is to be thought of a reset (after RFC 5961 §3, from between the ends).
    #[inline(always)]
    pub(super) fn resets(&self, segment: &Segment, facts: Facts) -> Reset {
        let (from_opener, is_assured) = (facts.has(Facts::FROM_OPENER), facts.has(Facts::ASSURED));
        // The ends may have been used again since, and nothing that is known holds.
        if self.phase.is_closing() {
            return Reset::Certain;
        }
        let Segment { sequence, acknowledgement, .. } = *segment;
        let receiver = if from_opener { &self.responder } else { &self.opener };
        let is_open = self.phase == Phase::Established && is_assured;
        if receiver.has(End::ACKNOWLEDGED) && self.last.kind != Kind::Syn {
            if sequence == 0 && !is_open {
                return Reset::Judged;
            }
            if before(sequence, receiver.acknowledged) {
                return Reset::Invalid;
            }
            let follows = self.last.kind == Kind::Ack
                && self.last.from_opener == from_opener
                && sequence == self.last.end;
            if !is_open || sequence == receiver.acknowledged || follows {
                return Reset::Judged;
            }
            // Its receiver will challenge it.
            return Reset::Doubtful;
        }
        let answers = match self.last.kind {
            Kind::Syn => facts.has(Facts::ANSWERED) && self.last.from_opener != from_opener,
            Kind::Ack => !is_assured,
            _ => false,
        };
        let answers_challenge = self.phase == Phase::SynSent
            && self.last.kind == Kind::Ack
            && !self.last.from_opener
            && sequence == self.responder.acknowledged;
        let is_certain = (answers && acknowledgement == self.last.end) || answers_challenge;
        if is_certain { Reset::Certain } else { Reset::Judged }
    }
}
