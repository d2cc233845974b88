//! Fragments of IPv6 (net/ipv6/netfilter/ip6t_frag.c).

use berth_common::abi::rules::dimension::fragment;

use crate::{
    compile::{
        Values,
        input::{Condition, Dimension},
    },
    rules::matches::frag::{Frag, More},
};

pub(super) fn condition(frag: &Frag) -> Condition {
    let parts = [
        (fragment::FIRST, true, More::Follow),
        (fragment::LATER, false, More::Follow),
        (fragment::LAST, false, More::None),
        (fragment::ATOMIC, true, More::None),
    ];
    let meant = parts.into_iter().filter(|(_, is_first, more)| {
        (*is_first || !frag.first) && frag.more.is_none_or(|wanted| wanted == *more)
    });
    Condition::Field(Dimension::Fragment, Values::new(meant.map(|(part, _, _)| part.into()..=part.into())))
}
