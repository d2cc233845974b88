//! Flows in requests.

use std::{collections::HashMap, net::IpAddr, rc::Rc};

use berth_common::{
    abi::{
        flow::{End, Flow, State},
        units::{self, ContainerId, Nanos, Port},
    },
    wire::icmp,
};

use super::{Enforcer, Node, NodeError, Observer, least::Least};
use crate::{
    api::{
        self,
        flow_filter::{FlowFilter, FlowOrder, Network, Page, ProtocolName, StateName},
        name::Name,
        protocol::Protocol,
        response::Response,
    },
    state::{Resized, State as NodeState},
};

impl<E: Enforcer, O: Observer> Node<E, O> {
    /// The flows that are meant, on this page.
    pub(super) fn list_flows(
        &self,
        owner: Option<&str>,
        filter: &FlowFilter,
        page: Page,
    ) -> Result<Vec<api::flow::Flow>, NodeError> {
        let owner = owner.map(|owner| self.owner_id(owner)).transpose()?;
        let now = self.kernel.now();
        let room = page.limit.map_or(usize::MAX, |limit| page.offset.saturating_add(limit));
        let (mut first, mut names) = (Least::new(room), HashMap::new());
        self.kernel.each_flow(&mut |slot, flow| {
            if matches(flow, owner, filter, now) {
                first.offer(self.rank(flow, (page.sort, now), &mut names), || (slot, *flow));
            }
        })?;
        let translations = self.kernel.translations()?;
        // Only those that are shown are put into words.
        let shown = first.into_sorted().skip(page.offset);
        Ok(shown.map(|(_, (slot, flow))| self.flow(&flow, translations.of(slot, &flow), now)).collect())
    }

    pub(super) fn flush_flows(
        &mut self,
        owner: Option<&Name>,
        filter: &FlowFilter,
    ) -> Result<Response, NodeError> {
        let owner = match owner {
            Some(name) => Some(ContainerId(self.known(name)?.0.id)),
            None => None,
        };
        let now = self.kernel.now();
        let count = if filter.is_empty() {
            self.kernel.flush_flows(owner)?
        } else {
            self.kernel.end_flows(&|flow| matches(flow, owner, filter, now))?
        };
        Ok(Response::Done { notes: vec![format!("{count} flows deleted")] })
    }

    /// Makes the flow table larger.
    pub(super) fn resize_flows(&mut self, flows: u32) -> Result<Response, NodeError> {
        let before = self.kernel.grow_flows(flows)?;
        let configured = self.config.sizes.flows;
        // It is larger now, whatever comes of remembering that.
        self.save(NodeState { resized: Some(Resized { configured, flows }), ..self.state.clone() })?;
        let note = if before == flows {
            format!("the flow table holds {flows} flows as it is")
        } else {
            format!("the flow table holds {flows} flows, {before} before")
        };
        Ok(Response::Done { notes: vec![note] })
    }

    /// Flows of lower rank come first. What owners are called is kept in `names`.
    fn rank(
        &self,
        flow: &Flow,
        (order, now): (FlowOrder, Nanos),
        names: &mut HashMap<u32, Rc<str>>,
    ) -> (Option<Rc<str>>, u64, [(IpAddr, u16); 2]) {
        let (low, high) = ((flow.key.low, flow.key.low_port), (flow.key.high, flow.key.high_port));
        let ends = if flow.state.has(State::OPENER_LOW) { [low, high] } else { [high, low] };
        let ends = ends.map(|(address, port)| (IpAddr::from(address), port.0));
        let most = |one: u64, other: u64| u64::MAX - one.saturating_add(other);
        let number = match order {
            FlowOrder::Owner => {
                let owner = owner_of(flow);
                let name = names.entry(owner.0).or_insert_with(|| self.owner(owner).into());
                return (Some(Rc::clone(name)), 0, ends);
            }
            // The one that began first has the greatest age.
            FlowOrder::Age => u64::MAX - flow.created.age(now).0,
            FlowOrder::Packets => most(flow.out.packets, flow.back.packets),
            FlowOrder::Bytes => most(flow.out.bytes, flow.back.bytes),
            FlowOrder::Expiry => flow.expires.0,
        };
        (None, number, ends)
    }

    /// A flow in words; `outer` is the container's end as seen from outside, if that is another there.
    pub(super) fn flow(&self, flow: &Flow, outer: Option<End>, now: Nanos) -> api::flow::Flow {
        let key = &flow.key;
        let (low, high) = ((key.low, key.low_port), (key.high, key.high_port));
        let opener_low = flow.state.has(State::OPENER_LOW);
        let (mut source, destination) = if opener_low { (low, high) } else { (high, low) };
        let mut zone = key.zone();
        if flow.state.has(State::EXPECTED) && key.protocol() == units::Protocol::EXPECTED {
            // Where it will come from is not known.
            (source.1, zone) = (Port(0), zone.awaited());
        }
        api::flow::Flow {
            owner: self.owner(owner_of(flow)),
            zone: zone.0,
            protocol: Protocol(key.protocol()).to_string(),
            src: source.0.into(),
            sport: source.1.0,
            dst: destination.0.into(),
            dport: far_port(key.protocol(), source.1, destination.1),
            state: flow.state.name(key.protocol()).to_owned(),
            assured: flow.state.has(State::ASSURED),
            out: flow.out.into(),
            back: flow.back.into(),
            age_ms: flow.created.age(now).0 / 1_000_000,
            expires_in_ms: flow.expires.0.saturating_sub(now.0) / 1_000_000,
            nat: outer.map(|end| api::flow::Nat { address: end.address.into(), port: end.port.0 }),
        }
    }

    /// Who is meant by `name`.
    pub(super) fn owner_id(&self, name: &str) -> Result<ContainerId, NodeError> {
        match name {
            "host" => Ok(ContainerId::HOST),
            "unowned" => Ok(ContainerId::UNOWNED),
            _ => {
                let unknown = || NodeError::NoContainer(name.to_owned());
                let name: Name = name.parse().map_err(|_| unknown())?;
                self.state.record(&name).map(|record| ContainerId(record.id)).ok_or_else(unknown)
            }
        }
    }

    /// What output calls an owner.
    pub fn owner(&self, id: ContainerId) -> String {
        match id {
            ContainerId::HOST => "host".to_owned(),
            ContainerId::UNOWNED => "unowned".to_owned(),
            ContainerId(id) => self.title(id),
        }
    }
}

/// The opener's view of the far end: of an ICMP query the request's type, to which the id is added in the key (see
/// `berth_common::engine::parse`).
pub(super) fn far_port(protocol: units::Protocol, source: Port, destination: Port) -> u16 {
    let kind = destination.0.wrapping_sub(source.0);
    let class = match (protocol, u8::try_from(kind)) {
        (units::Protocol::ICMP, Ok(kind)) => icmp::class4(kind),
        (units::Protocol::ICMPV6, Ok(kind)) => icmp::class6(kind),
        _ => return destination.0,
    };
    if class == icmp::Class::Request { kind } else { destination.0 }
}

/// Whether the flow is one of those that are meant.
pub(super) fn matches(flow: &Flow, owner: Option<ContainerId>, filter: &FlowFilter, now: Nanos) -> bool {
    let FlowFilter { address, port, protocol, state, older_than_ms } = filter;
    let key = &flow.key;
    let is_in =
        |network: &Network| [key.low, key.high].iter().any(|end| network.0.contains(&IpAddr::from(*end)));
    let has_port = |port: &u16| key.low_port.0 == *port || key.high_port.0 == *port;
    let of_protocol = |name: &ProtocolName| Protocol(key.protocol()).to_string() == name.0;
    let in_state = |name: &StateName| flow.state.name(key.protocol()) == name.0;
    let is_older = |age: &u64| flow.created.age(now).0 / 1_000_000 > *age;
    owner.is_none_or(|id| flow.opener == id || flow.responder == id)
        && address.as_ref().is_none_or(is_in)
        && port.as_ref().is_none_or(has_port)
        && protocol.as_ref().is_none_or(of_protocol)
        && state.as_ref().is_none_or(in_state)
        && older_than_ms.as_ref().is_none_or(is_older)
}

/// Whose a flow is: the opener's where that is on this node, or else whoever holds the other end.
fn owner_of(flow: &Flow) -> ContainerId {
    if flow.opener == ContainerId::UNOWNED { flow.responder } else { flow.opener }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_show_their_type_and_ports_themselves() {
        let id = Port(0xfff9);
        assert_eq!(far_port(units::Protocol::ICMP, id, Port(1)), 8);
        assert_eq!(far_port(units::Protocol::ICMPV6, Port(7), Port(135)), 128);
        assert_eq!(far_port(units::Protocol::TCP, Port(7), Port(15)), 15);
        assert_eq!(far_port(units::Protocol::ICMP, Port(7), Port(7)), 7);
    }
}
