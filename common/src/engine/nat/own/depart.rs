//! After all else: where a packet comes from.

use super::{
    super::{
        super::{
            headers::{Headers, Part, Place},
            tables::{FlowEntry, Which},
        },
        NatTables, Taken, TranslationEntry,
        name::{self, Naming},
    },
    Layer, NO_SLOT, Ports, Step, TRIES, Whose, flows_of, live, slot_of,
};
use crate::abi::{
    flow::{End, State},
    nat::NatEnd,
    reason::Reason,
};

/// Names the flow in a slot, which the packet begins, after the destination that it was asked by (`asked`), unless it has the name; or
/// after none, if it was asked by its own.
#[inline(always)]
pub fn name_destination<T: NatTables>(
    tables: &T,
    headers: &mut Headers,
    (whose, slot): (Whose, u32),
    asked: &NatEnd,
) -> Reason {
    let naming = Naming {
        number: Layer::Destination.number(slot),
        zone: whose.before(),
        which: Which::Destination,
        is_given: true,
    };
    let to = headers.to();
    if *asked == to.into() {
        name::forget_older(tables, naming.number);
        return Reason::None;
    }
    headers.put(Which::Destination, (*asked).into());
    let reason = name::once(tables, headers, naming, |outer| match tables.own_take(outer, naming) {
        Taken::Yes => Reason::None,
        Taken::Full => Reason::NatTableFull,
        Taken::No => Reason::NatPorts,
    });
    headers.put(Which::Destination, to);
    reason
}

/// Where a packet on a container's interface comes from, if its flow has a name there: that end is written to `end`. ICMP errors are
/// [about](super::depart_about) others.
#[inline(always)]
pub fn depart<T: NatTables>(tables: &T, headers: &Headers, whose: Whose, end: &mut NatEnd) -> Step {
    let zone = whose.after();
    if headers.fragment == Part::Later {
        let follows = tables.follow_first(headers, zone, end);
        return if follows { Step::Translated } else { Step::AsItIs };
    }
    let Some(slot) = live(tables, headers, whose.flows()) else { return Step::AsItIs };
    if tables.own_end(slot.number, &headers.destination, zone, end) {
        if *end == headers.from().into() {
            return Step::AsItIs;
        }
        if headers.fragment == Part::First {
            tables.note_first(headers, zone, end);
        }
        return Step::Translated;
    }
    let state = slot.flow.state();
    let is_openers = state.has(State::OPENER_LOW) == headers.source_is_low();
    // One that has gone on without a name does so to its end.
    if is_openers && !state.has(State::REPLIED) { Step::Asks(slot.number) } else { Step::AsItIs }
}

/// Where the flow in a slot comes from, which rules have been asked about: from the address in `end`, to which the rest is written.
#[inline(always)]
pub fn settle<T: NatTables>(
    tables: &T,
    headers: &mut Headers,
    naming: Naming,
    ports: Ports,
    end: &mut NatEnd,
) -> Step {
    // The one is kept in the place of the other meanwhile.
    exchange(headers, end);
    let own = &*end;
    let reason = name::once(tables, headers, naming, |outer| {
        for number in 0..TRIES {
            let Some(port) = ports.candidate(End::from(*own).port, number) else { break };
            outer.put(Which::Source, End { address: outer.source, port });
            let taken = if outer.from() == End::from(*own) {
                if tables.own_number(outer, naming.zone) == NO_SLOT {
                    tables.own_keep(outer, naming)
                } else {
                    Taken::No
                }
            } else if tables.own_is_live(outer, naming) {
                Taken::No
            } else {
                tables.own_take(outer, naming)
            };
            match taken {
                Taken::Yes => return Reason::None,
                Taken::Full => return Reason::NatTableFull,
                Taken::No => {}
            }
        }
        Reason::NatPorts
    });
    exchange(headers, end);
    if reason != Reason::None {
        return Step::Dropped(reason);
    }
    if *end == headers.from().into() {
        return Step::AsItIs;
    }
    if headers.fragment == Part::First {
        tables.note_first(headers, naming.zone, end);
    }
    Step::Translated
}

/// Exchanges a packet's source and an end.
#[inline(always)]
fn exchange(headers: &mut Headers, end: &mut NatEnd) {
    let other = (*end).into();
    *end = headers.from().into();
    headers.put(Which::Source, other);
}

/// As [`NatTables::own_keep`].
#[inline(always)]
pub fn keep<T: NatTables>(tables: &T, outer: &Headers, Naming { number, zone, .. }: Naming) -> Taken {
    let Some(translation) = tables.translation(number) else { return Taken::No };
    translation.set_outer(&Place::in_zone(zone).key(outer), outer.source_is_low());
    Taken::Yes
}

/// As [`NatTables::own_is_live`].
#[inline(always)]
pub fn is_live<T: NatTables>(tables: &T, outer: &Headers, Naming { number, zone, .. }: Naming) -> bool {
    live(tables, outer, flows_of(zone)).is_some_and(|slot| slot.number != slot_of(number))
}
