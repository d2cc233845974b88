//! What is pending of translation: functions that the verifier proves each by itself, as in [`crate::seams`].

use berth_common::{
    abi::{
        flow::FlowKey,
        nat::{NatPending, NatPendingPlace, PENDING_PLACES},
        units::{ContainerId, Nanos},
    },
    engine::{
        nat::pending,
        places::{Key, Place},
    },
};

use crate::{atomic::MapWord, seams::NoContext, tables::Maps};

/// A value of `NAT_PENDING`.
#[derive(Clone, Copy)]
pub struct MapPending(*mut NatPendingPlace);

impl MapPending {
    /// # Safety
    ///
    /// `place` must point to a value of the map.
    #[inline(always)]
    pub unsafe fn new(place: *mut NatPendingPlace) -> Self {
        Self(place)
    }

    #[inline(always)]
    fn key(self) -> *mut u32 {
        // SAFETY: Valid by construction.
        unsafe { (&raw mut (*self.0).key).cast() }
    }
}

impl Place for MapPending {
    type Word = MapWord;
    type Kept = NatPending;

    #[inline(always)]
    fn turn(&self) -> MapWord {
        // SAFETY: Valid by construction; the turn is one aligned word.
        unsafe { MapWord::new(&raw mut (*self.0).turn) }
    }

    #[inline(always)]
    fn key_word(&self, number: usize) -> u32 {
        if number >= FlowKey::WORDS {
            return 0;
        }
        // SAFETY: As above; the key has so many aligned halves of words.
        unsafe { self.key().add(number).read_volatile() }
    }

    #[inline(always)]
    fn owner(&self) -> ContainerId {
        // SAFETY: As above. Others may write meanwhile, which the turn tells.
        unsafe { (&raw const (*self.0).pending.owner).read_volatile() }
    }

    #[inline(always)]
    fn expires(&self) -> Nanos {
        // SAFETY: As above.
        unsafe { (&raw const (*self.0).pending.expires).read_volatile() }
    }

    #[inline(always)]
    fn kept(&self) -> NatPending {
        // SAFETY: As above.
        unsafe { (&raw const (*self.0).pending).read_volatile() }
    }

    #[inline(always)]
    fn keep(&self, key: &impl Key, kept: &NatPending) {
        // SAFETY: As above.
        unsafe {
            for number in 0..FlowKey::WORDS {
                self.key().add(number).write_volatile(key.word(number));
            }
            (&raw mut (*self.0).pending).write_volatile(*kept);
        }
    }
}

/// As [`NatTables::note_pending`](berth_common::engine::nat::NatTables::note_pending).
#[inline(always)]
pub fn note(key: &FlowKey, noted: &NatPending, now: Nanos) {
    let place = seam_pending_place(key, noted.owner.0, now.0);
    seam_keep_pending(key, noted, place);
}

/// As [`pending::choose`]; beyond the last place if there is none.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_pending_place(key: *const FlowKey, owner: u32, now: u64) -> u32 {
    if key.is_null() {
        return PENDING_PLACES;
    }
    // SAFETY: The verifier holds callers to valid memory of the type's size.
    let key = unsafe { &*key };
    pending::choose(&Maps::at(NoContext, Nanos(now)), key, ContainerId(owner)).unwrap_or(PENDING_PLACES)
}

/// As [`pending::keep`].
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_keep_pending(key: *const FlowKey, noted: *const NatPending, place: u32) -> u32 {
    if key.is_null() || noted.is_null() {
        return 0;
    }
    // SAFETY: As above.
    let (key, noted) = unsafe { (&*key, &*noted) };
    pending::keep(&Maps::at(NoContext, Nanos(0)), place, key, noted);
    1
}
