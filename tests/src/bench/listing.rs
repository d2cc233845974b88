//! How long one waits for a page of the flows of a node that has many.

use std::time::Instant;

use anyhow::Result;
use berth_common::abi::{
    address::Address,
    flow::{Flow, FlowKey, State},
    flow_table::Pool,
    units::{ContainerId, Nanos, Port, Protocol, Ticks, Zone},
};

use super::report::Command;
use super::samples::Samples;
use crate::SharedNode;
use crate::object::{Array, FlowMaps, zero};

const COMMANDS: [(&str, &[&str]); 4] = [
    ("flows list --limit 20", &["flows", "list", "--limit", "20"]),
    ("flows list --limit 20 --sort bytes", &["flows", "list", "--limit", "20", "--sort", "bytes"]),
    ("flows list --address 203.0.113.9", &["flows", "list", "--address", "203.0.113.9"]),
    ("flows list --json, all", &["flows", "list", "--json"]),
];

/// Lists so many flows, again and again. Nothing is done with their table otherwise, so only what lists read is written.
pub fn measure(flows: u32, rounds: u32) -> Result<Vec<Command>> {
    let node = SharedNode::configured(&format!("[sizes]\nflows = {}\n", flows.max(1_024)))?;
    let id = ContainerId(node.berth.container("a")?.id);
    let maps = node.berth.pin_dir().join("maps");
    let some: Vec<Flow> = (0..flows).map(|number| flow(number, id)).collect();
    FlowMaps::pinned(&maps)?.write(&some)?;
    Array::<Pool>::pinned(&maps.join("FLOW_POOL"))?.set(0, Pool { fresh: flows.into(), ..zero() })?;
    let mut samples = COMMANDS.map(|_| Samples::default());
    for round in 0..=rounds {
        for ((_, arguments), samples) in COMMANDS.iter().zip(&mut samples) {
            let begun = Instant::now();
            node.berth.ok(arguments.iter())?;
            // The first round warms up.
            if round > 0 {
                samples.add(begun.elapsed().as_secs_f64() * 1e3);
            }
        }
    }
    let command = |((name, _), samples): (_, Samples)| Some(Command { name, flows, ms: samples.summary()? });
    Ok(COMMANDS.into_iter().zip(samples).filter_map(command).collect())
}

/// One of many, from a port and an address that few others have.
fn flow(number: u32, owner: ContainerId) -> Flow {
    // Multiplied by an odd number, all are still different.
    let mixed = number.wrapping_mul(0x9e37_79b1);
    let [a, b, c, d] = mixed.to_be_bytes();
    let key = FlowKey {
        low: Address::from(std::net::IpAddr::from([203, 0, 113, a])),
        high: Address::from(crate::topology::NODE_V4),
        low_port: Port(u16::from_be_bytes([b, c])),
        high_port: Port(u16::from(d)),
        zone_protocol: Zone::UPLINK.0 << 8 | u32::from(Protocol::UDP.0),
    };
    let mut flow: Flow = zero();
    flow.expires = Nanos(u64::MAX).released();
    flow.key = key;
    flow.state = State(State::OPENER_LOW);
    flow.responder = owner;
    flow.created = Ticks(1);
    flow.out.packets = u64::from(mixed >> 16);
    flow.out.bytes = 60 * u64::from(mixed >> 16);
    flow
}
