//! Checks that keep something beside the ruleset, against models of what netfilter keeps.

mod connlimit;
mod hashlimit;
mod recent;

use berth_common::abi::{guard::ObjectKey, units::ContainerId};

use berth_common::engine::Tables as _;

use crate::support::*;

/// What the rules of a container keep something for.
const fn object(container: ContainerId, number: u32) -> ObjectKey {
    ObjectKey { container, generation: 1, number }
}

/// A node where [`S`] may have so much remembered, for two objects.
fn node(limit: u32) -> Node {
    let node = Node::new();
    let mut container = (&node.tables).container(S).unwrap();
    container.guard_limit = limit;
    node.tables.add_container(S, container);
    node.tables.set_objects(S, [object(S, 1), object(S, 2)]);
    node
}

/// What is remembered for [`S`]: held, most ever, refused.
fn held(node: &Node) -> (u64, u64, u64) {
    let guards = node.tables.usage_of(S).unwrap().guards;
    (guards.held.count(), guards.maxheld, guards.failcnt)
}
