//! Connections that others have announced.

use berth_common::abi::rules::status::EXPECTED;

use super::super::values::field;
use crate::{
    compile::{
        Values,
        input::{Condition, Dimension, Family},
    },
    rules::matches::helper::Helper,
};

/// There is one who listens, so that each connection that was announced is his (net/netfilter/xt_helper.c: of a packet without
/// a connection, or of one that nobody has announced, the negation holds).
pub(super) fn condition(helper: &Helper, family: Family) -> Condition {
    field(Dimension::Status, Values::masked(EXPECTED, EXPECTED), helper.name.negated, family)
}
