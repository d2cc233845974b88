//! What is where.

use std::net::IpAddr;

use berth_common::abi::units::{ContainerId, Zone};

use super::{Model, Place, any_of};
use crate::{
    properties::talk::{End, Tag, Talk},
    support::*,
};

impl Model {
    pub(super) fn address_owner(&self, address: IpAddr) -> Option<ContainerId> {
        self.addresses.iter().find(|(at, _)| *at == address).map(|(_, owner)| *owner)
    }

    pub(super) fn own_address(&self, address: IpAddr) -> Option<ContainerId> {
        self.address_owner(address).filter(|owner| owner.is_container())
    }

    pub(super) fn held_port(&self, protocol: u8, local: (IpAddr, u16)) -> Option<ContainerId> {
        self.ports.iter().find(|port| (port.protocol, port.local) == (protocol, local)).map(|port| port.owner)
    }

    /// Who has reserved an end: the exact address before the wildcard.
    pub(super) fn holder(&self, protocol: u8, (address, tag): End) -> Option<ContainerId> {
        let (Tag::Port(number) | Tag::Asks(number) | Tag::Key(number)) = tag else { return None };
        // Whoever has addresses has them on a network of its own here: others' wildcards do not reach there.
        let reaches = |holder: &ContainerId| self.own_address(address).is_none_or(|owner| owner == *holder);
        self.held_port(protocol, (address, number))
            .or_else(|| self.held_port(protocol, (any_of(address), number)).filter(reaches))
    }

    /// Who has reserved an end that is `owner`'s by flow, if it is somebody else and `owner` has no socket there.
    pub(super) fn voided_by(&self, protocol: u8, end: End, owner: ContainerId) -> Option<ContainerId> {
        let other = self.holder(protocol, end).filter(|holder| *holder != owner);
        other.filter(|_| self.socket(protocol, end) != Some(owner))
    }

    /// Whose socket is at an end; the host's sockets are the host's.
    pub(super) fn socket(&self, protocol: u8, (address, tag): End) -> Option<ContainerId> {
        let Tag::Port(number) = tag else { return None };
        [address, any_of(address)].into_iter().find_map(|address| {
            let at = |socket: &&(u8, (IpAddr, u16), ContainerId)| {
                (socket.0, socket.1) == (protocol, (address, number))
            };
            self.sockets.iter().find(at).map(|socket| socket.2)
        })
    }

    pub(super) fn find(&self, talk: &Talk, zone: Zone, sharer: Option<ContainerId>) -> Option<Place> {
        if talk.quotes.is_some() {
            return None;
        }
        self.flows.iter().enumerate().find_map(|(index, flow)| {
            let there = flow.ends == (talk.from, talk.to);
            let back = flow.ends == (talk.to, talk.from);
            let same = (flow.zone, flow.protocol, flow.sharer) == (zone, talk.protocol, sharer);
            (same && (there || back)).then_some((index, there))
        })
    }

    pub(super) fn find_live(&self, talk: &Talk, zone: Zone, sharer: Option<ContainerId>) -> Option<Place> {
        self.find(talk, zone, sharer).filter(|(index, _)| self.flows[*index].expires > self.now)
    }

    pub(super) fn sender(&self, (index, from_opener): Place) -> ContainerId {
        let flow = &self.flows[index];
        if from_opener { flow.opener } else { flow.responder }
    }

    pub(super) fn receiver(&self, (index, from_opener): Place) -> ContainerId {
        self.sender((index, !from_opener))
    }

    /// Whose an end is, if neither a flow nor a packet's sender says: who would get a packet for it.
    pub(super) fn far_end(&self, protocol: u8, end: End) -> ContainerId {
        self.holder(protocol, end)
            .or_else(|| self.own_address(end.0))
            .or_else(|| self.socket(protocol, end))
            .unwrap_or(UNOWNED)
    }
}
