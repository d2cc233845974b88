//! Published ports: each is a reservation that has a container's end.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use berth_common::abi::{port::PortKey, units::ContainerId};

use super::{
    Attachment, Enforcer, Node, NodeError, Observer,
    translatable::{check_network, reachable},
};
use crate::{
    api::{
        mode::Mode,
        name::Name,
        port_span::PortSpan,
        publication::{Publication, Services},
        response::Response,
        settings::Settings,
    },
    state::Reservation,
};

/// Where what arrives goes on to, as far as somebody has said.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Destination {
    pub address: Option<IpAddr>,
    /// The first of several.
    pub port: Option<u16>,
}

impl<E: Enforcer, O: Observer> Node<E, O> {
    pub(super) fn publish_ports(
        &mut self,
        name: &Name,
        services: Services,
        at: Option<IpAddr>,
        to: Destination,
    ) -> Result<Response, NodeError> {
        let (record, definition) = self.known(name)?;
        let (id, settings) = (record.id, &definition.settings);
        check_network(name, definition, self.attachments.get(&id).unwrap_or(&Attachment::default()))?;
        let mode = self.mode(settings);
        if mode != Mode::Full {
            return Err(NodeError::PublishMode { name: name.clone(), mode });
        }
        if let Some(at) = at.filter(|at| !at.is_unspecified()) {
            self.check_own(at)?;
        }
        let ends = ends(name, settings, at, to.address)?;
        let ports = ports(services, to.port)?;
        let guarded = self.need_guards(services.each())?;
        let each = services.each().zip(ports.first..=ports.last);
        let wanted = each.flat_map(|(service, port)| {
            ends.iter().map(move |&(address, to)| {
                let to = Some(SocketAddr::new(to, port));
                Reservation { id, service, address, raw: false, to }
            })
        });
        let wanted = self.lacking(name, wanted.collect())?;
        if wanted.is_empty() {
            return Ok(Response::Done { notes: vec!["it was published already".to_owned()] });
        }
        self.check_unbound((id, name), &wanted)?;
        let mut notes = self.reserve_all(&wanted, guarded)?;
        notes.extend(self.forwarding.notes(ends.iter().map(|(_, to)| *to)));
        Ok(Response::Done { notes })
    }

    pub(super) fn unpublish_ports(
        &mut self,
        name: &Name,
        services: Services,
        at: Option<IpAddr>,
    ) -> Result<Response, NodeError> {
        let id = self.known(name)?.0.id;
        let meant = |one: &Reservation| {
            services.contains(one.service) && at.is_none_or(|address| address == one.address)
        };
        if self.give_up(id, |one| meant(one) && one.is_published())? == 0 {
            let name = name.clone();
            return Err(if self.state.reservations_of(id).any(meant) {
                NodeError::UnpublishReserved { name, services }
            } else {
                NodeError::NotPublished { name, services }
            });
        }
        Ok(Response::nothing())
    }

    pub(super) fn list_publications(&self) -> Vec<Publication> {
        let mut all: Vec<(PortKey, Publication)> = self
            .state
            .reservations
            .iter()
            .filter_map(|one| {
                let to = one.to?;
                let publication = Publication {
                    container: self.state.record_by_id(one.id)?.name.clone(),
                    protocol: one.service.protocol.to_string(),
                    address: one.address,
                    port: one.service.port,
                    to_address: to.ip(),
                    to_port: to.port(),
                };
                Some((one.key(), publication))
            })
            .collect();
        all.sort_by_key(|(key, _)| (key.protocol.0, key.port, key.address));
        all.into_iter().map(|(_, publication)| publication).collect()
    }

    /// What has been bound on the node itself would hear nothing any more: the container's own sockets, or programs of the node's.
    /// (Those of other containers hold the port.)
    fn check_unbound(&self, (id, name): (u32, &Name), wanted: &[Reservation]) -> Result<(), NodeError> {
        let mut held = self.kernel.ports()?;
        held.retain(|(_, claim)| claim.count() > 0);
        let own = held.iter().filter(|(_, claim)| claim.owner() == ContainerId(id));
        let bound: Vec<PortKey> = own.map(|(key, _)| *key).collect();
        let taken = |keys: &[PortKey]| {
            let mut wanted = wanted.iter();
            wanted.find(|one| keys.iter().any(|key| overlap(one.key(), *key))).map(|one| one.service)
        };
        if let Some(service) = taken(&bound) {
            return Err(NodeError::PublishBound { name: name.clone(), service });
        }
        let mut host = self.observer.bound()?;
        host.retain(|key| !held.iter().any(|(other, _)| overlap(*key, *other)));
        match taken(&host) {
            Some(service) => Err(NodeError::PublishHost { service }),
            None => Ok(()),
        }
    }
}

fn overlap(one: PortKey, other: PortKey) -> bool {
    let (here, there) = (one.address, other.address);
    (one.protocol, one.port) == (other.protocol, other.port)
        && here.is_v4() == there.is_v4()
        && (here == there || here.is_wildcard() || there.is_wildcard())
}

/// Addresses of the node, with the container's that what arrives there goes on to.
fn ends(
    name: &Name,
    settings: &Settings,
    at: Option<IpAddr>,
    to: Option<IpAddr>,
) -> Result<Vec<(IpAddr, IpAddr)>, NodeError> {
    let reachable = reachable(settings);
    let targets = match to {
        Some(address) if !reachable.contains(&address) => {
            return Err(NodeError::NotItsAddress { name: name.clone(), address });
        }
        Some(address) => vec![address],
        None => reachable,
    };
    let everywhere = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
    let ends: Vec<_> = at
        .map_or_else(|| everywhere.to_vec(), |at| vec![at])
        .into_iter()
        .filter_map(|at| Some((at, *targets.iter().find(|to| to.is_ipv6() == at.is_ipv6())?)))
        .collect();
    match at {
        Some(address) if ends.is_empty() => Err(NodeError::PublishFamily { name: name.clone(), address }),
        _ => Ok(ends),
    }
}

/// The container's ports.
fn ports(services: Services, first: Option<u16>) -> Result<PortSpan, NodeError> {
    let PortSpan { first: begin, last: end } = services.ports;
    let first = first.unwrap_or(begin);
    let last = first.checked_add(end - begin).filter(|_| first != 0);
    let last = last.ok_or(NodeError::PublishRoom { services, to_port: first })?;
    Ok(PortSpan { first, last })
}
