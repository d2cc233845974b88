//! Tables of places, in which owners share: whoever has most of the places where a key may be gives way.
//!
//! So who is flooded pushes out what is his own, and what others have stays (adr/0017).

use super::tables::Word;
use crate::abi::units::{ContainerId, Nanos};

/// Places that a key may be in, side by side: a bucket.
pub const WAYS: u32 = 8;

/// Words of a key.
pub const KEY_WORDS: usize = 10;

/// A place, as several processors see it at once.
pub trait Place: Copy {
    /// A word.
    type Word: Word;
    /// What a place keeps.
    type Kept: Copy;

    /// Odd while somebody writes there, and another each time.
    fn turn(&self) -> Self::Word;
    /// A word of the key.
    fn key_word(&self, number: usize) -> u32;
    /// Whom what is kept is for.
    fn owner(&self) -> ContainerId;
    /// Until when it holds.
    fn expires(&self) -> Nanos;
    /// What is kept.
    fn kept(&self) -> Self::Kept;
    /// Keeps something; only whoever has made the turn odd does so.
    fn keep(&self, key: &impl Key, kept: &Self::Kept);
}

/// What a place is found by.
pub trait Key {
    /// One of its words.
    fn word(&self, number: usize) -> u32;
}

/// A bucket, and the time.
#[derive(Clone, Copy)]
pub struct Bucket<A> {
    /// The places of the table by their numbers.
    pub at: A,
    /// The first of the bucket.
    pub first: u32,
    /// What is before this holds no longer.
    pub now: Nanos,
}

/// The first place of a bucket in a table of so many places, which are a power of two.
#[inline(always)]
pub const fn first_of(hash: u32, places: u32) -> u32 {
    (hash & places.wrapping_div(WAYS).wrapping_sub(1)).wrapping_mul(WAYS)
}

/// Writes into a place. If somebody else is just writing there, one of the two goes without.
#[inline(always)]
pub fn keep<P: Place>(place: P, key: &impl Key, kept: &P::Kept) {
    let turn = place.turn().load();
    if turn & 1 == 0 && place.turn().swap(turn, turn.wrapping_add(1)) {
        place.keep(key, kept);
        place.turn().add(1);
    }
}

impl<P: Place, A: Fn(u32) -> Option<P>> Bucket<A> {
    /// What is kept for this key, if it still holds.
    #[inline(always)]
    pub fn find(&self, key: &impl Key) -> Option<P::Kept> {
        for way in 0..WAYS {
            let place = (self.at)(self.first.wrapping_add(way))?;
            if difference(&place, key) != 0 {
                continue;
            }
            // Additions of nothing, since those keep all that is read between them there.
            let turn = place.turn().add(0);
            let (difference, expires, kept) = (difference(&place, key), place.expires(), place.kept());
            if turn & 1 | difference == 0 && place.turn().add(0) == turn {
                return if expires > self.now { Some(kept) } else { None };
            }
        }
        None
    }

    /// The place that is to be written, of those where the key may be: that of the same key, or one that has expired, or else the
    /// oldest of whoever has most there, `owner` with the one that is to come.
    ///
    /// Without a branch: each of them would have the verifier go two ways, through all that comes after.
    #[inline(always)]
    pub fn choose(&self, key: &impl Key, owner: ContainerId) -> Option<u32> {
        let place = |way: u32| (self.at)(self.first.wrapping_add(way));
        let mut owners = Owners::default();
        for way in 0..WAYS {
            let place = place(way)?;
            owners.push(bits(place.owner()) | expired(&place, self.now) << EXPIRED);
        }
        let mut best = 0;
        for way in 0..WAYS {
            let (place, holder) = (place(way)?, owners.get(way));
            let (same, is_own) = (is_zero(difference(&place, key)), is_zero(holder ^ bits(owner)));
            let held = owners.count(holder).wrapping_add(is_own);
            let claim = same << SAME | expired(&place, self.now) << FREE | held;
            let age = !(place.expires().0 >> AGE_UNIT) & AGE;
            best = greater(best, claim << CLAIM | age << AGED | way as u64);
        }
        Some(self.first.wrapping_add(best as u32 & (WAYS - 1)))
    }
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

/// One if what is there holds no longer.
#[inline(always)]
fn expired(place: &impl Place, now: Nanos) -> u64 {
    place.expires().0.wrapping_sub(now.0).wrapping_sub(1) >> 63
}

/// Not zero if the place is another key's.
#[inline(always)]
fn difference(place: &impl Place, key: &impl Key) -> u64 {
    (0..KEY_WORDS).fold(0, |difference, number| difference | place.key_word(number) ^ key.word(number)) as u64
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

const _: () = assert!(WAYS == 1 << AGED);
