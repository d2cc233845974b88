//! The flow table: who gets entries, how many, for how long, and in which state.

mod begin;
mod expiry;
mod ftp;
mod modes;
mod quota;
mod sctp;
mod state;
mod threads;
mod told;

use berth_common::abi::{flow::Flow, units::Nanos};

use crate::support::Node;

fn seconds_left(node: &Node, flow: &Flow) -> u64 {
    (flow.expires.0 - node.now().0) / Nanos::seconds(1).0
}
