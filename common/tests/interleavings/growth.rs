//! A table grows while others are at work on it.

use berth_common::engine::flow_table::growth::{self, Carried};

use super::*;
use crate::table::{LOOKING, MAKING, SETTLED};

/// One slot becomes three, or as many as are said.
fn while_it_grows(
    slots: u32,
    before: impl Fn(&Table) + Sync + Send + 'static,
    (one, other): (
        impl Fn(&Table) + Sync + Send + Copy + 'static,
        impl Fn(&Table) + Sync + Send + Copy + 'static,
    ),
    after: impl Fn(&Table) + Sync + Send + 'static,
) {
    let before = move |table: &Table| {
        before(table);
        table.proceed(MAKING);
    };
    let after = move |table: &Table| {
        carry_all(table);
        assert!(table.is_empty(0), "something stays on the old side");
        table.check();
        after(table);
    };
    two_on(move || Table::new(slots, 3), before, (one, other), after);
}

fn carry_all(table: &Table) {
    for number in 0..3 {
        assert_eq!(carry(table, number), Carried::Over);
    }
    while growth::drain(&table.at(MAKING)) {}
}

fn carry(table: &Table, number: u32) -> Carried {
    growth::carry(&table.at(MAKING), number)
}

/// Remembers if the flow with this key is not found.
fn look<'a>(table: impl Into<Seen<'a>>, word: u32) {
    let table = table.into();
    let found = index::find(&table, |place| key(word).word(place));
    if found.is_none_or(|slot| slot.flow.expires() <= NOW) {
        table.tell();
    }
}

/// A packet finds its flow at any moment.
#[test]
fn a_flow_is_found_while_it_is_carried_over() {
    let carry = |table: &Table| {
        carry(table, 0);
    };
    while_it_grows(
        2,
        |table| new(table, A, 2, 1),
        (carry, |table| look(table, 1)),
        |table| {
            assert_eq!(table.told.load(Relaxed), 0, "it was not found");
            assert_eq!(table.held(A), 1);
        },
    );
}

#[test]
fn a_flow_is_flushed_while_it_is_carried_over() {
    let carry = |table: &Table| {
        carry(table, 0);
    };
    while_it_grows(
        2,
        |table| new(table, A, 2, 1),
        (carry, |table| retire(table)),
        |table| {
            assert!(table.held(A) <= 1);
        },
    );
}

/// It has expired: one begins it anew, or frees it, and the other deletes it.
#[test]
fn a_flow_that_has_expired_is_begun_anew_while_it_is_carried_over() {
    let before = |table: &Table| send(table, (A, 1), 1, (false, EARLIER));
    let carry = |table: &Table| {
        carry(table, 0);
    };
    while_it_grows(2, before, (carry, |table| new(table, A, 1, 1)), |table| {
        assert!(table.held(A) <= 1);
    });
}

#[test]
fn a_flow_is_swept_while_it_is_carried_over() {
    let before = |table: &Table| send(table, (A, 1), 1, (false, EARLIER));
    let carry = |table: &Table| {
        carry(table, 0);
    };
    while_it_grows(2, before, (carry, |table| sweep(table, A)), |table| {
        sweep(table, A);
        assert_eq!(table.held(A), 0);
    });
}

#[test]
fn a_flow_is_evicted_while_it_is_carried_over() {
    let carry = |table: &Table| {
        carry(table, 0);
    };
    while_it_grows(
        2,
        |table| new(table, A, 1, 1),
        (carry, |table| new(table, A, 1, 2)),
        |table| {
            assert_eq!(table.held(A), 1);
        },
    );
}

#[test]
fn a_flow_is_taken_over_while_it_is_carried_over() {
    let take_over = |table: &Table| send(table, (B, 1), 1, (true, LATER));
    let carry = |table: &Table| {
        carry(table, 0);
    };
    while_it_grows(
        2,
        |table| new(table, A, 1, 1),
        (carry, take_over),
        |table| {
            assert_eq!(table.held(A) + table.held(B), 1);
        },
    );
}

/// Prolonging it is not lost.
#[test]
fn a_flow_is_prolonged_while_it_is_carried_over() {
    let until = berth_common::abi::units::Nanos(LATER.0 + 1);
    let prolong = move |table: &Table| {
        let slot = index::find(&Seen::from(table), |place| key(1).word(place));
        if let Some(slot) = slot {
            berth_common::engine::flow::extend(&slot.flow, until);
        }
    };
    let carry = |table: &Table| {
        carry(table, 0);
    };
    while_it_grows(
        2,
        |table| new(table, A, 1, 1),
        (carry, prolong),
        move |table| {
            let slot = index::find(&Seen::from(table), |place| key(1).word(place)).unwrap();
            assert_eq!(slot.flow.expires(), until);
        },
    );
}

/// Free slots are drained while one is taken and another given back.
#[test]
fn free_slots_are_carried_over() {
    let before = |table: &Table| {
        for word in 1..=2 {
            send(table, (A, 3), word, (false, EARLIER));
        }
        sweep(table, A);
    };
    let drain = |table: &Table| {
        growth::drain(&table.at(MAKING));
    };
    let work = |table: &Table| {
        new(table, A, 3, 3);
        sweep(table, A);
    };
    while_it_grows(2, before, (drain, work), |table| assert!(table.held(A) <= 2));
}

/// The same flow is opened by one who makes entries on the old side, and by one who makes them on the new.
#[test]
fn the_same_flow_from_both_sides() {
    two_on(
        || Table::new(2, 3),
        |table| table.proceed(MAKING),
        (|table| new(table.at(LOOKING), A, 2, 1), |table| new(table.at(MAKING), A, 2, 1)),
        |table| assert!(table.held(A) <= 1),
    );
}

/// The same with one who has seen only the old side, and one who looks at both.
#[test]
fn the_same_flow_before_it_grows() {
    two_on(
        || Table::new(2, 3),
        |table| table.proceed(LOOKING),
        (|table| new(table.at(SETTLED), A, 2, 1), |table| new(table.at(LOOKING), A, 2, 1)),
        |table| assert!(table.held(A) <= 1),
    );
}

/// The same while the one becomes the other before the eyes of somebody who is at work.
#[test]
fn the_same_flow_while_sides_are_swapped() {
    let make = |table: &Table| {
        table.make();
        new(table.at(MAKING), A, 2, 1);
    };
    two_on(
        || Table::new(2, 3),
        |table| table.proceed(MAKING),
        (make, |table| new(table.live(), A, 2, 1)),
        |table| assert!(table.held(A) <= 1),
    );
}

/// A flow that is there is found then, on whichever side it is.
#[test]
fn a_flow_is_found_while_sides_are_swapped() {
    two_on(
        || Table::new(2, 3),
        |table| {
            new(table.at(LOOKING), A, 2, 1);
            table.proceed(MAKING);
        },
        (Table::make, |table| look(table.live(), 1)),
        |table| assert_eq!(table.told.load(Relaxed), 0, "it was not found"),
    );
}

/// Slots that there were none of before are had.
#[test]
fn new_slots_are_used() {
    two_on(
        || Table::new(1, 3),
        |table| {
            new(table, A, 3, 1);
            table.proceed(MAKING);
        },
        (|table| new(table, A, 3, 2), |table| new(table, A, 3, 3)),
        |table| {
            assert_eq!(table.held(A), 3);
            carry_all(table);
            table.check();
        },
    );
}
