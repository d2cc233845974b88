//! What containers are guaranteed, in every order: it is there, and what is for all is not counted twice.

use berth_common::engine::flow_table::account;

use super::{A, B, C, EARLIER, Seen, Table, new, retire, send, sweep, two};
use berth_common::abi::units::ContainerId;

/// Of which nobody else changes the word.
fn guarantee(table: &Table, id: ContainerId, flows: u32) {
    assert!(account::guarantee(&Seen::from(table), id, flows));
}

/// Others have what is not guaranteed, and no more.
#[test]
fn a_guaranteed_slot_is_there() {
    two(
        2,
        |table| guarantee(table, A, 1),
        (
            |table| {
                new(table, B, 2, 1);
                new(table, B, 2, 2);
            },
            |table| new(table, A, 1, 3),
        ),
        |table| assert_eq!((table.held(A), table.held(B)), (1, 1)),
    );
}

#[test]
fn two_that_want_the_last_one_for_all() {
    two(
        3,
        |table| {
            guarantee(table, A, 1);
            guarantee(table, B, 1);
            new(table, A, 3, 1);
            new(table, B, 3, 2);
        },
        (|table| new(table, A, 3, 3), |table| new(table, B, 3, 4)),
        |table| assert_eq!(table.held(A) + table.held(B), 3),
    );
}

/// One of a container's flows goes while another comes: it has one of what is for all, or needs none.
#[test]
fn one_ends_while_another_begins() {
    let before = |table: &Table| {
        guarantee(table, A, 1);
        guarantee(table, B, 2);
        new(table, A, 3, 1);
    };
    two(3, before, (|table| new(table, A, 3, 2), |table| retire(table)), |table| assert!(table.held(A) <= 1));
}

#[test]
fn guaranteed_while_flows_begin() {
    two(
        3,
        |table| new(table, A, 3, 1),
        (|table| new(table, A, 3, 2), |table| guarantee(table, A, 1)),
        |table| assert_eq!(table.held(A), 2),
    );
}

#[test]
fn guaranteed_no_more_while_flows_begin() {
    let before = |table: &Table| {
        guarantee(table, A, 3);
        new(table, A, 3, 1);
    };
    two(3, before, (|table| new(table, A, 3, 2), |table| guarantee(table, A, 0)), |table| {
        // What it is guaranteed no more looks taken for a moment.
        assert!((1..=2).contains(&table.held(A)));
    });
}

#[test]
fn guaranteed_while_flows_end() {
    let before = |table: &Table| {
        guarantee(table, A, 1);
        send(table, (A, 3), 1, (false, EARLIER));
        new(table, A, 3, 2);
    };
    two(3, before, (|table| sweep(table, A), |table| guarantee(table, A, 2)), |table| {
        assert_eq!(table.held(A), 1);
    });
}

#[test]
fn guaranteed_no_more_while_one_is_evicted() {
    let before = |table: &Table| {
        guarantee(table, A, 2);
        new(table, A, 2, 1);
        new(table, A, 2, 2);
    };
    two(4, before, (|table| new(table, A, 2, 3), |table| guarantee(table, A, 0)), |table| {
        assert_eq!(table.held(A), 2);
    });
}

/// The one has it counted among what it is guaranteed, the other beyond.
#[test]
fn taken_over_beyond_a_guarantee() {
    let before = |table: &Table| {
        guarantee(table, A, 1);
        new(table, A, 1, 1);
    };
    two(2, before, (|table| send(table, (B, 1), 1, (true, super::LATER)), |table| retire(table)), |table| {
        assert!(table.held(A) == 0 && table.held(B) <= 1);
    });
}

/// What somebody is guaranteed no more is another's only when it is free: else that would have what a third is guaranteed.
#[test]
fn guaranteed_no_more_while_another_takes_of_all() {
    let before = |table: &Table| {
        guarantee(table, A, 1);
        guarantee(table, C, 1);
        new(table, A, 1, 1);
        new(table, B, 2, 2);
    };
    two(3, before, (|table| guarantee(table, A, 0), |table| new(table, B, 2, 3)), |table| {
        assert_eq!((table.held(A), table.held(B)), (1, 1));
    });
}

/// The same as it is guaranteed to a third.
#[test]
fn guaranteed_while_another_takes_of_all() {
    let before = |table: &Table| new(table, B, 2, 1);
    let both = |table: &Table| {
        guarantee(table, C, 1);
        new(table, A, 1, 3);
    };
    two(3, before, (both, |table| new(table, B, 3, 2)), |table| {
        assert!(table.promised() <= 3, "{} promised", table.promised());
    });
}
