//! An SCTP association as it looks from between its ends: where it stands, and whether chunks are such as its ends can be
//! expecting, by their verification tags. What is said of each packet is what nf_conntrack says
//! (net/netfilter/nf_conntrack_proto_sctp.c); how it is come to is this module's own.

mod chunks;
mod moves;

pub use super::facts::Facts;
pub use crate::abi::association::Phase;
pub use chunks::Chunks;

use crate::wire::sctp::{Chunk, kind};

/// An association.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Association {
    /// The tag that packets of who opened it bear, as it lies there; zero if it is not known.
    pub opener_tag: u32,
    /// That of the other end's packets.
    pub responder_tag: u32,
    /// Where it stands.
    pub phase: Phase,
    /// Who has sent INIT, and whose HEARTBEAT is in doubt.
    pub flags: u8,
}

/// What a chunk comes to.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is the association's, and may have moved it on.
    Moved = 0,
    /// It is, but does not keep it alive.
    Kept = 1,
    /// It is none of the association's: to rules its packet is invalid.
    Invalid = 2,
    /// It has opened the association.
    Assured = 3,
}

impl Step {
    /// From its number.
    #[inline(always)]
    pub const fn from_number(number: u8) -> Self {
        match number {
            0 => Self::Moved,
            1 => Self::Kept,
            3 => Self::Assured,
            _ => Self::Invalid,
        }
    }
}

/// What is to be thought of a chunk by its packet's tag.
enum Tag {
    Right,
    /// It may be that of an association that has begun anew elsewhere; the answer will tell.
    Doubtful,
    Wrong,
}

impl Association {
    /// The opener has sent INIT, and nobody COOKIE ACK since.
    const INIT: u8 = 1;
    /// The other end has.
    const RESPONDER_INIT: u8 = 2;
    /// A HEARTBEAT bore another tag, and was not answered yet.
    const DOUBTED: u8 = 4;
    /// It was the opener's.
    const OPENER_DOUBTED: u8 = 8;

    /// Before it has begun.
    pub const NEW: Self = Self { opener_tag: 0, responder_tag: 0, phase: Phase::None, flags: 0 };

    /// From what its flow keeps of it: bits, and a word.
    #[inline(always)]
    pub const fn new(bits: u32, tags: u64) -> Self {
        Self {
            opener_tag: tags as u32,
            responder_tag: (tags >> 32) as u32,
            phase: Phase::from_number(bits as u8 & 0xf),
            flags: (bits >> 4) as u8 & 0xf,
        }
    }

    /// What its flow keeps of it in few bits.
    #[inline(always)]
    pub const fn bits(&self) -> u32 {
        self.phase as u32 | (self.flags as u32) << 4
    }

    /// What its flow keeps of it in a word.
    #[inline(always)]
    pub const fn tags(&self) -> u64 {
        self.opener_tag as u64 | (self.responder_tag as u64) << 32
    }

    /// It begins with these. It is still to meet them.
    #[inline(always)]
    pub fn begin(&mut self, chunks: &Chunks) {
        let kinds = chunks.scan.kinds();
        if kinds & 1 << kind::HEARTBEAT != 0 {
            self.opener_tag = chunks.tag;
        }
        if kinds & 1 << kind::INIT != 0 {
            self.responder_tag = chunks.initiate;
        } else if kinds & 1 << kind::SHUTDOWN_ACK != 0 {
            // Whoever is not in an association answers under the tag that it has got (RFC 9260 §8.4).
            self.responder_tag = chunks.tag;
        }
    }

    /// Whether the packet's tag is the one that its sender has been told to use.
    #[inline(always)]
    pub const fn bears_tag(&self, tag: u32, facts: Facts) -> bool {
        facts.has(Facts::LIBERAL) || tag == self.tag(facts.has(Facts::FROM_OPENER))
    }

    /// What one more chunk comes to, whose packet has this verification tag and, if it is INIT or INIT ACK, this initiate tag.
    #[inline(always)]
    pub fn meet(&mut self, chunk: Chunk, facts: Facts, (tag, initiate): (u32, u32)) -> Step {
        let (kind, from_opener, before) = (chunk.kind(), facts.has(Facts::FROM_OPENER), self.phase);
        match self.look_at(chunk, facts, tag) {
            Tag::Right => {}
            Tag::Doubtful => return Step::Kept,
            Tag::Wrong => return Step::Invalid,
        }
        let Some(next) = moves::next(before, kind, from_opener) else { return Step::Invalid };
        let is_again = kind == kind::INIT && before == Phase::Closed && next == Phase::Closed;
        match kind {
            // Not one that comes again.
            kind::INIT if before == Phase::None || self.tag(!from_opener) != initiate => {
                self.take_init(from_opener);
            }
            kind::INIT_ACK if !self.may_answer(initiate, from_opener) => return Step::Invalid,
            _ => {}
        }
        if kind == kind::INIT || kind == kind::INIT_ACK {
            self.set_tag(!from_opener, initiate);
        }
        self.phase = next;
        if next == Phase::Established && before != next {
            Step::Assured
        } else if is_again {
            // Or else one who tries for ever would keep it alive.
            Step::Kept
        } else {
            Step::Moved
        }
    }

    /// RFC 9260 §8.5.1; and a HEARTBEAT on another path may show a tag that was not seen before.
    #[inline(always)]
    fn look_at(&mut self, chunk: Chunk, facts: Facts, tag: u32) -> Tag {
        let from_opener = facts.has(Facts::FROM_OPENER);
        let is_right = match chunk.kind() {
            kind::INIT => tag == 0,
            kind::ABORT | kind::SHUTDOWN_COMPLETE if chunk.reflects_tag() => {
                self.bears_tag(tag, Facts(facts.0 ^ Facts::FROM_OPENER))
            }
            kind::ABORT | kind::SHUTDOWN_COMPLETE | kind::COOKIE_ECHO => self.bears_tag(tag, facts),
            kind::COOKIE_ACK => {
                self.flags &= !(Self::INIT | Self::RESPONDER_INIT);
                true
            }
            kind::HEARTBEAT | kind::HEARTBEAT_ACK => {
                if self.tag(from_opener) == 0 {
                    self.set_tag(from_opener, tag);
                    return Tag::Right;
                }
                if !self.bears_tag(tag, facts) {
                    return self.doubt(chunk.kind(), facts, tag);
                }
                self.flags &= !Self::DOUBTED;
                true
            }
            _ => true,
        };
        if is_right { Tag::Right } else { Tag::Wrong }
    }

    /// A HEARTBEAT, or its answer, bears another tag than it should: if one was so, and then its answer is, too, they are the new
    /// ones of both.
    #[inline(always)]
    fn doubt(&mut self, kind: u8, facts: Facts, tag: u32) -> Tag {
        let from_opener = facts.has(Facts::FROM_OPENER);
        if facts.has(Facts::WITH_DATA) || facts.has(Facts::KEPT) {
            return Tag::Wrong;
        }
        if kind == kind::HEARTBEAT {
            let side = if from_opener { Self::OPENER_DOUBTED } else { 0 };
            self.flags = self.flags & !Self::OPENER_DOUBTED | Self::DOUBTED | side;
            return Tag::Doubtful;
        }
        let is_by_opener = self.flags & Self::OPENER_DOUBTED != 0;
        if self.flags & Self::DOUBTED == 0 || is_by_opener == from_opener {
            return Tag::Wrong;
        }
        self.flags &= !Self::DOUBTED;
        self.set_tag(from_opener, tag);
        self.set_tag(!from_opener, 0);
        Tag::Right
    }

    #[inline(always)]
    fn take_init(&mut self, from_opener: bool) {
        let (own, other) = inits(from_opener);
        if self.flags & own != 0 {
            self.flags &= !other;
        }
        self.flags |= own;
    }

    /// Whether an INIT ACK may ask for such a tag of the other end.
    #[inline(always)]
    const fn may_answer(&self, initiate: u32, from_opener: bool) -> bool {
        let (own, other) = inits(from_opener);
        let tag = self.tag(!from_opener);
        if self.flags & other == 0 {
            return tag == 0 || tag == initiate;
        }
        // Both have sent INIT, and mean one association.
        self.flags & own == 0 || tag == initiate
    }

    #[inline(always)]
    const fn tag(&self, of_opener: bool) -> u32 {
        if of_opener { self.opener_tag } else { self.responder_tag }
    }

    #[inline(always)]
    const fn set_tag(&mut self, of_opener: bool, tag: u32) {
        if of_opener {
            self.opener_tag = tag;
        } else {
            self.responder_tag = tag;
        }
    }
}

/// The flags of who has sent INIT: of one end, and of the other.
#[inline(always)]
const fn inits(from_opener: bool) -> (u8, u8) {
    let (opener, responder) = (Association::INIT, Association::RESPONDER_INIT);
    if from_opener { (opener, responder) } else { (responder, opener) }
}
