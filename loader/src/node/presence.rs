//! Containers that come and go.

use std::cell::Cell;
use std::path::PathBuf;
use std::sync::Arc;

use berth_common::abi::units::ContainerId;
use log::{error, info, warn};

use super::{Attachment, Enforcer, Interfaces, Node, NodeError, Observer};
use crate::{
    api::{response::Response, runtime::Runtime},
    config::{Pattern, Template},
    containers::{ContainersError, Meant, Recognised, cgroup_parents},
    state::Definition,
};

/// Who is announced.
enum Starting {
    /// A container.
    Known(u32, Definition),
    /// One that a template means.
    Meant(Arc<Template>, Meant),
}

impl Starting {
    fn of(known: Option<(u32, Definition)>, meant: Option<(Arc<Template>, Meant)>) -> Option<Self> {
        let known = known.map(|(id, definition)| Self::Known(id, definition));
        known.or_else(|| meant.map(|(template, meant)| Self::Meant(template, meant)))
    }
}

impl<E: Enforcer, O: Observer> Node<E, O> {
    /// Looks at the system again, and makes the kernel follow: uplinks, addresses, and which containers are there.
    pub fn refresh(&mut self) -> Result<(), NodeError> {
        let interfaces = Interfaces::from(self.observer.links()?);
        self.refresh_containers(&interfaces);
        self.follow_templates(&interfaces);
        self.follow_interfaces()?;
        self.push_network()?;
        self.refresh_uplinks(&interfaces)
    }

    /// An LXC container starts, and this interface of its is there before anything runs in it.
    pub(super) fn announce_interface(&mut self, lxc: &str, interface: &str) -> Result<Response, NodeError> {
        self.let_go(&Interfaces::from(self.observer.links()?));
        let known = self.meant(|runtime, name| runtime == Runtime::Lxc && name == lxc);
        let Some(starting) = Starting::of(known, self.meant_by_name(lxc)) else {
            return self.nobody(&format!("LXC's {lxc}"));
        };
        let found = Recognised::Own(vec![self.observer.link(interface)?]);
        self.start_with(starting, found)
    }

    /// An OCI runtime has made the container that it calls `oci`, and nothing runs in it yet but the runtime's own process `pid`.
    pub(super) fn announce_process(&mut self, oci: &str, pid: u32) -> Result<Response, NodeError> {
        self.let_go(&Interfaces::from(self.observer.links()?));
        let unknown = Cell::new(None);
        let known = self.meant(|runtime, name| {
            let is_named = self.observer.is_named(runtime, name, oci);
            is_named.map_err(|error| unknown.set(Some(error))).unwrap_or_default()
        });
        let meant = if known.is_none() { self.meant_by_id(oci)? } else { None };
        let Some(starting) = Starting::of(known, meant) else {
            // One that may be ours does not start as if it were not.
            return unknown.take().map_or_else(|| self.nobody(oci), |error| Err(error.into()));
        };
        let found = match self.observer.of_created(oci, pid) {
            // It may be without any, or get one when nobody asks us any more.
            Err(ContainersError::NoHostInterface { .. }) => {
                let title = match starting {
                    Starting::Known(id, _) => self.title(id),
                    Starting::Meant(_, meant) => meant.name,
                };
                return Err(NodeError::NoInterfaceYet(title));
            }
            found => found?,
        };
        self.start_with(starting, found)
    }

    fn start_with(&mut self, starting: Starting, found: Recognised) -> Result<Response, NodeError> {
        match starting {
            Starting::Known(id, definition) => self.announce(id, &definition, found)?,
            Starting::Meant(_, meant) if self.is_anothers(&found) => {
                return Ok(noted(format!("what {meant} has is a container's already")));
            }
            Starting::Meant(template, meant) => {
                let id = self.take_in(&template, &meant)?;
                let definition = self.state.record_by_id(id).and_then(|record| record.definition.clone());
                let announced = self.announce(id, &definition.unwrap_or_default(), found);
                announced.inspect_err(|_| self.turn_away(id))?;
            }
        }
        Ok(Response::Done { notes: Vec::new() })
    }

    fn nobody(&self, who: &str) -> Result<Response, NodeError> {
        match self.unread.clone() {
            Some(problem) => Err(NodeError::Unread { who: who.to_owned(), problem }),
            None => Ok(noted(format!("no container is recognised as {who}"))),
        }
    }

    /// The container that a runtime has a name for which is meant.
    fn meant(&self, is_meant: impl Fn(Runtime, &str) -> bool) -> Option<(u32, Definition)> {
        self.state.containers.iter().find_map(|record| {
            let definition = record.definition.as_ref()?;
            let mut names = definition.runtimes.iter();
            names.any(|(&runtime, name)| is_meant(runtime, name)).then(|| (record.id, definition.clone()))
        })
    }

    /// What is there of a container before anything runs in it comes into force now, rather than when it is found to be there.
    fn announce(&mut self, id: u32, definition: &Definition, found: Recognised) -> Result<(), NodeError> {
        let interfaces = Interfaces::from(self.observer.links()?);
        let mut attachment = Attachment::present(&self.observer, definition, &interfaces);
        // It may have several, each of which is announced by itself. What is left of its last run is gone.
        let before = self.attachments.get(&id).into_iter().flat_map(|known| known.interfaces.clone());
        attachment.include(Recognised::Own(before.filter(|link| interfaces.hold(link)).collect()));
        attachment.include(found);
        attachment.is_announced = true;
        self.check_conflicts(id, definition, &attachment)?;
        self.settle(id, attachment)?;
        // Rules may name an interface that is there only now.
        self.follow_interfaces()?;
        self.push_network()?;
        self.store.save(&self.state)?;
        Ok(())
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
        // What one has had may be another's now: who cannot have it at first may once the others have been settled.
        let refused: Vec<_> =
            changed.into_iter().filter(|(id, found)| self.follow(*id, found.clone()).is_err()).collect();
        for (id, attachment) in refused {
            if let Err(failure) = self.follow(id, attachment) {
                error!("container {} is not in force as it should be: {failure}", self.title(id));
            }
        }
        if let Err(failure) = self.store.save(&self.state) {
            error!("{failure}");
        }
    }

    /// Settles what has been found of a container, if it is nobody else's.
    fn follow(&mut self, id: u32, found: Attachment) -> Result<(), NodeError> {
        let record = self.state.record_by_id(id);
        if let Some(definition) = record.and_then(|record| record.definition.as_ref()) {
            self.check_places(id, definition, &found)?;
        }
        self.settle(id, found)
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
            let mut names = definition.runtimes.iter();
            let has_started = names.any(|(&runtime, name)| self.observer.of_runtime(runtime, name).is_ok());
            if !has_started && attachment.exists(&self.observer, interfaces) {
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
        // Those that do not run have no cgroup yet.
        let runtimes = self.state.containers.iter().filter_map(|record| record.definition.as_ref());
        let runtimes = runtimes.flat_map(|definition| definition.runtimes.keys());
        let patterns = || self.templates.iter().flat_map(|template| &template.patterns);
        let runtimes = runtimes.copied().chain(patterns().filter_map(Pattern::runtime));
        let born = runtimes.flat_map(|runtime| cgroup_parents(runtime).iter().map(PathBuf::from));
        let born = born.chain(patterns().filter_map(Pattern::cgroup_parent));
        parents.extend(born.map(|parent| self.observer.cgroup_directory(&parent)));
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

fn noted(note: String) -> Response {
    Response::Done { notes: vec![note] }
}
