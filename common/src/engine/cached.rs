//! Verdicts that are kept with a flow (design §9): which counters a packet would count in, were its rules asked, where that
//! cannot differ from packet to packet.
//!
//! A walk finds out by itself whether that is so ([`Outcome::constant`]). Then the flow keeps the numbers of the counters
//! for packets of that direction and state, with a stamp of all that they hold for: the ruleset, the state, the interface.
//! What has another stamp is as good as nothing, so nobody has to clear anything when rules change. Each word has the
//! whole stamp: words of one stamp go together, whoever has written them, so they need no lock.

use super::{
    classify::{Decision, Lines, Outcome},
    rules::Case,
    tables::FlowEntry,
};
use crate::abi::{
    flow::VERDICT_WORDS,
    rules::{
        WORDS,
        counters::COUNTER_WORDS,
        dimension::{direction, state},
        header,
    },
};

/// Bits of a counter's number in a word, which holds two.
const BITS: u32 = 13;
/// No counter.
const NONE: u64 = (1 << BITS) - 1;
/// Counters of one verdict.
const MOST: u64 = 2 * VERDICT_WORDS as u64;
/// Where a word's counters are; its stamp is above.
const COUNTERS: u64 = (1 << (2 * BITS)) - 1;

/// 2³² divided by the golden ratio (Knuth, The Art of Computer Programming, 6.4).
const SPREAD: u64 = 0x9e37_79b1;

/// Interfaces of higher indices share no verdicts.
const INTERFACES: u32 = 1 << 10;

/// The counters that a walk has counted in: how many, and below their numbers, the last one lowest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hits(pub u64);

impl Hits {
    /// Before any.
    pub const NONE: Self = Self((1 << Self::NUMBER) - 1);
    const NUMBER: u32 = MOST as u32 * BITS;

    /// With one more.
    #[inline(always)]
    pub const fn and(self, counter: u32) -> Self {
        let Self(hits) = self;
        // One that has no room makes them too many.
        let more = if counter as u64 >= NONE { MOST.wrapping_add(1) } else { 1 };
        let count = hits >> Self::NUMBER;
        let count = if count > MOST { count } else { count.wrapping_add(more) };
        let numbers = (hits << BITS | counter as u64 & NONE) & Self::NONE.0;
        Self(count << Self::NUMBER | numbers)
    }

    /// As they are kept under a stamp; nothing if they are too many.
    #[inline(always)]
    const fn words(self, stamp: u64) -> Option<[u64; VERDICT_WORDS]> {
        let Self(hits) = self;
        if hits >> Self::NUMBER > MOST {
            return None;
        }
        Some([stamp | hits & COUNTERS, stamp | hits >> (2 * BITS) & COUNTERS])
    }
}

/// The packets that a verdict holds for, as far as their flow does not say.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    /// What is asked about such a packet.
    pub case: &'a Case,
    /// The interface it is on, as rules know it; zero for the container's own.
    pub interface: u32,
}

impl Scope<'_> {
    /// All that a verdict holds for, in a word's upper bits; nothing if there is none to be kept.
    ///
    /// Of the ruleset's stamp 25 bits are left: a flow would have to sleep through 33,554,432 changes of its rules. Rulesets
    /// of different containers, which count their changes alike, are spread over them: one that hands its flow on while it
    /// still writes there is not to be taken for the other.
    #[inline(always)]
    fn stamp(&self, generation: u64) -> Option<u64> {
        let Self { case, interface } = *self;
        let is_new = case.state as u32 == state::NEW;
        if interface >= INTERFACES || !(is_new || case.state as u32 == state::ESTABLISHED) {
            return None;
        }
        let is_reply = case.direction as u32 == direction::REPLY;
        // The bit that is always set tells it from a place where nothing has been kept.
        let kind = 4 | (is_new as u64) << 1 | is_reply as u64;
        let ruleset = generation.wrapping_add((case.container.0 as u64).wrapping_mul(SPREAD));
        Some((ruleset << 13 | (interface as u64) << 3 | kind) << (2 * BITS))
    }

    /// Where it is kept.
    #[inline(always)]
    const fn place(&self) -> usize {
        !self.case.chain.is_inward() as usize
    }

    /// Whether the flow is this container's alone, so that nobody else keeps anything there.
    #[inline(always)]
    fn is_alone<F: FlowEntry>(&self, flow: &F) -> bool {
        let (opener, responder) = (flow.opener(), flow.responder());
        opener.is_container() != responder.is_container()
            && (opener == self.case.container || responder == self.case.container)
    }
}

/// Lets a packet, which has so many bytes as `length` finds, pass by what the flow has kept, and counts it; tells whether that
/// was so.
#[inline(always)]
pub fn replay<L: Lines, F: FlowEntry>(
    lines: &L,
    flow: &F,
    scope: &Scope<'_>,
    length: impl FnOnce() -> Option<u32>,
) -> bool {
    let place = scope.place();
    let (first, second) = (flow.verdict(place, 0), flow.verdict(place, 1));
    if first == 0 || !scope.is_alone(flow) {
        return false;
    }
    let Some(line) = lines.line(0) else { return false };
    let (generation, counters) = (header::generation(line), header::counters(line));
    let Some(stamp) = scope.stamp(generation) else { return false };
    if !header::is_known(line) || first & !COUNTERS != stamp || second & !COUNTERS != stamp {
        return false;
    }
    let Some(length) = length() else { return false };
    let count = |number: u64| {
        if number != NONE {
            let place = counters.wrapping_mul(WORDS as u32);
            // There is such a counter, or it would not have been counted in.
            let _ = lines.count(place.wrapping_add((number as u32).wrapping_mul(COUNTER_WORDS)), length);
        }
    };
    count(first & NONE);
    count(first >> BITS & NONE);
    count(second & NONE);
    count(second >> BITS & NONE);
    true
}

/// Keeps with the flow what a walk through the ruleset of this stamp has come to, if the same holds for others like the
/// packet. `mark` is the packet's before it.
#[inline(always)]
pub fn remember<F: FlowEntry>(
    flow: &F,
    scope: &Scope<'_>,
    generation: u64,
    (outcome, mark): (&Outcome, u32),
    hits: Hits,
) {
    let passes = outcome.decision == Decision::Accept && outcome.mark == mark;
    if !(outcome.constant && passes && scope.is_alone(flow)) {
        return;
    }
    if let Some(stamp) = scope.stamp(generation)
        && let Some([first, second]) = hits.words(stamp)
    {
        flow.set_verdict(scope.place(), 0, first);
        flow.set_verdict(scope.place(), 1, second);
    }
}
