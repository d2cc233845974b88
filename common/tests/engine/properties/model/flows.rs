//! The list of flows.

use berth_common::abi::{
    reason::Reason,
    units::{ContainerId, Zone},
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
        let lifetime = match flow.protocol {
            UDP if flow.replied && now > flow.began + 2 * SECOND => 120 * SECOND,
            GRE if flow.replied => 180 * SECOND,
            protocol => Self::timeout(protocol),
        };
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
        let flow = Flow {
            zone,
            protocol: talk.protocol,
            ends: (talk.from, talk.to),
            sharer,
            opener,
            responder,
            began: self.now,
            expires: self.now + Self::timeout(talk.protocol),
            replied: false,
            out: 1,
            back: 0,
        };
        let id = flow.charged();
        let place = self.find(talk, zone, sharer);
        let is_his = place.is_some_and(|(index, _)| self.flows[index].charged() == id);
        if !is_his && self.held(id) >= self.tenants[&id].flow_limit {
            *self.flow_failures.entry(id).or_default() += 1;
            return Reason::FlowQuota;
        }
        match place {
            Some((index, _)) => self.flows[index] = flow,
            None if self.flows.len() == self.room => return Reason::FlowTableFull,
            None => self.flows.push(flow),
        }
        Reason::None
    }

    pub fn sweep(&mut self) {
        let now = self.now;
        self.flows.retain(|flow| flow.expires > now);
    }

    pub fn flush_flows(&mut self, id: ContainerId) {
        self.flows.retain(|flow| flow.opener != id && flow.responder != id);
    }
}
