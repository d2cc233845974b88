//! Which flows are busiest.

use std::{collections::HashMap, thread, time::Duration};

use berth_common::abi::{
    counters::Traffic,
    flow::{Flow, FlowKey},
    units::{ContainerId, Nanos, Ticks},
};

use super::{Enforcer, Node, NodeError, Observer, flows::matches, least::Least};
use crate::api::{
    flow::{Busy, Top},
    response::Response,
};

/// What flows had counted at a moment.
pub struct Tallies {
    at: Nanos,
    owner: Option<ContainerId>,
    counted: HashMap<FlowKey, (Ticks, Traffic, Traffic)>,
}

impl<E: Enforcer, O: Observer> Node<E, O> {
    /// The busiest flows from now on, for as long as is asked. It waits meanwhile.
    pub(super) fn watch_flows(&self, asked: &Top) -> Result<Response, NodeError> {
        let before = self.tallies(asked)?;
        thread::sleep(Duration::from_millis(asked.milliseconds));
        self.busiest(&before, asked)
    }

    /// What flows have counted by now.
    pub fn tallies(&self, asked: &Top) -> Result<Tallies, NodeError> {
        let owner = asked.owner.as_deref().map(|owner| self.owner_id(owner)).transpose()?;
        let at = self.kernel.now();
        let mut counted = HashMap::new();
        self.kernel.each_flow(&mut |_, flow| {
            if matches(flow, owner, &asked.filter, at) {
                counted.insert(flow.key, (flow.created, flow.out, flow.back));
            }
        })?;
        Ok(Tallies { at, owner, counted })
    }

    /// Those that have carried most since then, with what that was in a second.
    pub fn busiest(&self, before: &Tallies, asked: &Top) -> Result<Response, NodeError> {
        let now = self.kernel.now();
        let mut busiest = Least::new(asked.limit);
        self.kernel.each_flow(&mut |slot, flow| {
            if !matches(flow, before.owner, &asked.filter, now) {
                return;
            }
            let (out, back) = since(before, flow);
            if out.packets + back.packets != 0 {
                let bytes = out.bytes.saturating_add(back.bytes);
                let rank = (u64::MAX - bytes, u64::MAX - out.packets, flow.key);
                busiest.offer(rank, || (slot, *flow, out, back));
            }
        })?;
        let span = now.0.saturating_sub(before.at.0);
        let translations = self.kernel.translations()?;
        let busy = busiest.into_sorted().map(|(_, (slot, flow, out, back))| Busy {
            flow: self.flow(&flow, translations.of(slot, &flow), now),
            out_per_second: in_a_second(out, span).into(),
            in_per_second: in_a_second(back, span).into(),
        });
        Ok(Response::Busy(busy.collect()))
    }
}

/// What a flow has carried since then: all, if it has begun since.
fn since(before: &Tallies, flow: &Flow) -> (Traffic, Traffic) {
    let nothing = Traffic { packets: 0, bytes: 0 };
    let (out, back) = match before.counted.get(&flow.key) {
        Some((created, out, back)) if *created == flow.created => (*out, *back),
        _ => (nothing, nothing),
    };
    let less = |all: Traffic, part: Traffic| Traffic {
        packets: all.packets.saturating_sub(part.packets),
        bytes: all.bytes.saturating_sub(part.bytes),
    };
    (less(flow.out, out), less(flow.back, back))
}

/// As much as that is in a second, of what was carried in so many nanoseconds.
fn in_a_second(traffic: Traffic, span: u64) -> Traffic {
    let scaled = |number: u64| {
        let number = u128::from(number) * 1_000_000_000 / u128::from(span.max(1));
        u64::try_from(number).unwrap_or(u64::MAX)
    };
    Traffic { packets: scaled(traffic.packets), bytes: scaled(traffic.bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates() {
        let traffic = Traffic { packets: 10, bytes: 5_000 };
        assert_eq!(in_a_second(traffic, 2_000_000_000), Traffic { packets: 5, bytes: 2_500 });
        assert_eq!(in_a_second(traffic, 0), Traffic { packets: 10_000_000_000, bytes: 5_000_000_000_000 });
    }
}
