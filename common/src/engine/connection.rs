//! A flow's TCP connection, as its entry keeps it, and the segment that moves it on.

use super::{
    Headers, flow,
    headers::Part,
    lock, state,
    tables::{FlowEntry, Tables},
    tcp::{Connection, Facts, Lasts, Parts, Segment, Step},
};
use crate::abi::{
    config::Config,
    flow::{NUMBERS, Phase, State},
    timeout::Timeout,
    units::Nanos,
};

/// What a packet is to the flow that it was found to be in.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meeting {
    /// One of its packets.
    GoesOn = 0,
    /// None of its packets: to rules it is invalid.
    Invalid = 1,
    /// The first one of another between the same ends.
    BeginsAnew = 2,
}

impl Meeting {
    /// From its number.
    #[inline(always)]
    pub const fn from_number(number: u8) -> Self {
        match number {
            0 => Self::GoesOn,
            1 => Self::Invalid,
            _ => Self::BeginsAnew,
        }
    }
}

/// As [`Tables::meet`], of the segment that was read.
///
/// Of a segment that was missed it is not known what it said: nothing is held against the window from then on.
#[inline(always)]
pub fn meet<T: Tables>(
    tables: &T,
    parts: &impl Parts,
    (headers, segment): (&Headers, Segment),
    (entry, from_opener): (&T::Flow, bool),
) -> Meeting {
    lock::alone(entry, |before| meet_alone(tables, parts, (headers, segment), (entry, from_opener), before))
}

/// What a segment comes to, and the state after it.
#[inline(always)]
fn meet_alone<T: Tables>(
    tables: &T,
    parts: &impl Parts,
    (headers, mut segment): (&Headers, Segment),
    (entry, from_opener): (&T::Flow, bool),
    before: State,
) -> (Meeting, State) {
    let policy = tables.tcp();
    let is_new = before.phase() == Phase::None;
    if is_new || before.has(State::OVER) {
        // There is no connection: the entry but tells whose it is.
        if !state::may_begin(headers, policy) {
            if is_new && from_opener {
                flow::prolong(tables, entry, Timeout::NO_PHASE);
            }
            return (Meeting::Invalid, before);
        }
        if !(is_new && from_opener) {
            return (Meeting::BeginsAnew, before);
        }
    }
    let mut connection = Connection::NEW;
    connection.set_ends(before.connection());
    for place in 0..NUMBERS {
        connection.set_number(place, entry.number(place));
    }
    if is_new {
        parts.begin(&mut connection, &segment);
    }
    if before.has(State::MISSED) {
        connection.loosen();
    }
    let facts = Facts(0)
        .with(Facts::FROM_OPENER, from_opener)
        .with(Facts::ANSWERED, before.has(State::REPLIED))
        .with(Facts::ASSURED, before.has(State::ASSURED))
        .with(Facts::LIBERAL, policy & Config::TCP_LIBERAL != 0);
    connection.select(&mut segment, facts);
    let (step, lasts) = connection.meet(parts, &segment, facts);
    if step == Step::Reopens {
        return (Meeting::BeginsAnew, before);
    }
    if headers.fragment != Part::Whole && step != Step::Invalid {
        // Where it ends is in another fragment.
        connection.loosen();
    }
    if !entry.state().has(State::LOCKED) {
        // Begun anew meanwhile, as another's flow.
        return (Meeting::GoesOn, before);
    }
    for place in 0..NUMBERS {
        let number = connection.number(place);
        // Mostly some have not changed, which leaves their cache line to others.
        if entry.number(place) != number {
            entry.set_number(place, number);
        }
    }
    if let Some(lifetime) = lifetime(tables, (entry, connection.phase), (step, lasts)) {
        flow::extend(entry, tables.now().after(lifetime));
    }
    let after = before.with(flags(step, from_opener)).with_connection(connection.ends());
    (if step == Step::Invalid { Meeting::Invalid } else { Meeting::GoesOn }, after)
}

#[inline(always)]
const fn flags(step: Step, from_opener: bool) -> u32 {
    let replied = if from_opener || matches!(step, Step::Invalid) { 0 } else { State::REPLIED };
    match step {
        Step::Assured => replied | State::ASSURED,
        Step::Ends => replied | State::OVER,
        Step::Moved | Step::Ignored | Step::Invalid | Step::Reopens => replied,
    }
}

/// How long the flow lasts from now on, if that has changed.
#[inline(always)]
fn lifetime<T: Tables>(
    tables: &T,
    (entry, phase): (&T::Flow, Phase),
    (step, lasts): (Step, Lasts),
) -> Option<Nanos> {
    if step == Step::Ends {
        return Some(state::OVER);
    }
    let timeout = |timeout| flow::timeout(tables, entry, timeout);
    let own = Timeout::of_phase(phase);
    Some(match lasts {
        Lasts::Unchanged => return None,
        Lasts::Phase => timeout(own),
        Lasts::Reset => timeout(Timeout::TCP_CLOSE),
        Lasts::Unacknowledged => timeout(own).min(timeout(Timeout::TCP_UNACKNOWLEDGED)),
        Lasts::Repeating => timeout(own).min(timeout(Timeout::TCP_MAX_RETRANS)),
        Lasts::Shortened => {
            let shortened = timeout(Timeout::TCP_UNACKNOWLEDGED);
            if entry.expires() < tables.now().after(shortened) {
                return None;
            }
            shortened
        }
    })
}
