//! Sets of values of one dimension.

use std::ops::RangeInclusive;

use berth_common::abi::rules::{Dimension, Family, dimension::ABSENT};

/// A set of numbers, as ascending intervals with gaps between them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Values(Vec<(u128, u128)>);

impl Values {
    /// The union of these intervals.
    pub fn new(intervals: impl IntoIterator<Item = RangeInclusive<u128>>) -> Self {
        let mut sorted: Vec<(u128, u128)> = intervals
            .into_iter()
            .filter(|interval| !interval.is_empty())
            .map(RangeInclusive::into_inner)
            .collect();
        sorted.sort_unstable();
        let mut merged: Vec<(u128, u128)> = Vec::with_capacity(sorted.len());
        for (first, last) in sorted {
            match merged.last_mut() {
                Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
                Some(_) | None => merged.push((first, last)),
            }
        }
        Self(merged)
    }

    /// One value.
    pub fn one(value: impl Into<u128>) -> Self {
        let value = value.into();
        Self(vec![(value, value)])
    }

    /// No value at all: for packets that lack the dimension.
    pub fn absent() -> Self {
        Self::one(ABSENT)
    }

    /// All values that an address of this many bits has that begins as `address` does for `length` bits.
    pub fn prefix(address: u128, length: u32, bits: u32) -> Self {
        let host = bits.saturating_sub(length);
        let low = 1_u128.checked_shl(host).map_or(u128::MAX, |size| size - 1);
        Self::new([address & !low..=address & !low | low])
    }

    /// All bytes that are `value` under `mask`.
    pub fn masked(mask: u8, value: u8) -> Self {
        Self::new((0..=u8::MAX).filter(|byte| byte & mask == value).map(|byte| byte.into()..=byte.into()))
    }

    /// All values that a packet can have in the dimension, if it has one.
    pub fn all(dimension: Dimension, family: Family) -> Self {
        Self(vec![(0, last(dimension, family))])
    }

    /// All values that a packet can have, but for these. A packet that has none is in neither.
    #[must_use]
    pub fn except(&self, dimension: Dimension, family: Family) -> Self {
        Self::all(dimension, family).without(self)
    }

    /// Those that are not in `other`.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        let mut gaps = Vec::with_capacity(other.0.len() + 1);
        let mut next = Some(0);
        for (first, last) in &other.0 {
            if let (Some(start), Some(end)) = (next, first.checked_sub(1)) {
                gaps.push((start, end));
            }
            next = last.checked_add(1);
        }
        if let Some(start) = next {
            gaps.push((start, u128::MAX));
        }
        gaps.retain(|(first, last)| first <= last);
        self.intersection(&Self(gaps))
    }

    /// Those that are in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let mut both = Vec::new();
        let (mut left, mut right) = (self.0.iter().peekable(), other.0.iter().peekable());
        while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
            let (first, last) = (a.0.max(b.0), a.1.min(b.1));
            if first <= last {
                both.push((first, last));
            }
            if a.1 < b.1 {
                left.next();
            } else {
                right.next();
            }
        }
        Self(both)
    }

    /// Those that are in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self::new(self.intervals().chain(other.intervals()))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a value is among them.
    pub fn contains(&self, value: u128) -> bool {
        let after = self.0.partition_point(|(first, _)| *first <= value);
        self.0.get(..after).and_then(<[_]>::last).is_some_and(|(_, last)| value <= *last)
    }

    /// The intervals, ascending.
    pub fn intervals(&self) -> impl Iterator<Item = RangeInclusive<u128>> {
        self.0.iter().map(|(first, last)| *first..=*last)
    }

    /// Whether every packet of the family satisfies them.
    pub fn cover(&self, dimension: Dimension, family: Family) -> bool {
        let present =
            self.0.first().is_some_and(|(first, end)| *first == 0 && *end >= last(dimension, family));
        present && (!dimension.shape().optional || self.contains(ABSENT.into()))
    }

    /// By how many bits they narrow the dimension down.
    pub(super) fn information(&self, dimension: Dimension, family: Family) -> u32 {
        let mut count = 0_u128;
        for (first, last) in &self.0 {
            count = count.saturating_add(last - first).saturating_add(1);
        }
        dimension.bits(family).saturating_sub(count.checked_ilog2().unwrap_or(0))
    }
}

/// The largest number that tables must know something about: where values may be absent, [`ABSENT`].
pub(super) fn top(dimension: Dimension, family: Family) -> u128 {
    if dimension.shape().optional { ABSENT.into() } else { last(dimension, family) }
}

/// The largest value of a dimension.
fn last(dimension: Dimension, family: Family) -> u128 {
    1_u128.checked_shl(dimension.bits(family)).map_or(u128::MAX, |size| size - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_merged() {
        let values = Values::new([5..=9, 1..=2, 3..=3, 8..=12, 20..=20]);
        assert_eq!(values.0, [(1, 3), (5, 12), (20, 20)]);
        assert_eq!(Values::new([0..=u128::MAX, 7..=7]).0, [(0, u128::MAX)]);
        #[allow(clippy::reversed_empty_ranges, reason = "an empty range is what is tested")]
        let empty = Values::new([4..=3]);
        assert!(empty.is_empty());
    }

    #[test]
    fn arithmetic_agrees_with_counting() {
        let sets: Vec<Values> = (0_u32..128)
            .map(|bits| {
                Values::new((0_u32..7).filter(|bit| bits >> bit & 1 != 0).map(|bit| bit.into()..=bit.into()))
            })
            .collect();
        for a in &sets {
            for b in &sets {
                for value in 0..8 {
                    let (in_a, in_b) = (a.contains(value), b.contains(value));
                    assert_eq!(a.intersection(b).contains(value), in_a && in_b);
                    assert_eq!(a.union(b).contains(value), in_a || in_b);
                    assert_eq!(a.without(b).contains(value), in_a && !in_b);
                }
            }
        }
    }

    #[test]
    fn the_complement_leaves_absent_values_out() {
        let ssh = Values::one(22_u32);
        let others = ssh.except(Dimension::DestinationPort, Family::Ipv4);
        assert_eq!(others.0, [(0, 21), (23, 65_535)]);
        assert!(!others.contains(ABSENT.into()));
        let all = ssh.union(&others);
        assert!(!all.cover(Dimension::DestinationPort, Family::Ipv4));
        assert!(all.union(&Values::absent()).cover(Dimension::DestinationPort, Family::Ipv4));
        let full = Values::prefix(0, 0, 128);
        assert!(
            full.cover(Dimension::Source, Family::Ipv6)
                && full.except(Dimension::Source, Family::Ipv6).is_empty()
        );
    }

    #[test]
    fn prefixes_and_masks() {
        assert_eq!(Values::prefix(0x0a01_0203, 8, 32).0, [(0x0a00_0000, 0x0aff_ffff)]);
        assert_eq!(Values::prefix(7, 128, 128).0, [(7, 7)]);
        // SYN without FIN, RST, ACK: any of PSH, URG, ECE, CWR.
        assert_eq!(Values::masked(0x17, 0x02).0.len(), 16);
        assert!(Values::masked(0x17, 0x02).contains(0xc2));
    }

    #[test]
    fn narrow_sets_say_more() {
        let of = |values: &Values| values.information(Dimension::Source, Family::Ipv4);
        assert_eq!(of(&Values::one(1_u32)), 32);
        assert_eq!(of(&Values::prefix(0, 24, 32)), 24);
        assert_eq!(of(&Values::all(Dimension::Source, Family::Ipv4)), 0);
    }
}
