//! What differs.

use std::collections::BTreeMap;
use std::fmt::{Debug, Write as _};

use berth_common::abi::flow::Flow;
use berth_common::abi::flow_table::Ring;
use berth_common::abi::fragment::{Fragment, FragmentPlace};
use berth_common::abi::units::Nanos;
use berth_common::memory::Snapshot;

use crate::trial::Tally;

/// How far apart the sides' clocks may be. The times that flows are given differ by twice as much.
const TOLERANCE: u64 = 5_000_000_000;

/// Lines for the counters that differ.
pub fn tallies(loaded: &Tally, engine: &Tally) -> String {
    let mut text = String::new();
    for (place, (loaded, engine)) in loaded.iter().zip(engine).enumerate() {
        if loaded != engine {
            let _ = writeln!(text, "counters {place}:\n  loaded {loaded:?}\n  engine {engine:?}");
        }
    }
    text
}

/// Lines for the entries that differ, if any do.
pub fn snapshots(loaded: &Snapshot, engine: &Snapshot) -> Option<String> {
    let mut text = String::new();
    lists(&mut text, "runtime", &[((), loaded.runtime)], &[((), engine.runtime)], PartialEq::eq);
    lists(&mut text, "container", &loaded.containers, &engine.containers, PartialEq::eq);
    lists(&mut text, "usage", &loaded.usage, &engine.usage, PartialEq::eq);
    lists(&mut text, "address", &loaded.addresses, &engine.addresses, PartialEq::eq);
    lists(&mut text, "own address", &loaded.own_addresses, &engine.own_addresses, PartialEq::eq);
    let (slots, flows) = (&loaded.flows, &engine.flows);
    lists(&mut text, "flow", &slots.slots, &flows.slots, same_flow);
    lists(&mut text, "shape", &[((), slots.shape)], &[((), flows.shape)], PartialEq::eq);
    for (slots, flows) in slots.sides.iter().zip(&flows.sides) {
        lists(&mut text, "bucket", &slots.index, &flows.index, PartialEq::eq);
        lists(&mut text, "free slot", &slots.free, &flows.free, PartialEq::eq);
    }
    lists(&mut text, "pool", &[((), slots.pool)], &[((), flows.pool)], PartialEq::eq);
    lists(&mut text, "ring", &slots.rings, &flows.rings, same_ring);
    lists(&mut text, "port", &loaded.ports, &engine.ports, PartialEq::eq);
    lists(&mut text, "summary", &loaded.summaries, &engine.summaries, PartialEq::eq);
    lists(&mut text, "fragment", &loaded.fragments, &engine.fragments, same_fragment);
    (!text.is_empty()).then_some(text)
}

fn lists<K: Copy + Ord + Debug, V: Debug>(
    text: &mut String,
    what: &str,
    loaded: &[(K, V)],
    engine: &[(K, V)],
    same: fn(&V, &V) -> bool,
) {
    let mut both: BTreeMap<K, (Option<&V>, Option<&V>)> = BTreeMap::new();
    for (key, value) in loaded {
        both.entry(*key).or_default().0 = Some(value);
    }
    for (key, value) in engine {
        both.entry(*key).or_default().1 = Some(value);
    }
    for (key, pair) in both {
        let (loaded, engine) = pair;
        if !matches!(pair, (Some(loaded), Some(engine)) if same(loaded, engine)) {
            let _ = writeln!(text, "{what} {key:?}:\n  loaded {loaded:?}\n  engine {engine:?}");
        }
    }
}

/// All but the times, which may be some way apart.
fn same_flow(loaded: &Flow, engine: &Flow) -> bool {
    close(loaded.expires, engine.expires)
        && close(loaded.created.start(), engine.created.start())
        && *loaded == Flow { expires: loaded.expires, created: loaded.created, ..*engine }
}

fn same_ring(loaded: &Ring, engine: &Ring) -> bool {
    close(Nanos(loaded.dry_until), Nanos(engine.dry_until))
        && *loaded == Ring { dry_until: loaded.dry_until, ..*engine }
}

fn same_fragment(loaded: &FragmentPlace, engine: &FragmentPlace) -> bool {
    let expires = loaded.fragment.expires;
    let fragment = Fragment { expires, ..engine.fragment };
    close(expires, engine.fragment.expires) && *loaded == FragmentPlace { fragment, ..*engine }
}

/// Zero means something else than a time.
fn close(one: Nanos, other: Nanos) -> bool {
    (one.0 == 0) == (other.0 == 0) && one.0.abs_diff(other.0) < TOLERANCE
}
