//! Containers that come and go.

use std::path::PathBuf;

use berth_common::abi::units::ContainerId;
use log::{error, info, warn};

use super::{Attachment, Enforcer, Interfaces, Node, NodeError, Observer};
use crate::{api::response::Response, containers::Recognised, state::Definition};

impl<E: Enforcer, O: Observer> Node<E, O> {
    /// Looks at the system again, and makes the kernel follow: uplinks, addresses, and which containers are there.
    pub fn refresh(&mut self) -> Result<(), NodeError> {
        let interfaces = Interfaces::from(self.observer.links()?);
        self.refresh_containers(&interfaces);
        self.follow_interfaces()?;
        self.push_network()?;
        self.refresh_uplinks(&interfaces)
    }

    /// An LXC container starts, and this interface of its is there before anything runs in it. It comes into force now, rather than
    /// when it is found to be there. Containers that are not berth's are none of its business.
    pub(super) fn announce(&mut self, lxc: &str, interface: &str) -> Result<Response, NodeError> {
        let known = self.state.containers.iter().find_map(|record| {
            let definition = record.definition.as_ref()?;
            (definition.lxc.as_deref() == Some(lxc)).then(|| (record.id, definition.clone()))
        });
        let Some((id, definition)) = known else {
            let note = format!("no container is recognised as LXC's {lxc}");
            return Ok(Response::Done { notes: vec![note] });
        };
        let link = self.observer.link(interface)?;
        let interfaces = Interfaces::from(self.observer.links()?);
        let mut attachment = Attachment::present(&self.observer, &definition, &interfaces);
        // It may have several, each of which is announced by itself. What is left of its last run is gone.
        let before = self.attachments.get(&id).into_iter().flat_map(|known| known.interfaces.clone());
        let announced: Vec<_> = before.filter(|link| interfaces.hold(link)).chain([link]).collect();
        attachment.include(Recognised::Own(announced));
        attachment.is_announced = true;
        self.check_conflicts(id, &definition, &attachment)?;
        self.settle(id, attachment)?;
        self.push_network()?;
        self.store.save(&self.state)?;
        Ok(Response::Done { notes: Vec::new() })
    }

    fn refresh_containers(&mut self, interfaces: &Interfaces) {
        let changed: Vec<_> = self
            .state
            .containers
            .iter()
            .filter_map(|record| {
                let definition = record.definition.as_ref()?;
                let attachment = self.attachments.get(&record.id)?;
                let found = self.look(attachment, definition, interfaces)?;
                Some((record.id, found))
            })
            .collect();
        if changed.is_empty() {
            return;
        }
        for (id, attachment) in changed {
            if let Err(failure) = self.settle(id, attachment) {
                error!("container {} is not in force as it should be: {failure}", self.title(id));
            }
        }
        if let Err(failure) = self.store.save(&self.state) {
            error!("{failure}");
        }
    }

    /// What is there of a container, if it is not what was there before.
    fn look(
        &self,
        attachment: &Attachment,
        definition: &Definition,
        interfaces: &Interfaces,
    ) -> Option<Attachment> {
        if attachment.is_announced {
            // It is starting, and there may be more of it once it has.
            let has_started = definition.lxc.as_ref().is_some_and(|lxc| self.observer.of_lxc(lxc).is_ok());
            if !has_started && attachment.interfaces.iter().all(|link| interfaces.hold(link)) {
                return None;
            }
        } else if attachment.holds(&self.observer, definition, interfaces) {
            return None;
        }
        let found = Attachment::present(&self.observer, definition, interfaces);
        (found != *attachment).then_some(found)
    }

    /// Makes the kernel follow what is there of a container. When nothing is left of what it was attached to, it holds
    /// no flows and ports any more but those that the operator gave it.
    pub(super) fn settle(&mut self, id: u32, attachment: Attachment) -> Result<(), NodeError> {
        let Some(record) = self.state.record_by_id(id) else {
            return Ok(());
        };
        let (old, new) = (record.attached.clone(), attachment.attached());
        let title = self.title(id);
        if self.attachments.contains_key(&id) && !old.is_empty() && !old.meets(&new) {
            self.kernel.flush_flows(Some(ContainerId(id)))?;
            self.kernel.flush_ports(ContainerId(id))?;
            self.reserve_again(id);
            info!("container {title} is gone; its flows and ports are released");
        }
        let sockets = self.enforce(id, attachment, &old)?;
        if !new.is_empty() && !old.meets(&new) {
            info!("container {title} is active; {sockets} open sockets are its own");
        }
        if let Some(record) = self.state.record_by_id_mut(id) {
            record.attached = new;
        }
        Ok(())
    }

    /// Puts the operator's reservations for a container into the kernel.
    pub(super) fn reserve_again(&mut self, id: u32) {
        for reservation in self.state.reservations_of(id) {
            let done = self.kernel.reserve_port(ContainerId(id), reservation.key(), reservation.raw);
            if let Err(refusal) = done {
                let (service, address) = (reservation.service, reservation.address);
                warn!("{service} at {address} is no longer reserved for {id}: {refusal}");
            }
        }
    }

    /// Directories in which cgroups of containers come and go.
    pub fn cgroup_parents(&self) -> Vec<PathBuf> {
        let named = self.state.containers.iter().filter_map(|record| record.definition.as_ref());
        let named = named.flat_map(|definition| &definition.cgroups);
        let found = self.attachments.values().flat_map(|attachment| &attachment.cgroups);
        let paths = named.chain(found.map(|cgroup| &cgroup.path));
        let mut parents: Vec<_> = paths
            .filter_map(|path| path.parent())
            .map(|parent| self.observer.cgroup_directory(parent))
            .collect();
        // LXC containers that do not run have no cgroup yet: it will be one of the root's.
        parents.push(self.observer.cgroup_directory("/".as_ref()));
        parents.sort();
        parents.dedup();
        parents
    }

    /// A container's name.
    pub(super) fn title(&self, id: u32) -> String {
        match self.state.record_by_id(id) {
            Some(record) => record.name.to_string(),
            None => self.former.get(&id).map_or_else(|| format!("#{id}"), ToString::to_string),
        }
    }
}
