//! Ports (net/netfilter/xt_tcpudp.c, xt_multiport.c). A packet without them, such as a later fragment, matches nothing,
//! negated or not, and not even where no port is asked for.

use super::super::values::{field, ports, ports_of, signed};
use crate::{
    compile::{
        Values,
        input::{Condition, Dimension, Family},
    },
    rules::{
        self,
        matches::{
            multiport::{Multiport, Side},
            udp::Udp,
        },
        values::ports::PortRange,
    },
};

/// A match's conditions on the ports of both ends.
pub(super) fn both(
    source: Option<rules::condition::Condition<PortRange>>,
    destination: Option<rules::condition::Condition<PortRange>>,
    family: Family,
) -> Vec<Condition> {
    let ends = [(Dimension::SourcePort, source), (Dimension::DestinationPort, destination)];
    let asked = ends.into_iter().filter_map(|(dimension, range)| Some((dimension, range?)));
    asked.map(|(dimension, range)| field(dimension, ports(range.value), range.negated, family)).collect()
}

/// That the packet has ports at all.
pub(super) fn any(family: Family) -> Condition {
    Condition::Field(Dimension::SourcePort, Values::all(Dimension::SourcePort, family))
}

pub(super) fn udp(udp: &Udp, family: Family) -> Vec<Condition> {
    let mut all = both(udp.source, udp.destination, family);
    if all.is_empty() {
        all.push(any(family));
    }
    all
}

/// Neither end's port is among them where either's must not be.
pub(super) fn multiport(multiport: &Multiport, family: Family) -> Vec<Condition> {
    let negated = multiport.ports.negated;
    let listed = Values::new(multiport.ports.value.0.iter().copied().map(ports_of));
    let of = |dimension| (dimension, signed(dimension, listed.clone(), negated, family));
    let (source, destination) = (of(Dimension::SourcePort), of(Dimension::DestinationPort));
    let is = |(dimension, values)| Condition::Field(dimension, values);
    match multiport.side {
        Side::Source => vec![is(source)],
        Side::Destination => vec![is(destination)],
        Side::Either if negated => vec![is(source), is(destination)],
        Side::Either => vec![Condition::Either(vec![vec![source], vec![destination]])],
    }
}
