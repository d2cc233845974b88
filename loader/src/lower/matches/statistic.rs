//! Every so many packets, or by chance (net/netfilter/xt_statistic.c).

use std::num::NonZeroU32;

use crate::{
    compile::input::{Check, Condition},
    rules::matches::statistic::Statistic,
};

pub(super) fn condition(statistic: Statistic) -> Condition {
    Condition::Check(match statistic {
        Statistic::Random { probability } => {
            Check::Random { threshold: probability.value.0, inverted: probability.negated }
        }
        Statistic::Nth { every, packet } => Check::Nth {
            every: NonZeroU32::new(every.value).unwrap_or(NonZeroU32::MIN),
            packet,
            inverted: every.negated,
        },
    })
}
