//! What was decided for the first fragments of packets, which later ones share: a [table of places](super::places).

use super::{
    flow_table::hash,
    places::{self, Bucket, Place},
    tables::Tables,
};
use crate::abi::{
    fragment::{Fragment, FragmentKey, PLACES},
    units::ContainerId,
};

/// What was decided for the first fragment with this key, if it still holds.
#[inline(always)]
pub fn find<T: Tables>(tables: &T, key: &FragmentKey) -> Option<Fragment> {
    bucket(tables, key)?.find(key)
}

/// Keeps what was decided.
#[inline(always)]
pub fn remember<T: Tables>(tables: &T, key: &FragmentKey, fragment: &Fragment) {
    if let Some(number) = choose(tables, key, fragment.owner) {
        keep(tables, number, key, fragment);
    }
}

/// Keeps it at this place. If somebody else is just writing there, the later fragments of one of the two go without.
#[inline(always)]
pub fn keep<T: Tables>(tables: &T, number: u32, key: &FragmentKey, fragment: &Fragment) {
    if let Some(place) = tables.fragment_place(number) {
        places::keep(place, key, fragment);
    }
}

/// The place that is to be written.
#[inline(always)]
pub fn choose<T: Tables>(tables: &T, key: &FragmentKey, owner: ContainerId) -> Option<u32> {
    bucket(tables, key)?.choose(key, owner)
}

/// Hashed as flows are, so that nobody can aim at a bucket.
#[inline(always)]
pub fn bucket<T: Tables>(
    tables: &T,
    key: &FragmentKey,
) -> Option<Bucket<impl Fn(u32) -> Option<T::FragmentPlace>>> {
    let hash = hash::chosen(tables.shape()?, |place| key.word(place));
    let at = |number| tables.fragment_place(number);
    Some(Bucket { at, first: places::first_of(hash, PLACES), now: tables.now() })
}

/// What [`Place`] is to fragments.
pub trait FragmentPlace: Place<Kept = Fragment> {}

impl<P: Place<Kept = Fragment>> FragmentPlace for P {}

impl places::Key for FragmentKey {
    #[inline(always)]
    fn word(&self, number: usize) -> u32 {
        Self::word(self, number)
    }
}

const _: () = assert!(FragmentKey::WORDS == places::KEY_WORDS && (PLACES / places::WAYS).is_power_of_two());
