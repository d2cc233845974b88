//! What was decided for first fragments: functions that the verifier proves each by itself, as in [`crate::seams`].

use berth_common::{
    abi::{
        fragment::{Fragment, FragmentKey, FragmentPlace, PLACES},
        units::{ContainerId, Nanos, Zone},
    },
    engine::{
        Headers, fragments,
        places::{Key, Place},
    },
};

use crate::{atomic::MapWord, seams::NoContext, tables::Maps};

/// A value of `FRAGMENTS`.
#[derive(Clone, Copy)]
pub struct MapFragment(*mut FragmentPlace);

impl MapFragment {
    /// # Safety
    ///
    /// `place` must point to a value of the map.
    #[inline(always)]
    pub unsafe fn new(place: *mut FragmentPlace) -> Self {
        Self(place)
    }
}

impl Place for MapFragment {
    type Word = MapWord;
    type Kept = Fragment;

    #[inline(always)]
    fn turn(&self) -> MapWord {
        // SAFETY: Valid by construction; the turn is one aligned word.
        unsafe { MapWord::new(&raw mut (*self.0).turn) }
    }

    #[inline(always)]
    fn key_word(&self, place: usize) -> u32 {
        if place >= FragmentKey::WORDS {
            return 0;
        }
        // SAFETY: As above; the key has so many aligned words.
        unsafe { (&raw const (*self.0).key).cast::<u32>().add(place).read_volatile() }
    }

    #[inline(always)]
    fn owner(&self) -> ContainerId {
        self.kept().owner
    }

    #[inline(always)]
    fn expires(&self) -> Nanos {
        self.kept().expires
    }

    #[inline(always)]
    fn kept(&self) -> Fragment {
        // SAFETY: As above. Others may write meanwhile, which the turn tells.
        unsafe { (&raw const (*self.0).fragment).read_volatile() }
    }

    #[inline(always)]
    fn keep(&self, key: &impl Key, fragment: &Fragment) {
        // SAFETY: As above.
        unsafe {
            for number in 0..FragmentKey::WORDS {
                (&raw mut (*self.0).key).cast::<u32>().add(number).write_volatile(key.word(number));
            }
            (&raw mut (*self.0).fragment).write_volatile(*fragment);
        }
    }
}

/// As [`Tables::first_fragment`](berth_common::engine::Tables::first_fragment).
#[inline(always)]
pub fn first(headers: &Headers, zone: Zone, now: Nanos) -> Option<Fragment> {
    match seam_first_fragment(headers, zone.0, now.0) {
        NONE => None,
        told => {
            // Until when it holds has been looked at.
            let (owner, reason) = (ContainerId(told as u32), (told >> 32) as u32);
            Some(Fragment { expires: Nanos(u64::MAX), owner, reason })
        }
    }
}

/// As [`Tables::remember_fragment`](berth_common::engine::Tables::remember_fragment).
#[inline(always)]
pub fn remember(headers: &Headers, zone: Zone, fragment: &Fragment, now: Nanos) {
    let Fragment { owner, reason, expires } = *fragment;
    let place = seam_fragment_place(headers, zone.0, owner.0, now.0);
    seam_keep_fragment(headers, zone.0, (reason as u64) << 32 | owner.0 as u64, expires.0, place);
}

/// There is none: no reason has this number.
const NONE: u64 = u64::MAX;

/// The owner, and above it the reason.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_first_fragment(headers: *const Headers, zone: u32, now: u64) -> u64 {
    if headers.is_null() {
        return NONE;
    }
    // SAFETY: The verifier holds callers to valid memory of the type's size.
    let key = unsafe { &*headers }.fragment_key(Zone(zone));
    match fragments::find(&Maps::at(NoContext, Nanos(now)), &key) {
        Some(Fragment { owner, reason, .. }) => (reason as u64) << 32 | owner.0 as u64,
        None => NONE,
    }
}

/// As [`fragments::choose`]; beyond the last place if there is none.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_fragment_place(headers: *const Headers, zone: u32, owner: u32, now: u64) -> u32 {
    if headers.is_null() {
        return PLACES;
    }
    // SAFETY: As above.
    let key = unsafe { &*headers }.fragment_key(Zone(zone));
    fragments::choose(&Maps::at(NoContext, Nanos(now)), &key, ContainerId(owner)).unwrap_or(PLACES)
}

/// As [`fragments::keep`]; `decided` is the owner, and above it the reason.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_keep_fragment(
    headers: *const Headers,
    zone: u32,
    decided: u64,
    expires: u64,
    place: u32,
) -> u32 {
    if headers.is_null() {
        return 0;
    }
    let (owner, reason) = (ContainerId(decided as u32), (decided >> 32) as u32);
    // SAFETY: As above.
    let key = unsafe { &*headers }.fragment_key(Zone(zone));
    let fragment = Fragment { expires: Nanos(expires), owner, reason };
    fragments::keep(&Maps::at(NoContext, Nanos(0)), place, &key, &fragment);
    1
}
