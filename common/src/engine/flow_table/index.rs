//! Which slot a key's flow is in.

use super::{FlowTable, Half as _, Hash, Places as _, Slot};
use crate::{abi::flow_table::PLACES, engine::tables::FlowEntry as _};

/// What came of entering a slot.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entered {
    /// Lookups find it.
    Found = 0,
    /// Another processor has entered a slot with the same key.
    Exists = 1,
    /// There is no room where its key could be.
    Full = 2,
}

impl Entered {
    /// From its number.
    #[inline(always)]
    pub const fn from_number(number: u8) -> Self {
        match number {
            0 => Self::Found,
            1 => Self::Exists,
            _ => Self::Full,
        }
    }
}

/// How often a place is tried that another processor may take first.
const TRIES: u32 = 4;

/// The slot whose key has these words, expired or not.
#[inline(always)]
pub fn find<M: FlowTable + ?Sized>(table: &M, word: impl Fn(usize) -> u32 + Copy) -> Option<Slot<M::Flow>> {
    let hash = Hash::of(table.shape()?, word);
    match find_in(table, hash, hash.first, word) {
        None => find_in(table, hash, hash.second, word),
        found => found,
    }
}

#[inline(always)]
fn find_in<M: FlowTable + ?Sized>(
    table: &M,
    hash: Hash,
    bucket: u32,
    word: impl Fn(usize) -> u32 + Copy,
) -> Option<Slot<M::Flow>> {
    let bucket = table.places(bucket)?;
    for place in 0..PLACES {
        if let Some(number) = hash.slot(bucket.entry(place)?.load())
            && let Some(flow) = table.slot(number)
            && flow.has_key(word)
        {
            return Some(Slot { number, flow });
        }
    }
    None
}

/// Lets lookups find the slot by the key that is in it. The caller is alone with the slot, and has looked for the key before.
///
/// Two processors may enter the same key at once. Each looks again when its entry is made; who finds another's takes its own
/// back. Both may do so, but never neither.
#[inline(always)]
pub fn enter<M: FlowTable + ?Sized>(table: &M, number: u32) -> Entered {
    let (Some(shape), Some(flow)) = (table.shape(), table.slot(number)) else { return Entered::Full };
    let hash = Hash::of(shape, |place| flow.key_word(place));
    let entry = hash.entry(number);
    let mut is_in = false;
    for _ in 0..TRIES {
        let Some(place) = free_place(table, hash) else { return Entered::Full };
        if place.swap(0, entry) {
            is_in = true;
            break;
        }
    }
    if !is_in {
        return Entered::Full;
    }
    if has_another(table, hash, hash.first, number) || has_another(table, hash, hash.second, number) {
        delete_from(table, hash, entry);
        return Entered::Exists;
    }
    Entered::Found
}

/// Lets lookups find the slot no more. The caller has claimed it.
#[inline(always)]
pub fn delete<M: FlowTable + ?Sized>(table: &M, number: u32) {
    if let (Some(shape), Some(flow)) = (table.shape(), table.slot(number)) {
        let hash = Hash::of(shape, |place| flow.key_word(place));
        delete_from(table, hash, hash.entry(number));
    }
}

#[inline(always)]
fn delete_from<M: FlowTable + ?Sized>(table: &M, hash: Hash, entry: u32) {
    if !delete_in(table, hash.first, entry) {
        delete_in(table, hash.second, entry);
    }
}

#[inline(always)]
fn delete_in<M: FlowTable + ?Sized>(table: &M, bucket: u32, entry: u32) -> bool {
    let Some(bucket) = table.places(bucket) else { return false };
    for place in 0..PLACES {
        if let Some(place) = bucket.entry(place)
            && place.load() == entry
        {
            return place.swap(entry, 0);
        }
    }
    false
}

/// The first free place, in that of the two buckets whose first one comes sooner. (To count free places instead would fill them
/// hardly more evenly, and the kernel's verifier would follow each way to count.)
#[inline(always)]
fn free_place<M: FlowTable + ?Sized>(table: &M, hash: Hash) -> Option<M::Half> {
    let (first, second) = (table.places(hash.first)?, table.places(hash.second)?);
    for place in 0..PLACES {
        for bucket in [first, second] {
            if let Some(entry) = bucket.entry(place)
                && entry.load() == 0
            {
                return Some(entry);
            }
        }
    }
    None
}

/// Whether the bucket has an entry for another slot with the key of slot `number`.
#[inline(always)]
fn has_another<M: FlowTable + ?Sized>(table: &M, hash: Hash, bucket: u32, number: u32) -> bool {
    let (Some(own), Some(bucket)) = (table.slot(number), table.places(bucket)) else { return false };
    for place in 0..PLACES {
        if let Some(place) = bucket.entry(place)
            && let Some(other) = hash.slot(place.load())
            && other != number
            && let Some(flow) = table.slot(other)
            && flow.has_key(|place| own.key_word(place))
        {
            return true;
        }
    }
    false
}
