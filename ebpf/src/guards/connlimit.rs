//! Flows that connlimits count.

use berth_common::{
    abi::{rules::external::Connlimit, units::Nanos},
    engine::{
        Headers,
        classify::Answer,
        external::{
            self,
            connlimit::{self, Connection},
        },
        rules::Case,
    },
};

use crate::{flow_table, rules, seams::NoContext, tables::Maps};

/// The walk at `place` is told what the connlimit that it asks for answers.
#[inline(always)]
pub fn ask(headers: &Headers, case: u64, place: u32) {
    seam_connection(headers, case, place);
    let flow = seam_connection_flow(place);
    seam_connlimit(place, flow);
}

/// As [`connlimit::conclude`].
#[inline(always)]
pub fn conclude(headers: &Headers, case: u64) {
    seam_conclude(headers, case);
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_conclude(headers: *const Headers, case: u64) -> u32 {
    if headers.is_null() {
        return 0;
    }
    // SAFETY: The verifier holds callers to valid memory of the type's size.
    connlimit::conclude(&Maps::at(NoContext, Nanos(0)), unsafe { &*headers }, &Case::from_number(case));
    1
}

/// Writes down which flow of which address a connlimit is asked about.
#[unsafe(no_mangle)]
extern "C" fn seam_connection(headers: *const Headers, case: u64, place: u32) -> u32 {
    let Some(scratch) = rules::scratch(place) else { return 0 };
    if headers.is_null() {
        return 0;
    }
    // SAFETY: The verifier holds callers to valid memory of the type's size.
    let headers = unsafe { &*headers };
    let case = Case::from_number(case);
    let maps = Maps::at(NoContext, Nanos(0));
    let Some(object) = external::object(&maps, case.container, scratch.state.asked()) else {
        scratch.state.give(Answer::No);
        return 0;
    };
    let asked = Connlimit::from_parameters(scratch.state.asked().parameters);
    scratch.connection = Connection::new(object, headers, &case, &asked);
    1
}

/// The slot of that flow. Apart from what is done with it, for there is no stack for both.
#[unsafe(no_mangle)]
extern "C" fn seam_connection_flow(place: u32) -> u32 {
    let Some(scratch) = rules::scratch(place) else { return flow_table::NO_SLOT };
    flow_table::number_with_key(&scratch.connection.key.flow)
}

/// The walk at `place` is told what a connlimit answers, unless it has been told something.
#[unsafe(no_mangle)]
extern "C" fn seam_connlimit(place: u32, flow: u32) -> u32 {
    let Some(scratch) = rules::scratch(place) else { return 0 };
    if scratch.state.is_waiting() {
        let asked = Connlimit::from_parameters(scratch.state.asked().parameters);
        let flow = flow_table::slot(flow);
        let told = connlimit::ask_of(&Maps::new(NoContext), &scratch.connection, &asked, flow);
        scratch.is_counted |= told.is_new as u32;
        scratch.state.give(told.answer);
    }
    1
}
