//! Which slot a key's flow is in.

use super::{FlowTable, Half as _, Hash, Places as _, Slot};
use crate::{
    abi::flow_table::{PLACES, Side},
    engine::tables::FlowEntry as _,
};

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

/// In how many turns a key is looked for: where entries are made, on the other side, and once more.
pub const TURNS: u32 = 3;
const OTHER_SIDE: u32 = 1;

/// What came of one turn.
#[derive(Clone, Copy)]
pub enum Looked<F> {
    /// It is there.
    Found(Slot<F>),
    /// The table grows: it may be on the side that the next turn looks at.
    Elsewhere,
    /// There is none.
    Nowhere,
}

/// The slot whose key has these words, expired or not.
///
/// While the table grows, what is not on the new side is on the old one, or has just left it: what is carried over is on the new
/// side before that.
#[inline(always)]
pub fn find<M: FlowTable + ?Sized>(table: &M, word: impl Fn(usize) -> u32 + Copy) -> Option<Slot<M::Flow>> {
    for turn in 0..TURNS {
        match look(table, turn, word, |number| table.slot(number)) {
            Looked::Found(slot) => return Some(slot),
            Looked::Elsewhere => {}
            Looked::Nowhere => return None,
        }
    }
    None
}

/// One turn of [`find`], for who has a way of his own to slots.
///
/// It sees which sides are in use by now. They may have been swapped since the turn before, but no more than that, as the loader
/// waits after each change for who is at work: then the other is looked at either way, or all has been carried over.
#[inline(always)]
pub fn look<M: FlowTable + ?Sized>(
    table: &M,
    turn: u32,
    word: impl Fn(usize) -> u32 + Copy,
    slot: impl Fn(u32) -> Option<M::Flow> + Copy,
) -> Looked<M::Flow> {
    let in_use = table.in_use();
    let side = match in_use.other() {
        Some(other) if turn == OTHER_SIDE => other,
        _ => in_use.side(),
    };
    match find_on(table, side, word, slot) {
        Some(slot) => Looked::Found(slot),
        None if turn < TURNS - 1 && in_use.other().is_some() => Looked::Elsewhere,
        None => Looked::Nowhere,
    }
}

#[inline(always)]
fn find_on<M: FlowTable + ?Sized>(
    table: &M,
    side: u32,
    word: impl Fn(usize) -> u32 + Copy,
    slot: impl Fn(u32) -> Option<M::Flow> + Copy,
) -> Option<Slot<M::Flow>> {
    let shape = table.shape()?;
    let (hash, extent) = (Hash::of(shape, word), shape.on(side));
    match find_in(table, hash, (side, hash.first(extent)), word, slot) {
        None => find_in(table, hash, (side, hash.second(extent)), word, slot),
        found => found,
    }
}

#[inline(always)]
fn find_in<M: FlowTable + ?Sized>(
    table: &M,
    hash: Hash,
    (side, bucket): (u32, u32),
    word: impl Fn(usize) -> u32 + Copy,
    slot: impl Fn(u32) -> Option<M::Flow>,
) -> Option<Slot<M::Flow>> {
    let bucket = table.places(side, bucket)?;
    for place in 0..PLACES {
        if let Some(number) = hash.slot(bucket.entry(place)?.load())
            && let Some(flow) = slot(number)
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
    let hash = hash(table, number);
    if !make(table, number, hash) {
        return Entered::Full;
    }
    let in_use = table.in_use();
    let elsewhere = match in_use.other() {
        Some(other) => table.has_another(other, number, hash),
        None => false,
    };
    // In this order, for the same reason.
    if elsewhere || table.has_another(in_use.side(), number, hash) {
        table.delete(number);
        return Entered::Exists;
    }
    Entered::Found
}

/// Lets lookups find the slot no more. The caller has claimed it.
#[inline(always)]
pub fn delete<M: FlowTable + ?Sized>(table: &M, number: u32) {
    let hash = table.hash(number);
    let in_use = table.in_use();
    if let Some(other) = in_use.other()
        && table.delete_entry(other, number, hash)
    {
        return;
    }
    table.delete_entry(in_use.side(), number, hash);
}

/// Of the key that is in the slot.
#[inline(always)]
pub fn hash<M: FlowTable + ?Sized>(table: &M, number: u32) -> Hash {
    match (table.shape(), table.slot(number)) {
        (Some(shape), Some(flow)) => Hash::of(shape, |place| flow.key_word(place)),
        _ => Hash::default(),
    }
}

/// Makes an entry for the slot, whose key has this hash; tells whether there was room.
#[inline(always)]
pub(super) fn make<M: FlowTable + ?Sized>(table: &M, number: u32, hash: Hash) -> bool {
    for _ in 0..TRIES {
        match table.make_entry(number, hash) {
            Made::Yes => return true,
            Made::Taken => {}
            Made::Full => return false,
        }
    }
    false
}

/// What came of making an entry.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// It is there.
    Yes = 0,
    /// Another processor has taken the place first.
    Taken = 1,
    /// There is no room.
    Full = 2,
}

impl Made {
    /// From its number.
    #[inline(always)]
    pub const fn from_number(number: u8) -> Self {
        match number {
            0 => Self::Yes,
            1 => Self::Taken,
            _ => Self::Full,
        }
    }
}

/// Tries once to make it.
#[inline(always)]
pub fn make_entry<M: FlowTable + ?Sized>(table: &M, number: u32, hash: Hash) -> Made {
    let side = table.in_use().side();
    let place = table.shape().and_then(|shape| free_place(table, hash, (side, shape.on(side))));
    let Some(place) = place else { return Made::Full };
    if place.swap(0, hash.entry(number)) { Made::Yes } else { Made::Taken }
}

/// Whether there is an entry on this side for the slot whose key has this hash.
#[inline(always)]
pub fn has_entry<M: FlowTable + ?Sized>(table: &M, side: u32, number: u32, hash: Hash) -> bool {
    place_of(table, side, number, hash).is_some()
}

/// Deletes it; tells whether there was one.
#[inline(always)]
pub fn delete_entry<M: FlowTable + ?Sized>(table: &M, side: u32, number: u32, hash: Hash) -> bool {
    place_of(table, side, number, hash).is_some_and(|place| place.swap(hash.entry(number), 0))
}

#[inline(always)]
fn place_of<M: FlowTable + ?Sized>(table: &M, side: u32, number: u32, hash: Hash) -> Option<M::Half> {
    let extent = table.shape()?.on(side);
    for bucket in [hash.first(extent), hash.second(extent)] {
        let bucket = table.places(side, bucket)?;
        for place in 0..PLACES {
            if let Some(place) = bucket.entry(place)
                && place.load() == hash.entry(number)
            {
                return Some(place);
            }
        }
    }
    None
}

/// The first free place, in that of the two buckets whose first one comes sooner. (To count free places instead would fill them
/// hardly more evenly, and the kernel's verifier would follow each way to count.)
#[inline(always)]
fn free_place<M: FlowTable + ?Sized>(table: &M, hash: Hash, (side, extent): (u32, Side)) -> Option<M::Half> {
    let (first, second) = (table.places(side, hash.first(extent))?, table.places(side, hash.second(extent))?);
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

/// Whether this side has an entry for another slot with the same key.
#[inline(always)]
pub fn has_another<M: FlowTable + ?Sized>(table: &M, side: u32, number: u32, hash: Hash) -> bool {
    let (Some(shape), Some(own)) = (table.shape(), table.slot(number)) else { return false };
    for bucket in [hash.first(shape.on(side)), hash.second(shape.on(side))] {
        let Some(bucket) = table.places(side, bucket) else { return false };
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
    }
    false
}
