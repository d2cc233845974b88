//! What becomes of packets.

use berth_common::{
    abi::{
        reason::Reason,
        units::{ContainerId, Zone},
    },
    engine::Way,
};

use super::{Model, Place};
use crate::{
    properties::talk::{Tag, Talk},
    support::*,
};

impl Model {
    /// Whose the local end (the source, or the destination) of the packet is that an error quotes.
    pub(super) fn quoted_end(&self, error: &Talk, zone: Zone, source: bool) -> ContainerId {
        let Some(inner) = error.quotes.as_deref() else { return UNOWNED };
        // What arrives must have been sent from where it arrives.
        if source && inner.from.0 != error.to.0 {
            return UNOWNED;
        }
        let local = if source { inner.from } else { inner.to };
        let holder = self.holder(inner.protocol, local);
        if let Some(place) = self.find_live(inner, zone, None) {
            let owner = if source { self.sender(place) } else { self.receiver(place) };
            if owner.is_container() {
                return self.voided_by(inner.protocol, local, owner).unwrap_or(owner);
            }
        }
        holder.or_else(|| self.socket(inner.protocol, local)).unwrap_or(UNOWNED)
    }

    pub(super) fn arriving(&mut self, talk: &Talk, zone: Zone, is_first: bool) -> (ContainerId, Way) {
        if let Some(place) = self.find_live(talk, zone, None) {
            let owner = self.receiver(place);
            if owner.is_container() {
                if let Some(other) = self.voided_by(talk.protocol, talk.to, owner) {
                    return (other, Way::Port);
                }
                if is_first {
                    self.touch(place);
                }
                return (owner, Way::Flow);
            }
        }
        let related = self.quoted_end(talk, zone, true);
        if related != UNOWNED {
            return (related, Way::Related);
        }
        if let Some(holder) = self.holder(talk.protocol, talk.to) {
            return (holder, Way::Port);
        }
        if let Some(owner) = self.own_address(talk.to.0) {
            return (owner, Way::Address);
        }
        match self.socket(talk.protocol, talk.to) {
            Some(owner) => (owner, Way::Socket),
            None => (UNOWNED, Way::None),
        }
    }

    pub fn arrive(&mut self, talk: &Talk) -> (ContainerId, Way, Reason) {
        let zone = Zone::UPLINK;
        let (owner, way) = self.arriving(talk, zone, true);
        let reason = match way {
            Way::None if self.strict && talk.protocol != ICMP && talk.protocol != ICMPV6 => Reason::Unowned,
            // It is tracked on its own interface.
            Way::Address if owner == O => Reason::None,
            Way::Port | Way::Address | Way::Socket if owner.is_container() => {
                let has_flow = !talk.is_bare() && talk.quotes.is_none();
                if has_flow && self.tenants[&owner].stateful {
                    self.open(talk, zone, None, (UNOWNED, owner))
                } else {
                    Reason::None
                }
            }
            _ => Reason::None,
        };
        (owner, way, reason)
    }

    /// A packet that another hook has seen before.
    pub fn receive(&mut self, id: ContainerId, talk: &Talk, zone: Zone) -> bool {
        let (owner, _) = self.arriving(talk, zone, false);
        owner == id || talk.is_bare() && self.find_live(talk, zone, Some(id)).is_some()
    }

    pub fn leave(&mut self, talk: &Talk) -> (ContainerId, Way) {
        let zone = Zone::UPLINK;
        let holder = self.holder(talk.protocol, talk.from);
        if let Some(place) = self.find_live(talk, zone, None) {
            let owner = self.sender(place);
            if owner.is_container() {
                if let Some(other) = self.voided_by(talk.protocol, talk.from, owner) {
                    return (other, Way::Port);
                }
                self.touch(place);
                return (owner, Way::Flow);
            }
        }
        let related = self.quoted_end(talk, zone, false);
        if related != UNOWNED {
            return (related, Way::Related);
        }
        match (holder, self.own_address(talk.from.0)) {
            (Some(holder), _) => (holder, Way::Port),
            (None, Some(owner)) => (owner, Way::Address),
            (None, None) => (HOST, Way::None),
        }
    }

    pub fn send(&mut self, id: ContainerId, talk: &Talk, zone: Zone) -> Reason {
        let source = self.address_owner(talk.from.0);
        if source != Some(HOST) && source != Some(id) {
            return Reason::SpoofedSource;
        }
        if talk.quotes.is_some() {
            let owner = self.quoted_end(talk, zone, false);
            return if owner == id || owner == UNOWNED { Reason::None } else { Reason::Hijack };
        }
        if talk.is_bare() {
            return self.send_bare(id, talk, zone);
        }
        let place = self.find_live(talk, zone, None);
        if self.voided_by(talk.protocol, talk.from, id).is_some() {
            return Reason::PortReserved;
        }
        let reserved = self.holder(talk.protocol, talk.from) == Some(id);
        self.send_from_free_port(id, talk, (zone, place, reserved))
    }

    /// Whether a raw socket may speak for the packet's source, flows aside.
    pub fn speaks(&self, id: ContainerId, talk: &Talk) -> Reason {
        let source = self.address_owner(talk.from.0);
        if !matches!(talk.from.1, Tag::Port(_)) || source != Some(HOST) && source != Some(id) {
            return Reason::None;
        }
        match (self.holder(talk.protocol, talk.from), self.socket(talk.protocol, talk.from)) {
            (Some(holder), socket) if holder != id && socket != Some(id) => Reason::PortReserved,
            (None, Some(owner)) if owner != id => Reason::Hijack,
            _ => Reason::None,
        }
    }

    pub fn send_by_host(&mut self, talk: &Talk) {
        let place = self.find_live(talk, Zone::UPLINK, None);
        if let (Tag::Port(_), Some(place)) = (talk.from.1, place) {
            if self.sender(place).is_container() {
                self.flows[place.0].expires = self.now;
            }
        }
    }

    pub(super) fn send_bare(&mut self, id: ContainerId, talk: &Talk, zone: Zone) -> Reason {
        let pair = self.find_live(talk, zone, None);
        let sharer = match pair {
            Some(place) if self.sender(place) != id => Some(id),
            _ => None,
        };
        match self.find_live(talk, zone, sharer) {
            Some(place) => {
                self.touch(place);
                Reason::None
            }
            None => self.open(talk, zone, sharer, (id, UNOWNED)),
        }
    }

    /// Nobody else has reserved the local end.
    pub(super) fn send_from_free_port(
        &mut self,
        id: ContainerId,
        talk: &Talk,
        (zone, place, reserved): (Zone, Option<Place>, bool),
    ) -> Reason {
        if let Some(place) = place.filter(|place| self.sender(*place) == id) {
            self.touch(place);
            return Reason::None;
        }
        let socket = self.socket(talk.protocol, talk.from);
        if !reserved && socket.is_some_and(|owner| owner != id) {
            return Reason::Hijack;
        }
        if let Some(place) = place {
            if !reserved && socket.is_none() && self.sender(place) != UNOWNED {
                let is_query = matches!(talk.from.1, Tag::Asks(_) | Tag::Answers(_));
                return if is_query { Reason::IcmpIdInUse } else { Reason::Hijack };
            }
            if !place.1 && self.flows[place.0].opener.is_container() {
                self.flows[place.0].responder = id;
                self.touch(place);
                return Reason::None;
            }
        }
        if reserved && !self.tenants[&id].stateful {
            return Reason::None;
        }
        let responder = if zone == Zone::LOCAL { self.far_end(talk.protocol, talk.to) } else { UNOWNED };
        self.open(talk, zone, None, (id, responder))
    }
}
