//! The list of flows.

use berth_common::abi::{
    reason::Reason,
    units::{ContainerId, Nanos, Ticks, Zone},
};

use super::{Flow, Model, Place, SECOND};
use crate::{properties::talk::Talk, support::*};

impl Model {
    /// Of a flow that nobody has answered.
    fn timeout(protocol: u8) -> u64 {
        let seconds = if matches!(protocol, UDP | ICMP | ICMPV6 | GRE) { 30 } else { 600 };
        seconds * SECOND
    }

    pub(super) fn touch(&mut self, (index, from_opener): Place) {
        let now = self.now;
        let flow = &mut self.flows[index];
        let age = Ticks::of(Nanos(flow.began)).age(Nanos(now)).0;
        let lifetime = match flow.protocol {
            UDP if flow.replied && age > 2 * SECOND => 120 * SECOND,
            GRE if flow.replied => 180 * SECOND,
            protocol => Self::timeout(protocol),
        };
        flow.assured |= lifetime != Self::timeout(flow.protocol);
        flow.replied |= !from_opener;
        flow.expires = now + lifetime;
        *(if from_opener { &mut flow.out } else { &mut flow.back }) += 1;
    }

    pub fn held(&self, id: ContainerId) -> u64 {
        self.flows.iter().filter(|flow| flow.charged() == id).count() as u64
    }

    /// A new flow, in the place of the one that is there.
    pub(super) fn open(
        &mut self,
        talk: &Talk,
        zone: Zone,
        sharer: Option<ContainerId>,
        (opener, responder): (ContainerId, ContainerId),
    ) -> Reason {
        let mut flow = Flow {
            node: self.nodes,
            zone,
            protocol: talk.protocol,
            ends: (talk.from, talk.to),
            sharer,
            opener,
            responder,
            began: self.now,
            expires: self.now + Self::timeout(talk.protocol),
            replied: false,
            assured: false,
            out: 1,
            back: 0,
        };
        let id = flow.charged();
        let place = self.find(talk, zone, sharer);
        let former = place.map(|(index, _)| &self.flows[index]);
        let (is_his, claimed) =
            (former.is_some_and(|flow| flow.charged() == id), former.map(|flow| flow.node));
        if !is_his && self.held(id) >= self.tenants[&id].flow_limit {
            // A limit that was lowered is come to one by one.
            let is_over = self.held(id) > self.tenants[&id].flow_limit;
            if !self.displace(id, claimed) || is_over {
                *self.flow_failures.entry(id).or_default() += 1;
                return Reason::FlowQuota;
            }
        }
        // Its place in the list may be another by now.
        if let Some((index, _)) = self.find(talk, zone, sharer) {
            flow.node = self.flows[index].node;
            self.flows[index] = flow;
        } else {
            self.push(id, self.nodes);
            self.nodes += 1;
            self.flows.push(flow);
        }
        Reason::None
    }

    pub fn flush_flows(&mut self, id: ContainerId) {
        self.flows.retain(|flow| flow.opener != id && flow.responder != id);
    }
}
