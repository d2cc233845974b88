//! Flows for people.

use super::event::end;
use crate::{
    api::{
        error::ApiError,
        flow::{Busy, Flow},
    },
    cli::{number, output::Output},
};

/// A table of flows.
pub fn all(flows: &[Flow], output: &Output) -> Result<(), ApiError> {
    let columns =
        ["OWNER", "PROTOCOL", "FROM", "TO", "STATE", "ASSURED", "OUT", "IN", "AGE", "EXPIRES IN", "SEEN AS"];
    let row = |flow: &Flow| {
        let rest = [
            if flow.assured { "yes" } else { "no" }.to_owned(),
            number::traffic(flow.out),
            number::traffic(flow.back),
            number::milliseconds(flow.age_ms),
            number::milliseconds(flow.expires_in_ms),
            flow.nat.map_or_else(|| "-".to_owned(), |nat| end(nat.address, nat.port)),
        ];
        named(flow).into_iter().chain(rest).collect()
    };
    output.table(&columns, flows.iter().map(row).collect())
}

/// A table of the busiest flows.
pub fn busy(flows: &[Busy], output: &Output) -> Result<(), ApiError> {
    let columns = ["OWNER", "PROTOCOL", "FROM", "TO", "STATE", "OUT/S", "IN/S", "AGE"];
    let row = |Busy { flow, out_per_second, in_per_second }: &Busy| {
        let rest = [
            number::traffic(*out_per_second),
            number::traffic(*in_per_second),
            number::milliseconds(flow.age_ms),
        ];
        named(flow).into_iter().chain(rest).collect()
    };
    output.table(&columns, flows.iter().map(row).collect())
}

/// Which flow it is, and where it stands.
fn named(flow: &Flow) -> [String; 5] {
    let (from, to) = (end(flow.src, flow.sport), end(flow.dst, flow.dport));
    [flow.owner.clone(), flow.protocol.clone(), from, to, flow.state.clone()]
}
