use berth_common::engine::flow_table::FlowTable as _;
use berth_common::{
    abi::{
        address::Address,
        guard::{RECENT_ADDRESSES, RECENT_STAMPS},
        rules::external::{Recent, RecentAction, Seen},
        units::Nanos,
    },
    engine::{
        classify::Answer,
        external::recent::{self, Sight},
    },
};
use proptest::prelude::*;

use super::*;

const SECOND: u64 = 1_000_000_000;

const SET: Recent = Recent {
    action: RecentAction::Set,
    destination: false,
    inverted: false,
    prefix: 32,
    seen: Seen { within: 0, hits: 0, reap: false, same_ttl: false },
};
const CHECK: Recent = Recent { action: RecentAction::Check, ..SET };
const REMOVE: Recent = Recent { action: RecentAction::Remove, ..SET };

fn ask(node: &Node, address: u32, asked: &Recent) -> Answer {
    let sight = Sight { address: Address::v4(address.to_be()), ttl: 64, now: (&node.tables).now() };
    recent::ask(&&node.tables, &object(S, 1), &sight, asked)
}

#[test]
fn the_oldest_goes_where_there_are_too_many() {
    let node = node(1_000);
    for address in 0..100 {
        assert_eq!(ask(&node, address, &SET), Answer::Yes);
    }
    // The first is renewed, so that the second is the oldest.
    ask(&node, 0, &SET);
    ask(&node, 100, &SET);
    assert_eq!(
        [0, 1, 2, 100].map(|address| ask(&node, address, &CHECK) == Answer::Yes),
        [true, false, true, true]
    );
    assert_eq!(held(&node), (RECENT_ADDRESSES as u64, RECENT_ADDRESSES as u64, 0));
    // A free place goes first.
    ask(&node, 50, &REMOVE);
    ask(&node, 101, &SET);
    assert_eq!([2, 50, 101].map(|address| ask(&node, address, &CHECK) == Answer::Yes), [true, false, true]);
}

#[test]
fn who_may_have_no_more_loses_the_oldest_of_the_list() {
    let node = node(2);
    for address in 1..=3 {
        assert_eq!(ask(&node, address, &SET), Answer::Yes);
    }
    assert_eq!([1, 2, 3].map(|address| ask(&node, address, &CHECK) == Answer::Yes), [false, true, true]);
    assert_eq!(held(&node), (2, 2, 1));
    // Where the list is empty, there is nothing to lose.
    let sight = Sight { address: Address::v4(9), ttl: 64, now: Nanos(1) };
    assert_eq!(recent::ask(&&node.tables, &object(S, 2), &sight, &SET), Answer::OverQuota);
}

#[test]
fn a_list_that_nobody_names_is_given_back() {
    let node = node(10);
    ask(&node, 1, &SET);
    ask(&node, 2, &SET);
    node.tables.set_objects(S, [object(S, 2)]);
    assert_eq!((node.tables.sweep(), held(&node).0), (1, 0));
    assert_eq!(ask(&node, 1, &CHECK), Answer::TableFull);
}

/// A list as xt_recent keeps it, the oldest address first.
#[derive(Default)]
struct Model(Vec<Entry>);

struct Entry {
    address: u32,
    ttl: u8,
    stamps: Vec<u64>,
}

impl Model {
    fn ask(&mut self, (address, ttl, now): (u32, u8, u64), asked: &Recent) -> bool {
        let other = |entry: &Entry| asked.seen.same_ttl && entry.ttl != ttl && entry.ttl != 0 && ttl != 0;
        let place = self.0.iter().position(|entry| entry.address == address && !other(entry));
        let Some(place) = place else {
            if asked.action != RecentAction::Set {
                return asked.inverted;
            }
            if self.0.len() == RECENT_ADDRESSES {
                self.0.remove(0);
            }
            self.0.push(Entry { address, ttl, stamps: vec![now] });
            return !asked.inverted;
        };
        let within = if asked.seen.within == 0 { 0 } else { now.saturating_sub(asked.seen.within) };
        let holds = match asked.action {
            RecentAction::Set => !asked.inverted,
            RecentAction::Remove => {
                self.0.remove(place);
                return !asked.inverted;
            }
            RecentAction::Check | RecentAction::Update => {
                let hits = self.0[place].stamps.iter().filter(|stamp| **stamp >= within).count();
                (hits >= usize::from(asked.seen.hits.max(1))) != asked.inverted
            }
        };
        let renews = asked.action == RecentAction::Set || asked.action == RecentAction::Update && holds;
        let spares = place == 0 && renews;
        let reaps = asked.seen.reap && !spares && self.0[0].stamps.last().is_some_and(|last| *last < within);
        if renews {
            let mut entry = self.0.remove(place);
            entry.stamps.push(now);
            if entry.stamps.len() > RECENT_STAMPS {
                entry.stamps.remove(0);
            }
            entry.ttl = ttl;
            self.0.push(entry);
        }
        if reaps {
            self.0.remove(0);
        }
        holds
    }
}

fn asked() -> impl Strategy<Value = Recent> {
    let action = prop_oneof![
        4 => Just(RecentAction::Set),
        2 => Just(RecentAction::Check),
        3 => Just(RecentAction::Update),
        1 => Just(RecentAction::Remove),
    ];
    (action, any::<bool>(), 0..4_u64, 0..=20_u16, any::<bool>(), any::<bool>()).prop_map(
        |(action, inverted, within, hits, reap, same_ttl)| {
            let looks = matches!(action, RecentAction::Check | RecentAction::Update);
            let seen = Seen { within: within * SECOND, hits: hits / 4, reap: reap && within > 0, same_ttl };
            Recent { action, inverted, seen: if looks { seen } else { Seen::default() }, ..SET }
        },
    )
}

proptest! {
    #[test]
    fn does_what_netfilter_does(
        addresses in prop_oneof![Just(3_u32), Just(120)],
        packets in proptest::collection::vec((any::<u32>(), 0..3_u8, 0..4_u64, asked()), 1..400),
    ) {
        let node = node(1_000);
        let mut model = Model::default();
        let mut now = 2 * SECOND;
        for (address, ttl, later, asked) in packets {
            now += later * SECOND / 4;
            let address = address % addresses;
            let sight = Sight { address: Address::v4(address.to_be()), ttl, now: Nanos(now) };
            let answer = recent::ask(&&node.tables, &object(S, 1), &sight, &asked);
            prop_assert_eq!(answer, Answer::from(model.ask((address, ttl, now), &asked)));
            prop_assert_eq!(held(&node).0, model.0.len() as u64);
        }
    }
}
