//! What every rule may ask (`ip_packet_match` in net/ipv4/netfilter/ip_tables.c, `ip6_packet_match`).

use berth_common::abi::rules::dimension::fragment;

use super::{
    Reason,
    rule::Context,
    values::{self, field},
};
use crate::{
    compile::{
        Values,
        input::{Condition, Dimension},
    },
    rules::header::Header,
};

/// The conditions of a header.
pub(super) fn conditions(header: &Header, context: &Context<'_>) -> Result<Vec<Condition>, Reason> {
    let mut all = Vec::new();
    let family = context.family();
    for (dimension, network) in
        [(Dimension::Source, header.source), (Dimension::Destination, header.destination)]
    {
        if let Some(network) = network {
            all.push(field(dimension, values::network(&network.value)?, network.negated, family));
        }
    }
    for (dimension, interface) in
        [(Dimension::InInterface, &header.input), (Dimension::OutInterface, &header.output)]
    {
        if let Some(interface) = interface {
            let numbers = context.names.numbers(&interface.value);
            all.push(field(dimension, numbers, interface.negated, family));
        }
    }
    if let Some(protocol) = header.protocol {
        all.push(field(Dimension::Protocol, Values::one(protocol.value.0), protocol.negated, family));
    }
    if let Some(later) = header.fragment {
        let parts = Values::new([fragment::LATER.into()..=fragment::LAST.into()]);
        all.push(field(Dimension::Fragment, parts, later.negated, family));
    }
    Ok(all)
}
