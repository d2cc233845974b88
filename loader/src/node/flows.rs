//! Flows in requests.

use berth_common::{
    abi::{
        flow::{Flow, FlowKey, State},
        units::{self, ContainerId, Nanos, Port},
    },
    wire::icmp,
};

use super::{Enforcer, Node, NodeError, Observer};
use crate::api::{self, name::Name, protocol::Protocol, response::Response};

impl<E: Enforcer, O: Observer> Node<E, O> {
    /// All flows, or those in which `owner` has a part.
    pub(super) fn list_flows(&self, owner: Option<&str>) -> Result<Vec<api::flow::Flow>, NodeError> {
        let wanted = owner.map(|owner| self.owner_id(owner)).transpose()?;
        let now = self.kernel.now();
        let mut flows: Vec<_> = self
            .kernel
            .flows()?
            .into_iter()
            .filter(|(_, flow)| {
                wanted.is_none_or(|id| owner_of(flow) == id || flow.opener == id || flow.responder == id)
            })
            .map(|(key, flow)| self.flow(&key, &flow, now))
            .collect();
        flows.sort_by(|a, b| {
            let key = |flow: &api::flow::Flow| (flow.src, flow.sport, flow.dst, flow.dport);
            a.owner.cmp(&b.owner).then_with(|| key(a).cmp(&key(b)))
        });
        Ok(flows)
    }

    pub(super) fn flush_flows(&mut self, owner: Option<&Name>) -> Result<Response, NodeError> {
        let owner = match owner {
            Some(name) => Some(ContainerId(self.known(name)?.0.id)),
            None => None,
        };
        let count = self.kernel.flush_flows(owner)?;
        Ok(Response::Done { notes: vec![format!("{count} flows deleted")] })
    }

    fn flow(&self, key: &FlowKey, flow: &Flow, now: Nanos) -> api::flow::Flow {
        let (low, high) = ((key.low, key.low_port), (key.high, key.high_port));
        let opener_low = flow.state.has(State::OPENER_LOW);
        let (source, destination) = if opener_low { (low, high) } else { (high, low) };
        api::flow::Flow {
            owner: self.owner(owner_of(flow)),
            zone: key.zone().0,
            protocol: Protocol(key.protocol()).to_string(),
            src: source.0.into(),
            sport: source.1.0,
            dst: destination.0.into(),
            dport: far_port(key.protocol(), source.1, destination.1),
            state: flow.state.name(key.protocol()).to_owned(),
            assured: flow.state.has(State::ASSURED),
            out: flow.out.into(),
            back: flow.back.into(),
            expires_in_ms: flow.expires.0.saturating_sub(now.0) / 1_000_000,
            nat: None,
        }
    }

    /// Who is meant by `name`.
    fn owner_id(&self, name: &str) -> Result<ContainerId, NodeError> {
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
