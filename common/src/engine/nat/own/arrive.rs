//! Before all else: where a packet goes.

use super::{
    super::{
        super::{
            headers::{Headers, Part},
            tables::{FlowEntry, Which, Word},
        },
        NatTables, TranslationEntry, other_end, stamp_of_flow,
    },
    Layer, NO_SLOT, Ports, Step, TRIES, Whose, live, slot_of,
};
use crate::abi::{
    flow::{End, State},
    nat::NatEnd,
    reason::Reason,
};

/// Where a packet on a container's interface goes, if it bears a name: that end is written to `end`. ICMP errors are
/// [about](super::arrive_about) others.
#[inline(always)]
pub fn arrive<T: NatTables>(tables: &T, headers: &Headers, whose: Whose, end: &mut NatEnd) -> Step {
    let zone = whose.before();
    if headers.fragment == Part::Later {
        let follows = tables.follow_first(headers, zone, end);
        return if follows { Step::Translated } else { Step::AsItIs };
    }
    let number = tables.own_number(headers, zone);
    if number != NO_SLOT {
        let (Some(flow), Some(translation)) = (tables.slot(slot_of(number)), tables.translation(number))
        else {
            return Step::AsItIs;
        };
        // Who speaks under the name, rather than to it, does not do so from here.
        if !translation.faces(&headers.source, zone) {
            return Step::AsItIs;
        }
        *end = other_end(&flow, &headers.source).into();
        if headers.fragment == Part::First {
            tables.note_first(headers, zone, end);
        }
        return Step::Translated;
    }
    let Some(slot) = live(tables, headers, whose.flows()) else { return Step::Asks(NO_SLOT) };
    // A flow that bears a name here does not go by what it is called behind it, which is another flow's.
    let is_named = tables.own_end(slot.number, &headers.source, zone, end);
    if is_named && *end != headers.to().into() { Step::Dropped(Reason::NatPorts) } else { Step::AsItIs }
}

/// Where a packet goes that begins a flow, as a rule has said: to the address in `end`, to which the rest is written.
#[inline(always)]
pub fn aim<T: NatTables>(
    tables: &T,
    headers: &mut Headers,
    whose: Whose,
    ports: Ports,
    end: &mut NatEnd,
) -> Step {
    let asked = headers.to();
    for number in 0..TRIES {
        let Some(port) = ports.candidate(asked.port, number) else { break };
        headers.put(Which::Destination, End { address: end.address, port });
        let is_free = tables.own_is_free(headers, whose);
        *end = headers.to().into();
        headers.put(Which::Destination, asked);
        if is_free {
            if *end == asked.into() {
                return Step::AsItIs;
            }
            if headers.fragment == Part::First {
                tables.note_first(headers, whose.before(), end);
            }
            return Step::Translated;
        }
    }
    Step::Dropped(Reason::NatPorts)
}

/// As [`NatTables::own_is_free`].
#[inline(always)]
pub fn is_free<T: NatTables>(tables: &T, headers: &Headers, whose: Whose) -> bool {
    let Some(slot) = live(tables, headers, whose.flows()) else { return true };
    let state = slot.flow.state();
    let is_openers = state.has(State::OPENER_LOW) == headers.source_is_low();
    let number = Layer::Destination.number(slot.number);
    let held = tables.translation(number).map_or(0, |translation| translation.stamp().load());
    is_openers && !state.has(State::REPLIED) && held != stamp_of_flow(&slot.flow)
}
