//! What is written in rules as sets of numbers.

use std::ops::RangeInclusive;

use super::Reason;
use crate::{
    compile::{
        Values,
        input::{Condition, Dimension, Family},
    },
    rules::values::{network::Network, ports::PortRange, range::AddressRange},
};

/// Most ranges of addresses that one mask may stand for.
const MAX_RANGES: u32 = 256;

/// That a packet's value is one of these; negated, that it has another.
pub(super) fn field(dimension: Dimension, values: Values, negated: bool, family: Family) -> Condition {
    Condition::Field(dimension, signed(dimension, values, negated, family))
}

/// These values; negated, all others that a packet can have.
pub(super) fn signed(dimension: Dimension, values: Values, negated: bool, family: Family) -> Values {
    if negated { values.except(dimension, family) } else { values }
}

/// The numbers from one to another.
pub(super) fn range(first: impl Into<u128>, last: impl Into<u128>) -> Values {
    Values::new([first.into()..=last.into()])
}

/// The ports of one range.
pub(super) fn ports(range: PortRange) -> Values {
    Values::new([ports_of(range)])
}

/// The ports of one range, as numbers.
pub(super) fn ports_of(range: PortRange) -> RangeInclusive<u128> {
    range.first.into()..=range.last.into()
}

/// The addresses of a range.
pub(super) fn addresses(addresses: &AddressRange) -> Values {
    match addresses {
        AddressRange::V4 { first, last } => range(first.to_bits(), last.to_bits()),
        AddressRange::V6 { first, last } => range(first.to_bits(), last.to_bits()),
    }
}

/// The addresses of a network. A mask with holes makes many ranges: one for every choice of the bits that it leaves open
/// above the lowest bit that it does not.
pub(super) fn network(network: &Network) -> Result<Values, Reason> {
    let (address, mask, bits) = match network {
        Network::V4 { address, mask } => (address.to_bits().into(), mask.to_bits().into(), u32::BITS),
        Network::V6 { address, mask } => (address.to_bits(), mask.to_bits(), u128::BITS),
    };
    let open = all_ones(bits) & !mask;
    let low = all_ones(mask.trailing_zeros().min(bits));
    let holes = open & !low;
    let needed = 1_u128.checked_shl(holes.count_ones()).unwrap_or(u128::MAX);
    if needed > MAX_RANGES.into() {
        let text = match network {
            Network::V4 { mask, .. } => mask.to_string(),
            Network::V6 { mask, .. } => mask.to_string(),
        };
        return Err(Reason::Holes { mask: text, needed, limit: MAX_RANGES });
    }
    let starts = subsets(holes).map(|choice| address & mask | choice);
    Ok(Values::new(starts.map(|start| start..=start | low)))
}

/// So many ones.
fn all_ones(bits: u32) -> u128 {
    1_u128.checked_shl(bits).map_or(u128::MAX, |size| size - 1)
}

/// All numbers that have no bits but those of `bits`.
fn subsets(bits: u128) -> impl Iterator<Item = u128> {
    std::iter::successors(Some(0), move |before: &u128| {
        let next = before.wrapping_sub(bits) & bits;
        (next != 0).then_some(next)
    })
}
