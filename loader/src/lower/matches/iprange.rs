//! Ranges of addresses.

use super::super::values::{addresses, field};
use crate::{
    compile::input::{Condition, Dimension, Family},
    rules::matches::iprange::Iprange,
};

pub(super) fn conditions(iprange: &Iprange, family: Family) -> Vec<Condition> {
    let ends = [(Dimension::Source, &iprange.source), (Dimension::Destination, &iprange.destination)];
    let asked = ends.into_iter().filter_map(|(dimension, range)| Some((dimension, range.as_ref()?)));
    asked.map(|(dimension, range)| field(dimension, addresses(&range.value), range.negated, family)).collect()
}
