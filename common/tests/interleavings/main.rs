//! Opening, evicting, sweeping and flushing flows, in every order that two or three processors can do it in (as far as they are
//! interrupted no more than three times): nothing is lost, nothing is counted twice, and when all are done no limit is exceeded.
//!
//! The code is the engine's own, on words that the model checker (loom) knows.

mod growth;
mod guarantees;
mod table;

use berth_common::{
    abi::{
        address::Address,
        counters::Traffic,
        flow::{FlowKey, State},
        units::{ContainerId, Nanos, Port, Ticks},
    },
    engine::{
        flow_table::{
            FlowTable, index,
            open::{self, Opened},
            reclaim,
        },
        tables::{Beginning, FlowEntry as _},
    },
};
use std::sync::atomic::Ordering::Relaxed;

use loom::{model::Builder, sync::Arc, thread};
use table::{EARLIER, LATER, NOW, Seen, Table};

const A: ContainerId = ContainerId(1);
const B: ContainerId = ContainerId(2);
const C: ContainerId = ContainerId(3);

/// Tries all orders.
fn all_orders(interruptions: usize, scene: impl Fn() + Sync + Send + 'static) {
    let mut model = Builder::new();
    model.preemption_bound = Some(interruptions);
    model.max_branches = 10_000;
    model.check(scene);
}

fn key(word: u32) -> FlowKey {
    let none = Address([0; 4]);
    FlowKey {
        low: Address([word, 0, 0, 0]),
        high: none,
        low_port: Port(0),
        high_port: Port(0),
        zone_protocol: 0,
    }
}

/// Opens a flow as a hook does for the first packet: in the place of what is there, if that has ended or is taken over.
fn send<'a>(
    table: impl Into<Seen<'a>>,
    (id, limit): (ContainerId, u32),
    word: u32,
    (takes_over, expires): (bool, Nanos),
) {
    let table = table.into();
    let key = key(word);
    let find = || index::find(&table, |place| key.word(place));
    let fill = |number| {
        let flow = table.slot(number).unwrap();
        flow.set_key(&key);
        flow.begin(&Beginning {
            created: Ticks::of(NOW),
            out: Traffic::default(),
            opener: id,
            responder: ContainerId::UNOWNED,
            port_epoch: 0,
            state: State(0),
        });
    };
    let _whichever: Opened = match find() {
        Some(slot) => open::renew(
            &table,
            &slot.flow,
            (id, limit),
            (takes_over, || expires),
            || find().is_some_and(|again| again.number == slot.number),
            || fill(slot.number),
        ),
        None => open::open(&table, (id, limit), || expires, fill),
    };
}

fn new<'a>(table: impl Into<Seen<'a>>, id: ContainerId, limit: u32, word: u32) {
    send(table, (id, limit), word, (false, LATER));
}

/// The hand of a container looks at one slot.
fn sweep<'a>(table: impl Into<Seen<'a>>, id: ContainerId) {
    let _freed = reclaim::sweep(&table.into(), id);
}

/// The flow in the first slot is flushed.
fn retire<'a>(table: impl Into<Seen<'a>>) {
    let _done = reclaim::retire(&table.into(), 0, |_| true);
}

/// Two at a time, from a table that `before` has prepared.
fn two(
    slots: u32,
    before: impl Fn(&Table) + Sync + Send + 'static,
    (one, other): (
        impl Fn(&Table) + Sync + Send + Copy + 'static,
        impl Fn(&Table) + Sync + Send + Copy + 'static,
    ),
    after: impl Fn(&Table) + Sync + Send + 'static,
) {
    two_on(move || Table::new(slots, slots), before, (one, other), after);
}

/// The same on another table.
fn two_on(
    make: impl Fn() -> Table + Sync + Send + 'static,
    before: impl Fn(&Table) + Sync + Send + 'static,
    (one, other): (
        impl Fn(&Table) + Sync + Send + Copy + 'static,
        impl Fn(&Table) + Sync + Send + Copy + 'static,
    ),
    after: impl Fn(&Table) + Sync + Send + 'static,
) {
    all_orders(3, move || {
        let table = Arc::new(make());
        before(&table);
        table.check();
        let shared = table.clone();
        let first = thread::spawn(move || one(&shared));
        other(&table);
        first.join().unwrap();
        table.check();
        after(&table);
    });
}

#[test]
fn two_new_flows_where_one_may_be() {
    two(
        3,
        |_| (),
        (|table| new(table, A, 1, 1), |table| new(table, A, 1, 2)),
        |table| {
            assert_eq!(table.held(A), 1);
        },
    );
}

#[test]
fn the_same_flow_from_two_sides() {
    two(
        3,
        |_| (),
        (|table| new(table, A, 2, 1), |table| new(table, A, 2, 1)),
        |table| {
            assert!(table.held(A) <= 1);
        },
    );
}

/// Who finds no slot has his own container's go, or gets none.
#[test]
fn the_last_slot() {
    two(
        1,
        |_| (),
        (|table| new(table, A, 2, 1), |table| new(table, B, 2, 2)),
        |table| {
            assert_eq!(table.held(A) + table.held(B), 1);
        },
    );
}

#[test]
fn two_evict_at_once() {
    let before = |table: &Table| {
        new(table, A, 2, 1);
        new(table, A, 2, 2);
    };
    two(4, before, (|table| new(table, A, 2, 3), |table| new(table, A, 2, 4)), |table| {
        assert_eq!(table.held(A), 2);
    });
}

/// What has become worth keeping is kept, or was gone before.
#[test]
fn assured_while_it_is_evicted() {
    let assure = |table: &Table| {
        let Some(slot) = index::find(&Seen::from(table), |place| key(1).word(place)) else { return };
        let state = slot.flow.state();
        let is_assured = slot.flow.change_state(state, state.with(State::ASSURED));
        if is_assured && slot.flow.expires().0 != 0 {
            table.told.store(1, Relaxed);
        }
    };
    two(
        3,
        |table| new(table, A, 1, 1),
        (|table| new(table, A, 1, 2), assure),
        |table| {
            let is_there = table.flows().iter().any(|(_, key, _)| *key == 1);
            assert!(is_there || table.told.load(Relaxed) == 0);
            assert_eq!(table.held(A), 1);
        },
    );
}

/// The slot may be another flow's by the time that it is to be taken over.
#[test]
fn taken_over_while_its_slot_is_given_away() {
    two(
        1,
        |table| new(table, A, 1, 1),
        (|table| new(table, A, 1, 2), |table| send(table, (B, 1), 1, (true, LATER))),
        |table| assert_eq!(table.held(A) + table.held(B), 1),
    );
}

/// The slot may be another container's by the time that it is to be evicted.
#[test]
fn taken_over_while_it_is_evicted() {
    two(
        3,
        |table| new(table, A, 1, 1),
        (|table| new(table, A, 1, 2), |table| send(table, (B, 1), 1, (true, LATER))),
        |table| assert!(table.held(A) <= 1 && table.held(B) <= 1),
    );
}

#[test]
fn taken_over_by_two() {
    two(
        3,
        |table| new(table, A, 1, 1),
        (|table| send(table, (B, 1), 1, (true, LATER)), |table| send(table, (A, 1), 1, (true, LATER))),
        |table| assert_eq!(table.held(A) + table.held(B), 1),
    );
}

/// It has expired: one begins it anew, the other frees it.
#[test]
fn revived_while_it_is_swept() {
    two(
        3,
        |table| send(table, (A, 1), 1, (false, EARLIER)),
        (|table| new(table, A, 1, 1), |table| sweep(table, A)),
        |table| assert!(table.held(A) <= 1),
    );
}

#[test]
fn flushed_while_it_is_evicted() {
    two(
        3,
        |table| new(table, A, 1, 1),
        (|table| new(table, A, 1, 2), |table| retire(table)),
        |table| assert!(table.held(A) <= 1),
    );
}

#[test]
fn flushed_while_it_is_taken_over() {
    two(
        3,
        |table| new(table, A, 1, 1),
        (|table| send(table, (B, 1), 1, (true, LATER)), |table| retire(table)),
        |table| assert!(table.held(A) == 0 && table.held(B) <= 1),
    );
}

/// The table is full, and what has expired is anybody's.
#[test]
fn stolen_while_it_is_swept() {
    two(
        1,
        |table| send(table, (A, 1), 1, (false, EARLIER)),
        (|table| new(table, B, 1, 2), |table| sweep(table, A)),
        |table| assert_eq!(table.held(A), 0),
    );
}

#[test]
fn stolen_by_two() {
    two(
        1,
        |table| send(table, (A, 1), 1, (false, EARLIER)),
        (|table| new(table, B, 1, 2), |table| new(table, A, 1, 3)),
        |table| assert!(table.held(A) + table.held(B) <= 1),
    );
}

/// One is freed for another container while its own begins it anew.
#[test]
fn freed_for_another_while_it_is_begun_anew() {
    let before = |table: &Table| {
        send(table, (A, 2), 1, (false, EARLIER));
    };
    two(1, before, (|table| new(table, B, 1, 2), |table| new(table, A, 2, 1)), |table| {
        // Each hand goes round.
        for id in [A, B, A, B] {
            sweep(table, id);
        }
        table.check();
    });
}

/// A slot comes back while another is taken out.
#[test]
fn swept_while_one_is_opened() {
    let before = |table: &Table| {
        send(table, (A, 3), 1, (false, EARLIER));
        new(table, A, 3, 2);
    };
    let sweep_all = |table: &Table| {
        sweep(table, A);
        sweep(table, A);
    };
    two(3, before, (|table| new(table, A, 3, 3), sweep_all), |table| assert_eq!(table.held(A), 2));
}

/// A free slot is taken while another is taken, given back, and takes the next place of the queue.
#[test]
fn the_queue_goes_round_while_one_is_taken() {
    let before = |table: &Table| {
        for word in 1..=2 {
            send(table, (A, 3), word, (false, EARLIER));
        }
        for _ in 0..2 {
            sweep(table, A);
        }
    };
    let goes_round = |table: &Table| {
        for word in 4..=5 {
            send(table, (A, 3), word, (false, EARLIER));
            sweep(table, A);
        }
    };
    two(2, before, (|table| new(table, A, 3, 3), goes_round), |_| ());
}

#[test]
fn three_new_flows_where_one_may_be() {
    all_orders(2, || {
        let table = Arc::new(Table::new(4, 4));
        let others = [1, 2].map(|word| {
            let table = table.clone();
            thread::spawn(move || new(&*table, A, 1, word))
        });
        new(&*table, A, 1, 3);
        for other in others {
            other.join().unwrap();
        }
        table.check();
        assert_eq!(table.held(A), 1);
    });
}
