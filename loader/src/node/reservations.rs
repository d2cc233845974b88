//! Port reservations by the operator, and those of published ports.

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
};

use berth_common::abi::{address::Address, port::PortKey, units::ContainerId};
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
        let guarded = self.need_guards([service])?;
        self.check_kind(name, service, raw)?;
        let (record, made) = self.record_for(name)?;
        let id = record.id;
        let wanted: Vec<_> = service
            .keys(address)
            .into_iter()
            .map(|key| Reservation { id, service, address: key.address.into(), raw, to: None })
            .collect();
        let wanted = self.lacking(name, wanted)?;
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
        let meant = |one: &Reservation| {
            one.service == service && address.is_none_or(|address| address == one.address)
        };
        if self.give_up(id, |one| meant(one) && !one.is_published())? == 0 {
            let name = name.clone();
            return Err(if self.state.reservations_of(id).any(meant) {
                NodeError::ReleasePublished { name, service }
            } else {
                NodeError::NotReserved { name, service }
            });
        }
        Ok(Response::nothing())
    }

    /// Gives up the reservations of a container that are meant. Returns how many there were.
    pub(super) fn give_up(
        &mut self,
        id: u32,
        meant: impl Fn(&Reservation) -> bool,
    ) -> Result<usize, NodeError> {
        let before = self.state.clone();
        let mut after = before.clone();
        let (gone, kept): (Vec<_>, Vec<_>) =
            after.reservations.into_iter().partition(|one| one.id == id && meant(one));
        if gone.is_empty() {
            return Ok(0);
        }
        after.reservations = kept;
        self.save(after)?;
        // A port is not another's while anything that arrives there is translated.
        let done = self.push_translation().and_then(|()| {
            gone.iter()
                .try_for_each(|one| Ok(self.kernel.release_port(ContainerId(id), one.key()).map(drop)?))
        });
        if done.is_err() {
            self.save(before)?;
            self.reserve_again(id);
            self.push_translation()?;
        }
        done?;
        self.forget_empty(id);
        self.tidy_local_ports()?;
        Ok(gone.len())
    }

    /// Those of them that are not there yet. Fails if one is there that serves something else.
    pub(super) fn lacking(
        &self,
        name: &Name,
        wanted: Vec<Reservation>,
    ) -> Result<Vec<Reservation>, NodeError> {
        let mut there: HashMap<(u32, PortKey), &Reservation> = HashMap::new();
        there.extend(self.state.reservations.iter().map(|one| ((one.id, one.key()), one)));
        let mut lacking = Vec::new();
        for one in wanted {
            match there.get(&(one.id, one.key())) {
                None => lacking.push(one),
                Some(other) if **other == one => {}
                Some(other) => {
                    let (name, service, address) = (name.clone(), one.service, one.address);
                    return Err(match other.to {
                        Some(to) => NodeError::PublishedOtherwise { name, service, address, to },
                        None => NodeError::PublishReserved { name, service },
                    });
                }
            }
        }
        Ok(lacking)
    }

    fn check_kind(&self, name: &Name, service: Service, raw: bool) -> Result<(), NodeError> {
        let id = self.state.record(name).map(|record| record.id);
        let mut reservations = self.state.reservations.iter();
        if reservations
            .any(|one| Some(one.id) == id && one.service == service && one.raw != raw && !one.is_published())
        {
            return Err(NodeError::ReservedOtherwise { name: name.clone(), service, raw: !raw });
        }
        Ok(())
    }

    /// All of them, or none.
    pub(super) fn reserve_all(
        &mut self,
        wanted: &[Reservation],
        mut guarded: Vec<u16>,
    ) -> Result<Vec<String>, NodeError> {
        let mut notes = Vec::new();
        let before = self.state.clone();
        let mut after = before.clone();
        after.reservations.extend(wanted.iter().cloned());
        // What somebody else has put there is not ours to take away later.
        guarded.retain(|port| !after.local_ports.contains(port));
        let fresh = self.local_ports.free(&guarded)?;
        notes.extend(guarded_note(&fresh));
        after.local_ports.extend(fresh);
        self.save(after)?;
        let mut reserved = Vec::new();
        let done = self.local_ports.reserve(&guarded).and_then(|()| {
            for one in wanted {
                self.reserve_one(one)?;
                reserved.push(one);
            }
            // The port is its own before anything that arrives there is translated.
            self.push_translation()?;
            Ok(notes)
        });
        if done.is_err() {
            self.state.reservations = before.reservations;
            let undone = self.store.save(&self.state).map_err(NodeError::from);
            let undone = undone.and_then(|()| self.push_translation());
            for one in reserved {
                self.withdraw(one);
            }
            if let Err(failure) = undone.and_then(|()| self.tidy_local_ports()) {
                error!("{failure}");
            }
        }
        done
    }

    fn reserve_one(&mut self, wanted: &Reservation) -> Result<(), NodeError> {
        let (service, address) = (wanted.service, wanted.address);
        match self.kernel.reserve_port(ContainerId(wanted.id), wanted.key(), wanted.raw) {
            Ok(()) => Ok(()),
            Err(PortRefusal::Conflict { holder }) => {
                let holder = self.owner(holder);
                Err(NodeError::PortTaken { service, address, holder })
            }
            Err(PortRefusal::Control(error)) => Err(error.into()),
            Err(refusal) => Err(NodeError::PortRefused { service, address, refusal }),
        }
    }

    fn withdraw(&mut self, reservation: &Reservation) {
        if let Err(failure) = self.kernel.release_port(ContainerId(reservation.id), reservation.key()) {
            error!("{failure}");
        }
    }

    /// Releases reservations in the kernel that the state does not know: berth died while it released them.
    pub(super) fn release_strays(&mut self) -> Result<(), NodeError> {
        let known: HashSet<_> = self.state.reservations.iter().map(|one| (one.id, one.key())).collect();
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

    /// Those of the ports that the kernel could hand to somebody else.
    pub(super) fn need_guards(
        &self,
        services: impl IntoIterator<Item = Service>,
    ) -> Result<Vec<u16>, NodeError> {
        let bindable = services.into_iter().filter(|service| service.is_bindable());
        let mut ports: Vec<u16> = bindable.map(|service| service.port).collect();
        if ports.is_empty() {
            return Ok(ports);
        }
        let range = self.local_ports.range()?;
        ports.retain(|port| range.contains(*port));
        match (self.config.local_port_range, ports.first()) {
            (LocalPortRange::Refuse, Some(&port)) => Err(NodeError::InLocalRange { port, range }),
            _ => Ok(ports),
        }
    }

    /// Lets the kernel hand out ports again that nobody has reserved any more.
    pub(super) fn tidy_local_ports(&mut self) -> Result<(), NodeError> {
        let mut after = self.state.clone();
        let reservations = self.state.reservations.iter();
        let bindable = reservations.filter(|one| one.service.is_bindable());
        let needed: HashSet<u16> = bindable.map(|one| one.service.port).collect();
        let (kept, free): (Vec<_>, Vec<_>) =
            after.local_ports.into_iter().partition(|port| needed.contains(port));
        if free.is_empty() {
            return Ok(());
        }
        self.local_ports.release(&free)?;
        after.local_ports = kept;
        self.save(after)
    }

    /// Keeps the kernel from handing out reserved ports, after a restart of the node.
    pub(super) fn restore_local_ports(&self) {
        if let Err(error) = self.local_ports.reserve(&self.state.local_ports) {
            warn!("{error}");
        }
    }
}

fn guarded_note(ports: &[u16]) -> Option<String> {
    let (what, them) = match ports {
        [] => return None,
        [port] => (format!("{port} is"), "it"),
        [first, .., last] => (format!("{} ports from {first} to {last} are", ports.len()), "them"),
    };
    Some(format!("{what} in net.ipv4.ip_local_reserved_ports now, as the kernel could give {them} to others"))
}

fn check_address(service: Service, address: Option<IpAddr>) -> Result<(), NodeError> {
    match address {
        Some(address) if !service.suits(address) || Address::from(address).is_group() => {
            Err(NodeError::AddressMismatch { service, address })
        }
        _ => Ok(()),
    }
}
