//! What rules keep beside their ruleset, and the checks that ask for it.

mod connlimit;
mod hashlimit;
mod recent;

use aya_ebpf::{
    bindings::{__sk_buff, BPF_NOEXIST},
    helpers::generated::{bpf_spin_lock, bpf_spin_unlock},
};
use berth_common::{
    abi::{
        guard::{Bucket, BucketKey, CountKey, Counted, CountedKey, ObjectKey, RecentList},
        rules::external::{CONNLIMIT, HASHLIMIT, RECENT},
        units::ContainerId,
    },
    engine::{
        Headers,
        classify::Answer,
        external::{BucketWords, Guards},
        tables::InsertError,
    },
};
pub use connlimit::conclude;
pub use hashlimit::words;

use crate::{
    atomic::MapWord,
    maps::{BUCKETS, CONNLIMITS, COUNTED, COUNTS, OBJECTS, RECENTS},
    packet::Skb,
    rules,
    tables::{Context, Maps, insert_error},
};

impl<C: Context> Guards for Maps<C> {
    #[inline(always)]
    fn bucket(&self, key: &BucketKey) -> Option<BucketWords<MapWord>> {
        // SAFETY: A value of the map.
        BUCKETS.get_ptr_mut(key).map(|bucket| unsafe { words(bucket) })
    }

    #[inline(always)]
    fn insert_bucket(&self, key: &BucketKey, bucket: &Bucket) -> Result<(), InsertError> {
        BUCKETS.insert(key, bucket, BPF_NOEXIST.into()).map_err(insert_error)
    }

    #[inline(always)]
    fn recent<R>(&self, key: &ObjectKey, ask: impl FnOnce(&mut RecentList) -> R) -> Option<R> {
        let list = RECENTS.get_ptr_mut(key)?;
        // SAFETY: A value of the map, and its lock, which makes this the only reference to it.
        unsafe {
            let lock = (&raw mut (*list).lock).cast();
            bpf_spin_lock(lock);
            let result = ask(&mut *list);
            bpf_spin_unlock(lock);
            Some(result)
        }
    }

    #[inline(always)]
    fn counted(&self, key: &CountedKey) -> Option<Counted> {
        // SAFETY: Values are written whole before they can be found, and never changed.
        unsafe { COUNTED.get(key) }.copied()
    }

    #[inline(always)]
    fn insert_counted(&self, key: &CountedKey, counted: &Counted) -> Result<(), InsertError> {
        COUNTED.insert(key, counted, BPF_NOEXIST.into()).map_err(insert_error)
    }

    #[inline(always)]
    fn remove_counted(&self, key: &CountedKey) -> bool {
        COUNTED.remove(key).is_ok()
    }

    #[inline(always)]
    fn count(&self, key: &CountKey) -> Option<MapWord> {
        // SAFETY: The value is one aligned word.
        COUNTS.get_ptr_mut(key).map(|count| unsafe { MapWord::new(count) })
    }

    #[inline(always)]
    fn insert_count(&self, key: &CountKey, count: u64) -> Result<(), InsertError> {
        COUNTS.insert(key, count, BPF_NOEXIST.into()).map_err(insert_error)
    }

    #[inline(always)]
    fn connlimit(&self, id: ContainerId, place: u32) -> Option<u32> {
        // SAFETY: Only the loader writes these values; a torn read would leave flows to the sweep.
        let connlimits = unsafe { CONNLIMITS.get(id.0) }?;
        if place >= connlimits.count {
            return None;
        }
        connlimits.numbers.get(place as usize).copied()
    }

    #[inline(always)]
    fn has_object(&self, key: &ObjectKey) -> bool {
        OBJECTS.get_ptr(key).is_some()
    }
}

/// Answers what the walk at `place` waits for.
#[inline(always)]
pub fn answer(skb: Skb, headers: &Headers, case: u64, place: u32) {
    seam_ask(skb.0, headers, case, place);
}

/// Asks whoever knows. A function of its own, since the verifier would follow each way into the next turn of the walk.
///
/// Not to be inlined, as the compiler would do with what is called in one place.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_ask(skb: *mut __sk_buff, headers: *const Headers, case: u64, place: u32) -> u32 {
    let Some(scratch) = rules::scratch(place) else { return 0 };
    if headers.is_null() {
        return 0;
    }
    // SAFETY: The verifier holds callers to valid memory of the type's size.
    let headers = unsafe { &*headers };
    let container = ContainerId(case as u32);
    match scratch.state.asked().kind {
        HASHLIMIT => hashlimit::ask(Skb(skb), headers, container, place),
        RECENT => recent::ask(headers, container, place),
        CONNLIMIT => connlimit::ask(headers, case, place),
        _ => rules::tell(place, Answer::No),
    }
    1
}
