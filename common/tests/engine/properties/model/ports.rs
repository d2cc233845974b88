//! The list of reservations.

use std::net::IpAddr;

use berth_common::abi::{reason::Reason, units::ContainerId};

use super::{Model, Reservation, any_of};
use crate::support::*;

impl Model {
    pub fn flush_ports(&mut self, id: ContainerId) {
        self.ports.retain(|port| port.owner != id);
        self.forget_mixed();
    }

    pub fn ports_held(&self, id: ContainerId) -> u64 {
        self.ports.iter().filter(|port| port.owner == id).count() as u64
    }

    /// Reserves a port for a socket, or for good; says who or what is in the way.
    pub fn reserve(
        &mut self,
        owner: ContainerId,
        protocol: u8,
        local: (IpAddr, u16),
        permanent: bool,
    ) -> Result<(), (Reason, ContainerId)> {
        let space = (protocol, local.0.is_ipv4(), local.1);
        let same_port: Vec<&Reservation> = self.ports.iter().filter(|port| space_of(port) == space).collect();
        let others: Vec<&&Reservation> = same_port.iter().filter(|port| port.owner != owner).collect();
        let is_mixed = self.mixed.contains(&space);
        let conflict = if local.0 == any_of(local.0) {
            match others.first() {
                _ if is_mixed => Some(UNOWNED),
                other => other.map(|other| other.owner),
            }
        } else {
            let collides = |port: &&&&Reservation| port.local.0 == any_of(local.0) || port.local == local;
            others.iter().find(collides).map(|other| other.owner)
        };
        if let Some(holder) = conflict {
            return Err((Reason::BindConflict, holder));
        }
        let shared = !others.is_empty() && !is_mixed;
        let is_same = |port: &&mut Reservation| (port.protocol, port.local) == (protocol, local);
        if let Some(port) = self.ports.iter_mut().find(is_same) {
            port.permanent |= permanent;
            port.sockets += u32::from(!permanent);
            return Ok(());
        }
        if self.ports_held(owner) >= self.tenants[&owner].port_limit {
            return Err((Reason::PortQuota, UNOWNED));
        }
        if shared {
            self.mixed.push(space);
        }
        self.ports.push(Reservation { protocol, local, owner, sockets: u32::from(!permanent), permanent });
        Ok(())
    }

    pub fn release(&mut self, owner: ContainerId, protocol: u8, local: (IpAddr, u16), permanent: bool) {
        for port in &mut self.ports {
            if (port.protocol, port.local, port.owner) == (protocol, local, owner) {
                if permanent {
                    port.permanent = false;
                } else {
                    port.sockets = port.sockets.saturating_sub(1);
                }
            }
        }
        self.ports.retain(|port| port.permanent || port.sockets > 0);
        self.forget_mixed();
    }

    /// A port is nobody's when none of its keys is held.
    pub(super) fn forget_mixed(&mut self) {
        let Self { mixed, ports, .. } = self;
        mixed.retain(|space| ports.iter().any(|port| space_of(port) == *space));
    }
}

fn space_of(port: &Reservation) -> (u8, bool, u16) {
    (port.protocol, port.local.0.is_ipv4(), port.local.1)
}
