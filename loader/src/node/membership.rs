//! Adding, changing and removing containers.

use berth_common::abi::units::ContainerId;
use log::error;

use super::{Attachment, Enforcer, Node, NodeError, Observer};
use crate::{
    api::{name::Name, response::Response, settings::Settings, target::Target},
    state::{Attached, Definition, Record, Rules, State},
};

impl<E: Enforcer, O: Observer> Node<E, O> {
    pub(super) fn add(
        &mut self,
        name: Name,
        target: &Target,
        settings: Settings,
    ) -> Result<Response, NodeError> {
        if target.is_empty() {
            return Err(NodeError::NoTarget(name));
        }
        let definition = self.define(target, settings)?;
        let attachment = Attachment::whole(&self.observer, &definition)?;
        let unrouted = self.check_masquerade(&Settings::default(), &definition.settings)?;
        let (id, sockets) = self.introduce(name.clone(), definition, attachment, None)?;
        let mut notes = vec![format!("container {name} has id {id}")];
        notes.extend(unrouted);
        if sockets > 0 {
            notes.push(format!("{sockets} sockets that were open already are now its own"));
        }
        Ok(Response::Done { notes })
    }

    pub(super) fn set(
        &mut self,
        name: &Name,
        target: &Target,
        settings: &Settings,
        drop_rules: bool,
    ) -> Result<Response, NodeError> {
        let (record, definition) = self.known(name)?;
        let (id, old) = (record.id, definition.clone());
        if target.is_empty() && settings.is_empty() {
            return Err(NodeError::NoChange(name.clone()));
        }
        let settings = old.settings.overlaid(settings);
        let mut notes = self.check_masquerade(&old.settings, &settings)?;
        let (definition, attachment) = if target.is_empty() {
            let attachment = self.attachments.get(&id).cloned().unwrap_or_default();
            (Definition { settings, ..old }, attachment)
        } else {
            let definition = self.define(target, settings)?;
            let attachment = Attachment::whole(&self.observer, &definition)?;
            (definition, attachment)
        };
        self.check_translation((id, name), &definition, &attachment)?;
        let dropped = self.fit_rules(id, &definition.settings, drop_rules)?;
        self.redefine(id, definition, attachment)?;
        if dropped > 0 {
            notes.push(format!("{dropped} rules went"));
        }
        Ok(Response::Done { notes })
    }

    pub(super) fn remove(&mut self, name: &Name) -> Result<Response, NodeError> {
        let record = self.known(name)?.0;
        let (id, template) = (record.id, record.template.clone());
        let (published, reserved): (Vec<_>, Vec<_>) =
            self.state.reservations_of(id).partition(|one| one.is_published());
        let went = [(reserved.len(), "reservations by the operator"), (published.len(), "published ports")];
        let before = self.state.clone();
        let mut after = before.clone();
        after.forget(id);
        self.save(after)?;
        if let Err(error) = self.kernel.remove_container(ContainerId(id)) {
            let old = self.attachments.get(&id).cloned();
            self.revert(before, id, old);
            return Err(error.into());
        }
        self.former.insert(id, name.clone());
        self.attachments.remove(&id);
        self.rules.remove(&id);
        self.remove_sets(id);
        self.push_network()?;
        self.tidy_local_ports()?;

        let went = went.iter().filter(|(count, _)| *count > 0);
        let mut notes: Vec<_> = went.map(|(count, what)| format!("{count} {what} went with it")).collect();
        let file = |name: &Name| self.config_path.with_file_name("containers").join(format!("{name}.toml"));
        if let Some(file) = template.as_ref().map(file).filter(|file| file.exists()) {
            notes.push(format!("it comes back while it runs, as {} takes it in", file.display()));
        } else if file(name).exists() {
            notes.push(format!("it comes back at the next start, as {} declares it", file(name).display()));
        }
        Ok(Response::Done { notes })
    }

    /// Puts a new container in force, which a template may have taken in. Returns its id and how many open sockets it had.
    pub(super) fn introduce(
        &mut self,
        name: Name,
        definition: Definition,
        attachment: Attachment,
        template: Option<Name>,
    ) -> Result<(u32, usize), NodeError> {
        let record = match self.state.record(&name) {
            Some(record) if record.definition.is_some() => return Err(NodeError::NameTaken(name)),
            Some(record) => record.clone(),
            None => self.new_record(name)?,
        };
        let id = record.id;
        self.check_conflicts(id, &definition, &attachment)?;
        self.check_translation((id, &record.name), &definition, &attachment)?;
        let record = Record { definition: Some(definition), template, ..record };
        Ok((id, self.replace(record, attachment)?))
    }

    /// Makes a container what `definition` says.
    pub(super) fn redefine(
        &mut self,
        id: u32,
        definition: Definition,
        attachment: Attachment,
    ) -> Result<(), NodeError> {
        self.check_conflicts(id, &definition, &attachment)?;
        if let Some(record) = self.state.record_by_id(id) {
            let record = Record { definition: Some(definition), ..record.clone() };
            self.replace(record, attachment)?;
        }
        Ok(())
    }

    /// A record for a container that was not there before.
    pub(super) fn new_record(&self, name: Name) -> Result<Record, NodeError> {
        Ok(Record {
            id: self.state.next_id(self.most).ok_or(NodeError::Full(self.most))?,
            name,
            generation: self.state.next_generation(),
            definition: None,
            template: None,
            rules: Rules::default(),
            attached: Attached::default(),
        })
    }

    /// Makes a container what `record` says, in the state and in the kernel, or changes nothing. Returns how many open
    /// sockets were made its own.
    pub(super) fn replace(&mut self, record: Record, attachment: Attachment) -> Result<usize, NodeError> {
        let id = record.id;
        let before = self.state.clone();
        let mut after = before.clone();
        let known = if let Some(old) = before.record_by_id(id) {
            old.attached.clone()
        } else {
            after.last_id = id;
            after.generation = record.generation;
            Attached::default()
        };
        after.put(Record { attached: attachment.attached(), ..record });
        self.save(after)?;

        let old = self.attachments.get(&id).cloned();
        let enforced = self.enforce(id, attachment, &known).and_then(|sockets| {
            self.push_network()?;
            Ok(sockets)
        });
        if enforced.is_err() {
            self.revert(before, id, old);
        }
        enforced
    }

    /// Makes a container in the kernel what the state says, attached to `attachment`. Sockets are looked for in the
    /// cgroups that are not `known`.
    pub(super) fn enforce(
        &mut self,
        id: u32,
        attachment: Attachment,
        known: &Attached,
    ) -> Result<usize, NodeError> {
        let in_force = self.attachments.contains_key(&id);
        // What the container's own interface is called in rules depends on what it is attached to.
        let former = self.attachments.insert(id, attachment.clone());
        let enforced = self.put_in_force(id, &attachment, in_force);
        if enforced.is_err() {
            match former {
                Some(former) => self.attachments.insert(id, former),
                None => self.attachments.remove(&id),
            };
        }
        enforced?;
        let mut fresh = attachment.cgroups;
        fresh.retain(|cgroup| !in_force || !known.cgroups.contains(&cgroup.id));
        let generation = self.state.record_by_id(id).map_or(0, |record| record.generation);
        if fresh.is_empty() {
            return Ok(0);
        }
        Ok(self.kernel.adopt_sockets(ContainerId(id), generation, &fresh)?)
    }

    /// The rules come before the container, which is never in force without them.
    fn put_in_force(&mut self, id: u32, attachment: &Attachment, in_force: bool) -> Result<(), NodeError> {
        self.load_rules(id)?;
        let Some(record) = self.state.record_by_id(id) else { return Ok(()) };
        let spec = self.spec(record, attachment);
        if in_force {
            self.kernel.update_container(ContainerId(id), &spec)?;
        } else {
            self.kernel.add_container(ContainerId(id), &spec)?;
        }
        Ok(())
    }

    /// Puts state and kernel back to what they were before a change that failed. What fails here is put right by the
    /// next start.
    fn revert(&mut self, before: State, id: u32, old: Option<Attachment>) {
        self.state = before;
        let undone = match old {
            Some(attachment) => {
                let known = attachment.attached();
                self.enforce(id, attachment, &known).map(drop)
            }
            None if self.attachments.remove(&id).is_some() => {
                self.kernel.remove_container(ContainerId(id)).map_err(NodeError::from)
            }
            None => Ok(()),
        };
        let undone = undone.and_then(|()| self.push_network());
        if let Err(failure) = undone {
            error!("container {id} is not quite what it was before the last request: {failure}");
        }
        if let Err(failure) = self.store.save(&self.state) {
            error!("{failure}");
        }
    }

    /// A container that was added, and what it is.
    pub(super) fn known(&self, name: &Name) -> Result<(&Record, &Definition), NodeError> {
        self.state
            .record(name)
            .and_then(|record| Some((record, record.definition.as_ref()?)))
            .ok_or_else(|| NodeError::NoContainer(name.to_string()))
    }
}
