//! What was decided for the first fragments of packets, which later ones share.
//!
//! A table of its own: a place among eight for each, in which the one who has most gives way. So a flood of first fragments for one
//! owner pushes out that one's, and those of others stay.

use super::{
    flow_table::hash,
    tables::{Tables, Word},
};
use crate::abi::{
    fragment::{Fragment, FragmentKey, PLACES, WAYS},
    units::{ContainerId, Nanos},
};

/// A place of the table, as several processors see it at once.
pub trait FragmentPlace: Copy {
    /// A word.
    type Word: Word;

    /// Odd while somebody writes there, and another each time.
    fn turn(&self) -> Self::Word;
    /// A word of the key.
    fn key_word(&self, place: usize) -> u32;
    /// What is kept.
    fn fragment(&self) -> Fragment;
    /// Keeps something; only whoever has made the turn odd does so.
    fn keep(&self, key: &FragmentKey, fragment: &Fragment);
}

/// What was decided for the first fragment with this key, if it still holds.
#[inline(always)]
pub fn find<T: Tables>(tables: &T, key: &FragmentKey) -> Option<Fragment> {
    let first = bucket(tables, key)?;
    for way in 0..WAYS {
        let place = tables.fragment_place(first.wrapping_add(way))?;
        if difference(&place, key) != 0 {
            continue;
        }
        // Additions of nothing, since those keep all that is read between them there.
        let turn = place.turn().add(0);
        let (difference, fragment) = (difference(&place, key), place.fragment());
        if turn & 1 | difference == 0 && place.turn().add(0) == turn {
            return if fragment.expires > tables.now() { Some(fragment) } else { None };
        }
    }
    None
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
    let Some(place) = tables.fragment_place(number) else { return };
    let turn = place.turn().load();
    if turn & 1 == 0 && place.turn().swap(turn, turn.wrapping_add(1)) {
        place.keep(key, fragment);
        place.turn().add(1);
    }
}

/// The first place of the key's bucket. Hashed as flows are, so that nobody can aim at a bucket.
#[inline(always)]
pub fn bucket<T: Tables>(tables: &T, key: &FragmentKey) -> Option<u32> {
    let chosen = hash::chosen(tables.shape()?, |place| key.word(place));
    Some((chosen & (PLACES / WAYS - 1)).wrapping_mul(WAYS))
}

/// The place that is to be written, of those where the key may be: that of the same key, or one that has expired, or else the oldest
/// of whoever has most there, `owner` with the one that is to come.
///
/// Without a branch: each of them would have the verifier go two ways, through all that comes after.
#[inline(always)]
pub fn choose<T: Tables>(tables: &T, key: &FragmentKey, owner: ContainerId) -> Option<u32> {
    let (first, now) = (bucket(tables, key)?, tables.now());
    let place = |way: u32| tables.fragment_place(first.wrapping_add(way));
    let mut owners = Owners::default();
    for way in 0..WAYS {
        let fragment = place(way)?.fragment();
        owners.push(bits(fragment.owner) | expired(&fragment, now) << EXPIRED);
    }
    let mut best = 0;
    for way in 0..WAYS {
        let (place, holder) = (place(way)?, owners.get(way));
        let (same, is_own) = (is_zero(difference(&place, key)), is_zero(holder ^ bits(owner)));
        let held = owners.count(holder).wrapping_add(is_own);
        let claim = same << SAME | expired(&place.fragment(), now) << FREE | held;
        let age = !(place.fragment().expires.0 >> AGE_UNIT) & AGE;
        best = greater(best, claim << CLAIM | age << AGED | way as u64);
    }
    Some(first.wrapping_add(best as u32 & (WAYS - 1)))
}

/// The holders of a bucket's places, sixteen bits of each in few words: there is no room on the kernel's stack for more. Two who
/// have these bits in common are taken for one.
#[derive(Clone, Copy, Default)]
struct Owners {
    first: u64,
    second: u64,
}

impl Owners {
    /// One more, behind all others.
    #[inline(always)]
    const fn push(&mut self, owner: u64) {
        self.first = self.first >> 16 | self.second << 48;
        self.second = self.second >> 16 | owner << 48;
    }

    #[inline(always)]
    const fn get(self, way: u32) -> u64 {
        let half = if way < WAYS / 2 { self.first } else { self.second };
        half >> ((way & 3) << 4) & HOLDER
    }

    /// How many places are this one's.
    #[inline(always)]
    fn count(self, owner: u64) -> u64 {
        (0..WAYS).fold(0, |count: u64, way| count.wrapping_add(is_zero(self.get(way) ^ owner)))
    }
}

#[inline(always)]
const fn bits(owner: ContainerId) -> u64 {
    owner.0 as u64 & OWNER
}

/// One if it holds no longer.
#[inline(always)]
const fn expired(fragment: &Fragment, now: Nanos) -> u64 {
    fragment.expires.0.wrapping_sub(now.0).wrapping_sub(1) >> 63
}

/// Not zero if the place is another key's.
#[inline(always)]
fn difference(place: &impl FragmentPlace, key: &FragmentKey) -> u64 {
    (0..FragmentKey::WORDS)
        .fold(0, |difference, number| difference | place.key_word(number) ^ key.word(number)) as u64
}

/// One if so; of numbers of 63 bits.
#[inline(always)]
const fn is_zero(number: u64) -> u64 {
    number.wrapping_sub(1) >> 63
}

/// Of numbers of 63 bits.
#[inline(always)]
const fn greater(one: u64, other: u64) -> u64 {
    let is_less = (one.wrapping_sub(other).cast_signed() >> 63).cast_unsigned();
    one ^ (one ^ other) & is_less
}

/// Bits of an owner that are looked at, the bit above them of what has expired, which goes before all else whoever had it, and both. (To
/// write all bits if it has, the compiler would branch.)
const OWNER: u64 = 0x7fff;
const EXPIRED: u32 = 15;
const HOLDER: u64 = 0xffff;

/// How good a place is: these bits, and below them the number of places that its owner has, which is nine at most.
const SAME: u32 = 5;
const FREE: u32 = 4;

/// Where that stands, and below it how long ago the place was written, in units of 2¹⁶ ns, then its number.
const CLAIM: u32 = 57;
const AGED: u32 = 3;
const AGE_UNIT: u32 = 16;
const AGE: u64 = (1 << (CLAIM - AGED)) - 1;

const _: () = assert!(WAYS == 1 << AGED && (PLACES / WAYS).is_power_of_two());
