//! A flow's SCTP association, as its entry keeps it, and the chunks that move it on.

use super::{
    Headers,
    connection::Meeting,
    flow, lock,
    sctp::{Association, Chunks, Facts, Phase, Step},
    state,
    tables::{FlowEntry, Tables},
};
use crate::{
    abi::{
        flow::{FlowKey, State},
        timeout::Timeout,
        units::Zone,
    },
    wire::sctp::{Chunk, Scan},
};

/// [`Association::meet`], which in the kernel is a function that the verifier proves by itself.
pub trait Steps {
    /// As [`Association::meet`].
    #[inline(always)]
    fn meet(&self, association: &mut Association, chunk: Chunk, facts: Facts, tags: (u32, u32)) -> Step {
        association.meet(chunk, facts, tags)
    }
}

/// As they are.
pub struct Whole;

impl Steps for Whole {}

/// As [`Tables::meet`], of the chunks that were read.
#[inline(always)]
pub fn meet<T: Tables>(
    tables: &T,
    steps: &impl Steps,
    (headers, chunks): (&Headers, &Chunks),
    (entry, from_opener): (&T::Flow, bool),
) -> Meeting {
    lock::alone(entry, |before| meet_alone(tables, steps, (headers, chunks), (entry, from_opener), before))
}

/// Where in the entry's numbers the tags are.
const TAGS: usize = 0;

#[inline(always)]
fn meet_alone<T: Tables>(
    tables: &T,
    steps: &impl Steps,
    (headers, chunks): (&Headers, &Chunks),
    (entry, from_opener): (&T::Flow, bool),
    before: State,
) -> (Meeting, State) {
    let mut association = Association::new(before.connection(), entry.number(TAGS));
    if association.phase == Phase::None {
        // There is no association: the entry but tells whose it is.
        if !state::may_begin(headers, tables.tcp()) {
            if from_opener {
                flow::prolong(tables, entry, Timeout::NO_PHASE);
            }
            return (Meeting::Invalid, before);
        }
        if !from_opener {
            return (Meeting::BeginsAnew, before);
        }
        association = Association::NEW;
        association.begin(chunks);
    }
    let facts = Facts(0)
        .with(Facts::FROM_OPENER, from_opener)
        .with(Facts::WITH_DATA, chunks.scan.has_data())
        .with(Facts::LIBERAL, before.has(State::MISSED));
    let (meeting, facts) = meet_all(steps, &mut association, chunks, facts);
    if !entry.state().has(State::LOCKED) {
        // Begun anew meanwhile, as another's flow.
        return (Meeting::GoesOn, before);
    }
    if entry.number(TAGS) != association.tags() {
        entry.set_number(TAGS, association.tags());
    }
    let assured = if facts.has(Facts::ASSURED) { State::ASSURED } else { 0 };
    let after = before.with_connection(association.bits()).with(assured);
    if meeting == Meeting::Invalid {
        return (meeting, after);
    }
    if !facts.has(Facts::KEPT) {
        prolong(tables, entry, association.phase);
    }
    (meeting, if from_opener { after } else { after.with(State::REPLIED) })
}

/// As nf_conntrack has it; but where several share addresses, it is by its flow alone that one knows whose an association is, since
/// SCTP's sockets are not looked up: there it stays known for as long as an entry without a phase does.
#[inline(always)]
fn prolong<T: Tables>(tables: &T, entry: &T::Flow, phase: Phase) {
    let lasts = flow::timeout(tables, entry, Timeout::of_association(phase));
    let zone = Zone(entry.key_word(FlowKey::ZONE_PROTOCOL).wrapping_shr(8));
    let is_shared = zone == Zone::UPLINK || zone == Zone::LOCAL;
    let least = if is_shared { flow::timeout(tables, entry, Timeout::NO_PHASE) } else { lasts };
    flow::extend(entry, tables.now().after(lasts.max(least)));
}

/// What all chunks of a packet come to. One that is invalid is the last: those before it have moved the association on.
#[inline(always)]
fn meet_all(
    steps: &impl Steps,
    association: &mut Association,
    chunks: &Chunks,
    mut facts: Facts,
) -> (Meeting, Facts) {
    if chunks.are_under_tag() && !association.bears_tag(chunks.tag, facts) {
        return (Meeting::Invalid, facts);
    }
    for place in 0..Scan::MOST {
        let Some(chunk) = chunks.scan.chunk(place) else { break };
        match steps.meet(association, chunk, facts, (chunks.tag, chunks.initiate)) {
            Step::Moved => {}
            Step::Kept => facts = facts.with(Facts::KEPT, true),
            Step::Invalid => return (Meeting::Invalid, facts),
            Step::Assured => facts = facts.with(Facts::ASSURED, true),
        }
    }
    (Meeting::GoesOn, facts)
}
