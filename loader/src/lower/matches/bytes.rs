//! Single numbers of the IP header: length, type of service, time to live.

use super::super::values::{field, range};
use crate::{
    compile::{
        Values,
        input::{Condition, Dimension, Family},
    },
    rules::{
        self,
        matches::{dscp::Dscp, hl::Hl, length::Length, tos::Tos, ttl::Ttl},
    },
};

pub(super) fn length(length: &Length, family: Family) -> Condition {
    let rules::condition::Condition { negated, value } = length.length;
    field(Dimension::Length, range(value.first, value.last), negated, family)
}

/// The code point is the upper six bits.
pub(super) fn dscp(dscp: &Dscp, family: Family) -> Condition {
    let rules::condition::Condition { negated, value } = dscp.value;
    let values = if value.0 < 64 { range(value.0 << 2, value.0 << 2 | 3) } else { Values::default() };
    field(Dimension::Tos, values, negated, family)
}

pub(super) fn tos(tos: &Tos, family: Family) -> Condition {
    let rules::condition::Condition { negated, value } = tos.value;
    field(Dimension::Tos, Values::masked(value.mask, value.value), negated, family)
}

pub(super) fn ttl(ttl: Ttl, family: Family) -> Condition {
    match ttl {
        Ttl::Is(hops) => is(hops, family),
        Ttl::Below(hops) => below(hops),
        Ttl::Above(hops) => above(hops),
    }
}

pub(super) fn hl(hl: Hl, family: Family) -> Condition {
    match hl {
        Hl::Is(hops) => is(hops, family),
        Hl::Below(hops) => below(hops),
        Hl::Above(hops) => above(hops),
    }
}

fn is(hops: rules::condition::Condition<u8>, family: Family) -> Condition {
    field(Dimension::Ttl, Values::one(hops.value), hops.negated, family)
}

fn below(hops: u8) -> Condition {
    let values = hops.checked_sub(1).map_or(Values::default(), |last| range(0_u8, last));
    Condition::Field(Dimension::Ttl, values)
}

fn above(hops: u8) -> Condition {
    let values = hops.checked_add(1).map_or(Values::default(), |first| range(first, u8::MAX));
    Condition::Field(Dimension::Ttl, values)
}
