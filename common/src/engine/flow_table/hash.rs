//! Where a key's entry may be.

use crate::abi::flow_table::{Shape, Side};

/// What a key is hashed to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hash(pub u64);

impl Hash {
    /// Of the key with these words.
    ///
    /// NH (Black, Halevi, Krawczyk, Krovetz, Rogaway, "UMAC: Fast and Secure Message Authentication", 1999): for two keys that
    /// are chosen without knowing the seed the chance to fall together is 2⁻³², whatever they are. Then `MurmurHash3`'s finalizer,
    /// since of a sum of products some bits are better than others.
    #[inline(always)]
    pub fn of(shape: &Shape, word: impl Fn(usize) -> u32) -> Self {
        let seed = &shape.seed.0;
        let product = |place: usize, first: u32, second: u32| {
            let one = word(place).wrapping_add(first) as u64;
            one.wrapping_mul(word(place.wrapping_add(1)).wrapping_add(second) as u64)
        };
        let sum = product(0, seed[0], seed[1])
            .wrapping_add(product(2, seed[2], seed[3]))
            .wrapping_add(product(4, seed[4], seed[5]))
            .wrapping_add(product(6, seed[6], seed[7]))
            .wrapping_add(product(8, seed[8], seed[9]));
        Self(mix(sum))
    }

    /// One of the two buckets that the key may be in, of an index of so many.
    #[inline(always)]
    pub const fn first(self, side: Side) -> u32 {
        scale(self.0 as u32, side)
    }

    /// The other one; mostly another.
    #[inline(always)]
    pub const fn second(self, side: Side) -> u32 {
        scale((self.0 >> 32) as u32, side)
    }

    /// Eight bits, that tell most of those who share a bucket apart.
    #[inline(always)]
    const fn tag(self) -> u32 {
        self.0 as u8 as u32
    }

    /// What an entry says that leads from this key to a slot.
    #[inline(always)]
    pub const fn entry(self, number: u32) -> u32 {
        self.tag() << 24 | number.wrapping_add(1) & 0xff_ffff
    }

    /// The slot that an entry leads to, if it may be this key's.
    #[inline(always)]
    pub const fn slot(self, entry: u32) -> Option<u32> {
        let number = entry & 0xff_ffff;
        if number == 0 || entry >> 24 != self.tag() { None } else { Some(number.wrapping_sub(1)) }
    }
}

/// A number that stands for the key with these words, and tells nothing of where it is in the table.
#[inline(always)]
pub fn chosen(shape: &Shape, word: impl Fn(usize) -> u32) -> u32 {
    let Hash(hash) = Hash::of(shape, word);
    // 2³² divided by the golden ratio (Knuth, The Art of Computer Programming, 6.4).
    ((hash >> 32) as u32 ^ hash as u32).wrapping_mul(0x9e37_79b9) >> 8
}

/// Lemire, "Fast Random Integer Generation in an Interval", 2019.
#[inline(always)]
const fn scale(hash: u32, side: Side) -> u32 {
    ((hash as u64).wrapping_mul(side.buckets as u64) >> 32) as u32
}

/// Appleby's `fmix64`.
#[inline(always)]
const fn mix(sum: u64) -> u64 {
    let sum = (sum ^ sum >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let sum = (sum ^ sum >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    sum ^ sum >> 33
}
