//! What rules keep, in memory.

use core::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::{boxed::Box, collections::btree_map::Entry, vec::Vec};

use super::{MemoryTables, MemoryWord, lock};
use crate::{
    abi::{
        guard::{Bucket, BucketKey, CountKey, Counted, CountedKey, ObjectKey, RecentList},
        rules::{
            Dimension,
            external::{CONNLIMIT, Connlimit, HASHLIMIT, Hashlimit, RECENT, Recent},
        },
        units::{ContainerId, Nanos},
    },
    engine::{
        Headers,
        classify::{Answer, External, Question},
        external::{
            self, BucketWords, Guards,
            connlimit::{self, Connection},
            hashlimit,
            recent::{self, Sight},
        },
        flow_table::FlowTable as _,
        rules::Case,
        tables::InsertError,
    },
    wire::Packet,
};

/// A [`Bucket`] that several threads may use at once.
#[derive(Debug, Default)]
pub(super) struct BucketCell {
    full_at: AtomicU64,
    expires: AtomicU64,
}

impl BucketCell {
    const fn words(&self) -> BucketWords<MemoryWord<'_>> {
        BucketWords { full_at: MemoryWord::atomic(&self.full_at), expires: MemoryWord::atomic(&self.expires) }
    }
}

impl<'a> Guards for &'a MemoryTables {
    fn bucket(&self, key: &BucketKey) -> Option<BucketWords<MemoryWord<'a>>> {
        Some(self.buckets.get(key)?.words())
    }

    fn insert_bucket(&self, key: &BucketKey, bucket: &Bucket) -> Result<(), InsertError> {
        self.buckets.insert(key, |cell| {
            cell.full_at.store(bucket.full_at, SeqCst);
            cell.expires.store(bucket.expires.0, SeqCst);
        })
    }

    fn recent<R>(&self, key: &ObjectKey, ask: impl FnOnce(&mut RecentList) -> R) -> Option<R> {
        lock(&self.recents).get_mut(key).map(|list| ask(list))
    }

    fn counted(&self, key: &CountedKey) -> Option<Counted> {
        lock(&self.counted).get(key).copied()
    }

    fn insert_counted(&self, key: &CountedKey, counted: &Counted) -> Result<(), InsertError> {
        match lock(&self.counted).entry(*key) {
            Entry::Vacant(entry) => {
                entry.insert(*counted);
                Ok(())
            }
            Entry::Occupied(_) => Err(InsertError::Exists),
        }
    }

    fn remove_counted(&self, key: &CountedKey) -> bool {
        lock(&self.counted).remove(key).is_some()
    }

    fn count(&self, key: &CountKey) -> Option<MemoryWord<'a>> {
        self.counts.get(key).map(MemoryWord::atomic)
    }

    fn insert_count(&self, key: &CountKey, count: u64) -> Result<(), InsertError> {
        self.counts.insert(key, |word| word.store(count, SeqCst))
    }

    fn connlimit(&self, id: ContainerId, place: u32) -> Option<u32> {
        // As the loader numbers them here, all objects are connlimits, too.
        let objects = lock(&self.objects);
        objects.iter().filter(|key| key.container == id).nth(place as usize).map(|key| key.number)
    }

    fn has_object(&self, key: &ObjectKey) -> bool {
        lock(&self.objects).contains(key)
    }
}

impl MemoryTables {
    /// What the rules of a container keep something for from now on, as the loader tells. Each may be a list of recent
    /// addresses.
    pub fn set_objects(&self, container: ContainerId, objects: impl IntoIterator<Item = ObjectKey>) {
        let mut all = lock(&self.objects);
        all.retain(|key| key.container != container);
        all.extend(objects);
        let mut lists = lock(&self.recents);
        for key in all.iter().filter(|key| key.container == container) {
            lists.entry(*key).or_insert_with(|| Box::new(RecentList::EMPTY));
        }
    }

    /// All buckets, in the order of their keys.
    pub fn buckets(&self) -> Vec<(BucketKey, Bucket)> {
        let get = |cell: &BucketCell| Bucket {
            full_at: cell.full_at.load(SeqCst),
            expires: Nanos(cell.expires.load(SeqCst)),
        };
        self.buckets.entries().into_iter().map(|(key, cell)| (key, get(cell))).collect()
    }

    /// How many flows each address has that is counted, in the order of the keys.
    pub fn counts(&self) -> Vec<(CountKey, u64)> {
        self.counts.entries().into_iter().map(|(key, count)| (key, count.load(SeqCst))).collect()
    }

    /// Deletes what has expired, and what is kept for objects that are gone; returns how many. The caller is the only one
    /// who deletes.
    pub(super) fn sweep_guards(&self) -> usize {
        let goes = |(key, cell): &(BucketKey, &BucketCell)| {
            hashlimit::retire(&self, &key.object, &cell.words()) && self.buckets.remove(key)
        };
        let buckets = self.buckets.entries().into_iter().filter(goes).count();
        let keys: Vec<_> = lock(&self.counted).keys().copied().collect();
        let counted = keys.iter().filter(|key| connlimit::retire(&self, key)).count();
        let goes = |(key, count): &(CountKey, &AtomicU64)| {
            connlimit::retire_count(&self, key, &MemoryWord::atomic(count)) && self.counts.remove(key)
        };
        let counts = self.counts.entries().into_iter().filter(goes).count();
        let mut lists = lock(&self.recents);
        let before = lists.len();
        lists.retain(|key, list| !recent::retire(&self, key, list));
        buckets + counted + counts + before - lists.len()
    }
}

/// Answers a check. `is_counted` becomes true if the packet's flow is new and has been counted.
pub(super) fn answer<P: Packet>(
    tables: &MemoryTables,
    packet: (&P, &Headers),
    (question, case): (&Question, &Case),
    check: &External,
    is_counted: &mut bool,
) -> Answer {
    let Some(object) = external::object(&tables, case.container, check) else { return Answer::No };
    match check.kind {
        HASHLIMIT => {
            let asked = Hashlimit::from_parameters(check.parameters);
            match hashlimit::key(object, packet, &asked) {
                Some(key) => hashlimit::ask(&tables, &key, &asked),
                None => Answer::No,
            }
        }
        RECENT => {
            let asked = Recent::from_parameters(check.parameters);
            let ttl = question.fields.get(Dimension::Ttl) as u8;
            recent::ask(&tables, &object, &Sight::new(packet.1, ttl, tables.now(), &asked), &asked)
        }
        CONNLIMIT => {
            let asked = Connlimit::from_parameters(check.parameters);
            let told = connlimit::ask(&tables, &Connection::new(object, packet.1, case, &asked), &asked);
            *is_counted |= told.is_new;
            told.answer
        }
        _ => Answer::No,
    }
}
