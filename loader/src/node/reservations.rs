//! Port reservations by the operator.

use std::{collections::HashSet, net::IpAddr};

use berth_common::abi::{address::Address, units::ContainerId};
use log::{error, warn};

use super::{Attachment, Enforcer, Node, NodeError, Observer};
use crate::{
    api::{name::Name, reservation::Service, response::Response},
    config::LocalPortRange,
    control::PortRefusal,
    state::{Record, Reservation},
};

impl<E: Enforcer, O: Observer> Node<E, O> {
    pub(super) fn reserve(
        &mut self,
        name: &Name,
        service: Service,
        address: Option<IpAddr>,
        raw: bool,
    ) -> Result<Response, NodeError> {
        check_address(service, address)?;
        let guarded = self.needs_guard(service)?;
        self.check_kind(name, service, raw)?;
        let (record, made) = self.record_for(name)?;
        let id = record.id;
        let wanted: Vec<_> = service
            .keys(address)
            .into_iter()
            .map(|key| Reservation { id, service, address: key.address.into(), raw })
            .filter(|reservation| !self.state.reservations.contains(reservation))
            .collect();
        if wanted.is_empty() {
            return Ok(Response::Done { notes: vec!["it was reserved already".to_owned()] });
        }
        if made {
            self.replace(record, Attachment::default())?;
        }
        let done = self.reserve_all(&wanted, guarded);
        if done.is_err() && made {
            self.forget_empty(id);
        }
        done.map(|notes| Response::Done { notes })
    }

    pub(super) fn release(
        &mut self,
        name: &Name,
        service: Service,
        address: Option<IpAddr>,
    ) -> Result<Response, NodeError> {
        let record = self.state.record(name).ok_or_else(|| NodeError::NoContainer(name.to_string()))?;
        let id = record.id;
        let mut released = Vec::new();
        let mut after = self.state.clone();
        after.reservations.retain(|one| {
            let hit = one.id == id
                && one.service == service
                && address.is_none_or(|address| address == one.address);
            if hit {
                released.extend(service.keys(Some(one.address)));
            }
            !hit
        });
        if released.is_empty() {
            return Err(NodeError::NotReserved { name: name.clone(), service });
        }
        let before = self.state.clone();
        self.save(after)?;
        for key in &released {
            if let Err(failure) = self.kernel.release_port(ContainerId(id), *key) {
                self.save(before)?;
                self.reserve_again(id);
                return Err(failure.into());
            }
        }
        self.forget_empty(id);
        self.tidy_local_ports()?;
        Ok(Response::Done { notes: Vec::new() })
    }

    fn check_kind(&self, name: &Name, service: Service, raw: bool) -> Result<(), NodeError> {
        let id = self.state.record(name).map(|record| record.id);
        let mut reservations = self.state.reservations.iter();
        if reservations.any(|one| Some(one.id) == id && one.service == service && one.raw != raw) {
            return Err(NodeError::ReservedOtherwise { name: name.clone(), service, raw: !raw });
        }
        Ok(())
    }

    /// All of them, or none.
    fn reserve_all(
        &mut self,
        wanted: &[Reservation],
        guarded: Option<u16>,
    ) -> Result<Vec<String>, NodeError> {
        let mut notes = Vec::new();
        let before = self.state.clone();
        let mut after = before.clone();
        after.reservations.extend(wanted.iter().cloned());
        // What somebody else has put there is not ours to take away later.
        let guarded = guarded.filter(|port| !after.local_ports.contains(port));
        if let Some(port) = guarded
            && !self.local_ports.holds(port)?
        {
            after.local_ports.push(port);
            notes.push(format!(
                "{port} is in net.ipv4.ip_local_reserved_ports now, as the kernel could give it to others"
            ));
        }
        self.save(after)?;
        let mut reserved = Vec::new();
        let done = self.guard(guarded).and_then(|()| {
            for one in wanted {
                self.reserve_one(one)?;
                reserved.push(one);
            }
            Ok(notes)
        });
        if done.is_err() {
            for one in reserved {
                self.withdraw(one);
            }
            self.state.reservations = before.reservations;
            let undone = self.store.save(&self.state).map_err(NodeError::from);
            if let Err(failure) = undone.and_then(|()| self.tidy_local_ports()) {
                error!("{failure}");
            }
        }
        done
    }

    fn guard(&self, port: Option<u16>) -> Result<(), NodeError> {
        port.map_or(Ok(()), |port| self.local_ports.reserve(port))
    }

    fn reserve_one(&mut self, wanted: &Reservation) -> Result<(), NodeError> {
        let (service, address) = (wanted.service, wanted.address);
        for key in service.keys(Some(address)) {
            match self.kernel.reserve_port(ContainerId(wanted.id), key, wanted.raw) {
                Ok(()) => {}
                Err(PortRefusal::Conflict { holder }) => {
                    let holder = self.owner(holder);
                    return Err(NodeError::PortTaken { service, address, holder });
                }
                Err(PortRefusal::Control(error)) => return Err(error.into()),
                Err(refusal) => return Err(NodeError::PortRefused { service, address, refusal }),
            }
        }
        Ok(())
    }

    fn withdraw(&mut self, reservation: &Reservation) {
        for key in reservation.service.keys(Some(reservation.address)) {
            if let Err(failure) = self.kernel.release_port(ContainerId(reservation.id), key) {
                error!("{failure}");
            }
        }
    }

    /// Releases reservations in the kernel that the state does not know: berth died while it released them.
    pub(super) fn release_strays(&mut self) -> Result<(), NodeError> {
        let known: HashSet<_> = self
            .state
            .reservations
            .iter()
            .flat_map(|one| one.service.keys(Some(one.address)).into_iter().map(move |key| (one.id, key)))
            .collect();
        for (key, claim) in self.kernel.ports()? {
            if claim.is_permanent() && !known.contains(&(claim.owner().0, key)) {
                self.kernel.release_port(claim.owner(), key)?;
            }
        }
        Ok(())
    }

    /// The record that reservations for `name` go to, and whether it has yet to be put in force: ports may be reserved
    /// before their container is there.
    fn record_for(&self, name: &Name) -> Result<(Record, bool), NodeError> {
        match self.state.record(name) {
            Some(record) => Ok((record.clone(), false)),
            None => Ok((self.new_record(name.clone())?, true)),
        }
    }

    /// Forgets a container that was never added and has no reservations any more.
    fn forget_empty(&mut self, id: u32) {
        let Some(record) = self.state.record_by_id(id) else {
            return;
        };
        if record.definition.is_some() || self.state.reservations_of(id).next().is_some() {
            return;
        }
        let mut after = self.state.clone();
        after.forget(id);
        let done = self.save(after).and_then(|()| {
            self.attachments.remove(&id);
            Ok(self.kernel.remove_container(ContainerId(id))?)
        });
        if let Err(error) = done {
            warn!("{error}");
        }
    }

    /// The port, if the kernel could hand it to somebody else.
    fn needs_guard(&self, service: Service) -> Result<Option<u16>, NodeError> {
        let port = service.port;
        if !service.is_bindable() {
            return Ok(None);
        }
        let range = self.local_ports.range()?;
        if !range.contains(&port) {
            return Ok(None);
        }
        match self.config.local_port_range {
            LocalPortRange::Reserve => Ok(Some(port)),
            LocalPortRange::Refuse => {
                let (first, last) = (*range.start(), *range.end());
                Err(NodeError::InLocalRange { port, first, last })
            }
        }
    }

    /// Lets the kernel hand out ports again that nobody has reserved any more.
    pub(super) fn tidy_local_ports(&mut self) -> Result<(), NodeError> {
        let mut after = self.state.clone();
        let needed = |port: &u16| {
            let mut reservations = self.state.reservations.iter();
            reservations.any(|one| one.service.is_bindable() && one.service.port == *port)
        };
        let (kept, free): (Vec<_>, Vec<_>) = after.local_ports.into_iter().partition(needed);
        if free.is_empty() {
            return Ok(());
        }
        for port in free {
            self.local_ports.release(port)?;
        }
        after.local_ports = kept;
        self.save(after)
    }

    /// Keeps the kernel from handing out reserved ports, after a restart of the node.
    pub(super) fn restore_local_ports(&self) {
        for &port in &self.state.local_ports {
            if let Err(error) = self.local_ports.reserve(port) {
                warn!("{error}");
            }
        }
    }
}

fn check_address(service: Service, address: Option<IpAddr>) -> Result<(), NodeError> {
    match address {
        Some(address) if !service.suits(address) || Address::from(address).is_group() => {
            Err(NodeError::AddressMismatch { service, address })
        }
        _ => Ok(()),
    }
}
