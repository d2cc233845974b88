//! The table of fragments: what is kept, and who has to give way.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use berth_common::{
    abi::{
        address::Address,
        fragment::{Fragment, FragmentKey, PLACES},
        units::{ContainerId, Nanos},
    },
    engine::{fragments, places::WAYS},
};

use crate::support::{A, B, Node, UDP};

fn key(id: u32) -> FragmentKey {
    FragmentKey { source: Address::ANY4, destination: Address::ANY4, id, zone_protocol: UDP.into() }
}

/// Remembers the first fragments of so many packets of a container's.
fn remember(node: &Node, owner: ContainerId, ids: impl IntoIterator<Item = u32>) {
    for id in ids {
        // Not all at once, so that there are older ones.
        node.tables.advance(Nanos(1_000));
        let fragment = Fragment { expires: node.now().after(Nanos::seconds(30)), owner, reason: 0 };
        fragments::remember(&&node.tables, &key(id), &fragment);
    }
}

/// Of how many it is still known whose they are.
fn known(node: &Node, owner: ContainerId, ids: impl IntoIterator<Item = u32>) -> usize {
    let found = ids.into_iter().filter_map(|id| fragments::find(&&node.tables, &key(id)));
    found.inspect(|fragment| assert_eq!(fragment.owner, owner)).count()
}

#[test]
fn what_was_decided_holds_for_a_while() {
    let node = Node::new();
    let find = || fragments::find(&&node.tables, &key(7));
    assert_eq!(find(), None);
    remember(&node, A, [7]);
    assert_eq!(find().map(|fragment| fragment.owner), Some(A));
    for other in [key(8), FragmentKey { zone_protocol: 6, ..key(7) }] {
        assert_eq!(fragments::find(&&node.tables, &other), None);
    }
    // The same once more: decided anew.
    remember(&node, B, [7]);
    assert_eq!(find().map(|fragment| fragment.owner), Some(B));
    assert_eq!(node.tables.export().fragments.len(), 1);
    node.wait(29);
    assert!(find().is_some());
    node.wait(2);
    assert_eq!(find(), None);
}

/// Half of each bucket is safe from anybody who wants all of it.
#[test]
fn a_flood_pushes_out_its_own() {
    const OURS: u32 = 4_000;
    const FLOOD: u32 = 200_000;
    let node = Node::new();
    let bucket = |id: u32| fragments::bucket(&&node.tables, &key(id)).map(|bucket| bucket.first);
    let mut held: BTreeMap<_, u32> = BTreeMap::new();
    let mut has_room = |id: &u32| {
        let held = held.entry(bucket(*id)).or_default();
        *held += 1;
        *held <= WAYS / 2
    };
    let ours: Vec<u32> = (0..OURS).filter(|id| has_room(id)).collect();
    assert!(ours.len() > 3_000);
    let (before, meanwhile) = ours.split_at(ours.len() / 2);
    let flood = || remember(&node, A, OURS..OURS + FLOOD);
    remember(&node, B, before.iter().copied());
    flood();
    assert_eq!(known(&node, B, before.iter().copied()), before.len());
    remember(&node, B, meanwhile.iter().copied());
    flood();
    assert_eq!(known(&node, B, ours.iter().copied()), ours.len());
    assert_eq!(u32::try_from(node.tables.export().fragments.len()).unwrap(), PLACES);
}

#[test]
fn one_alone_may_have_all_of_it() {
    let node = Node::new();
    remember(&node, A, 0..PLACES / 2);
    assert!(known(&node, A, 0..PLACES / 2) > 4_000, "half of the table");
    // What has expired is in nobody's way.
    node.wait(31);
    remember(&node, B, 0..PLACES / 2);
    assert!(known(&node, B, 0..PLACES / 2) > 4_000);
}

/// Whoever finds something finds what was decided for this key, whoever else writes there.
#[test]
fn nobody_is_told_half_of_it() {
    const WRITES: u32 = 200_000;
    let node = Node::new();
    // All in one bucket.
    let bucket = |id: u32| fragments::bucket(&&node.tables, &key(id)).map(|bucket| bucket.first);
    let busy: Vec<u32> = (0..100_000).filter(|id| bucket(*id) == bucket(0)).take(16).collect();
    let (node, busy, stop) = (&node, &busy, &AtomicBool::new(false));
    let owner = |id: u32| ContainerId(id & 0xfff);
    thread::scope(|scope| {
        let writers: Vec<_> = (0..2)
            .map(|number: usize| {
                scope.spawn(move || {
                    for (turn, id) in (0..WRITES).zip(busy.iter().skip(number).cycle()) {
                        let expires = Nanos(u64::MAX - u64::from(turn));
                        let fragment = Fragment { expires, owner: owner(*id), reason: *id };
                        fragments::remember(&&node.tables, &key(*id), &fragment);
                    }
                })
            })
            .collect();
        let reader = scope.spawn(move || {
            let mut found = 0;
            while !stop.load(Ordering::SeqCst) {
                for id in busy {
                    if let Some(fragment) = fragments::find(&&node.tables, &key(*id)) {
                        assert_eq!((fragment.owner, fragment.reason), (owner(*id), *id));
                        found += 1;
                    }
                }
            }
            found
        });
        for writer in writers {
            writer.join().unwrap();
        }
        stop.store(true, Ordering::SeqCst);
        assert!(reader.join().unwrap() > 0);
    });
    // Nothing is left half written.
    for (_, place) in node.tables.export().fragments {
        assert_eq!(place.turn & 1, 0);
    }
}
