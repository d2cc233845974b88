//! The state and its records.

use std::net::{IpAddr, SocketAddr};

use berth_common::abi::{port::PortKey, units::Port};
use serde::{Deserialize, Serialize};

use super::{Attached, Definition, Instance, Resized, Rules, ids::random_generation};
use crate::{
    api::{name::Name, reservation::Service},
    config::Config,
};

/// Version of the file.
pub(super) const VERSION: u32 = 1;

/// What berth must remember.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Version of the file.
    pub version: u32,
    /// The id that was given out last.
    pub last_id: u32,
    /// The generation that was given out last.
    pub generation: u32,
    /// Where what is pinned is in force.
    #[serde(default)]
    pub instance: Option<Instance>,
    /// Uplinks that are in force.
    #[serde(default)]
    pub uplinks: Vec<String>,
    /// Whether they were chosen by default routes.
    #[serde(default)]
    pub automatic_uplinks: bool,
    /// Ports that berth, and nobody else, puts into `net.ipv4.ip_local_reserved_ports` while it is up.
    #[serde(default)]
    pub local_ports: Vec<u16>,
    /// The last configuration that made sense.
    #[serde(default)]
    pub config: Option<Config>,
    /// The flow table's size, if it is not the configuration's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resized: Option<Resized>,
    /// Containers, in ascending order of their ids.
    pub containers: Vec<Record>,
    /// The operator's port reservations, and those of published ports.
    pub reservations: Vec<Reservation>,
}

/// A container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its number.
    pub id: u32,
    /// Its name.
    pub name: Name,
    /// Its generation.
    pub generation: u32,
    /// What it is; none if it has reservations, but was not added yet.
    pub definition: Option<Definition>,
    /// The template by which it was taken in, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<Name>,
    /// Its rules.
    #[serde(default, skip_serializing_if = "Rules::is_empty")]
    pub rules: Rules,
    /// What it is attached to.
    #[serde(default, skip_serializing_if = "Attached::is_empty")]
    pub attached: Attached,
}

/// A port reservation by the operator, or of a port that is published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// The container's number.
    pub id: u32,
    /// The port.
    pub service: Service,
    /// The address.
    pub address: IpAddr,
    /// For a user-space stack.
    #[serde(default)]
    pub raw: bool,
    /// Of a port that is published: the container's end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<SocketAddr>,
}

impl Reservation {
    /// What it takes in the kernel.
    pub fn key(&self) -> PortKey {
        PortKey::new(self.service.protocol.0, self.address.into(), Port(self.service.port))
    }

    /// Whether it is of a port that is published.
    pub const fn is_published(&self) -> bool {
        self.to.is_some()
    }
}

impl State {
    /// The state of a node without a past.
    pub fn new() -> Self {
        Self {
            version: VERSION,
            last_id: 0,
            generation: random_generation(),
            instance: None,
            uplinks: Vec::new(),
            automatic_uplinks: false,
            local_ports: Vec::new(),
            config: None,
            resized: None,
            containers: Vec::new(),
            reservations: Vec::new(),
        }
    }

    /// The container called `name`.
    pub fn record(&self, name: &Name) -> Option<&Record> {
        self.containers.iter().find(|record| record.name == *name)
    }

    /// The container with this number.
    pub fn record_by_id(&self, id: u32) -> Option<&Record> {
        let index = self.containers.binary_search_by_key(&id, |record| record.id).ok()?;
        self.containers.get(index)
    }

    /// The same, to be changed.
    pub fn record_by_id_mut(&mut self, id: u32) -> Option<&mut Record> {
        let index = self.containers.binary_search_by_key(&id, |record| record.id).ok()?;
        self.containers.get_mut(index)
    }

    /// Puts a container in, in place of the one with its number.
    pub fn put(&mut self, record: Record) {
        match self.containers.binary_search_by_key(&record.id, |other| other.id) {
            Ok(index) => self.containers[index] = record,
            Err(index) => self.containers.insert(index, record),
        }
    }

    /// Takes a container out, its reservations with it.
    pub fn forget(&mut self, id: u32) {
        self.containers.retain(|record| record.id != id);
        self.reservations.retain(|reservation| reservation.id != id);
    }

    /// The operator's reservations for a container, and those of its published ports.
    pub fn reservations_of(&self, id: u32) -> impl Iterator<Item = &Reservation> {
        self.reservations.iter().filter(move |reservation| reservation.id == id)
    }
}

impl Default for State {
    fn default() -> Self {
        Self::new()
    }
}
