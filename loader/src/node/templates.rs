//! Containers that nobody has named: taken in as they start, let go when they are gone.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    mem,
    sync::Arc,
    time::{Duration, Instant},
};

use log::{error, info};

use super::{Attachment, Enforcer, Interfaces, Node, NodeError, Observer};
use crate::{
    api::{
        name::{MAX_LENGTH, Name},
        rules::Restore,
        runtime::Runtime,
    },
    config::Template,
    containers::{ContainersError, Meant, Recognised},
    state::{Definition, Record},
};

/// No container's number.
const NOBODY: u32 = 0;
/// How soon it is tried again to take in what could not be: each time costs a number.
const AGAIN: Duration = Duration::from_secs(60);
/// How long what tells names from each other is.
const SUFFIX: usize = 9;

/// What could not be taken in.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    at: Instant,
    pub(super) problem: String,
}

/// By what could not be taken in.
pub(super) type Failures = BTreeMap<String, Failure>;

impl<E: Enforcer, O: Observer> Node<E, O> {
    /// Makes those that were taken in before what their templates say by now; what a template does not mention stays as it was
    /// set.
    pub(super) fn follow_changed_templates(&mut self) {
        for template in self.templates.clone() {
            let of_template = |record: &&Record| record.template.as_ref() == Some(&template.name);
            let ids: Vec<_> =
                self.state.containers.iter().filter(of_template).map(|record| record.id).collect();
            for id in ids {
                if let Err(error) = self.change_as(&template, id) {
                    self.report(format!("{}: {}: {error}", template.path.display(), self.title(id)));
                }
            }
        }
    }

    fn change_as(&mut self, template: &Template, id: u32) -> Result<(), NodeError> {
        let Some(record) = self.state.record_by_id(id) else { return Ok(()) };
        let (name, Some(old)) = (record.name.clone(), record.definition.clone()) else { return Ok(()) };
        let mut definition = old.clone();
        definition.settings = old.settings.overlaid(&template.settings);
        if definition != old {
            let attachment = self.attachments.get(&id).cloned().unwrap_or_default();
            self.check_translation((id, &name), &definition, &attachment)?;
            self.fit_rules(id, &definition.settings, false)?;
            self.redefine(id, definition, attachment)?;
        }
        self.restore_rules_of(template, &name)
    }

    /// Takes in what templates mean and is there, and lets go what is not there any more. What cannot be done is told once.
    pub(super) fn follow_templates(&mut self, interfaces: &Interfaces) {
        self.let_go(interfaces);
        let before = mem::take(&mut self.failures);
        let mut failures = Failures::new();
        for template in self.templates.clone() {
            for pattern in &template.patterns {
                let found = self.observer.meant(pattern);
                let path = template.path.display();
                let failed = |error: NodeError, what: &str| Failure {
                    at: Instant::now(),
                    problem: format!("{path}: {what}: {error}"),
                };
                for one in found.unwrap_or_else(|error| {
                    failures.insert(pattern.to_string(), failed(error.into(), &pattern.to_string()));
                    Vec::new()
                }) {
                    let what = one.to_string();
                    if let Some(failure) = before.get(&what).filter(|failure| failure.at.elapsed() < AGAIN) {
                        failures.insert(what, failure.clone());
                    } else if let Err(error) = self.take_in_if_there(&template, &one, interfaces) {
                        failures.insert(what.clone(), failed(error, &what));
                    }
                }
            }
        }
        for (what, failure) in &failures {
            if before.get(what).is_none_or(|known| known.problem != failure.problem) {
                error!("{}", failure.problem);
            }
        }
        self.failures = failures;
    }

    /// Lets go what was taken in and is not there any more.
    pub(super) fn let_go(&mut self, interfaces: &Interfaces) {
        let taken_in = self.state.containers.iter().filter(|record| record.template.is_some());
        let gone = taken_in.filter(|record| !self.is_there(record, interfaces));
        let gone: Vec<_> = gone.map(|record| record.name.clone()).collect();
        for name in gone {
            match self.remove(&name) {
                Ok(_) => info!("container {name} is let go"),
                Err(failure) => error!("container {name} is gone, but cannot be let go: {failure}"),
            }
        }
    }

    fn is_there(&self, record: &Record, interfaces: &Interfaces) -> bool {
        let attachment = self.attachments.get(&record.id);
        attachment.is_some_and(|known| !known.is_empty() && known.exists(&self.observer, interfaces))
            || record.definition.as_ref().is_some_and(|definition| {
                !Attachment::present(&self.observer, definition, interfaces).is_empty()
            })
    }

    fn take_in_if_there(
        &mut self,
        template: &Template,
        meant: &Meant,
        interfaces: &Interfaces,
    ) -> Result<(), NodeError> {
        let definition = self.define_ahead(&meant.target, template.settings.clone())?;
        if self.taken_in_as(&definition).is_some() {
            return Ok(());
        }
        let attachment = Attachment::present(&self.observer, &definition, interfaces);
        if attachment.is_empty() {
            return Ok(());
        }
        self.check_places(NOBODY, &definition, &attachment)?;
        let id = self.take_in(template, meant)?;
        if let Err(error) = self.settle(id, attachment) {
            self.turn_away(id);
            return Err(error);
        }
        self.push_network()?;
        Ok(self.store.save(&self.state)?)
    }

    /// Makes a container of what a template means, with its rules, but attached to nothing yet. Returns its id.
    pub(super) fn take_in(&mut self, template: &Template, meant: &Meant) -> Result<u32, NodeError> {
        let name = self.name_for(meant)?;
        let definition = self.define_ahead(&meant.target, template.settings.clone())?;
        let by = Some(template.name.clone());
        let (id, _) = self.introduce(name.clone(), definition, Attachment::default(), by)?;
        if let Err(error) = self.restore_rules_of(template, &name) {
            self.turn_away(id);
            return Err(error);
        }
        info!("container {name} added as #{id}, as {} says", template.path.display());
        Ok(id)
    }

    /// What is not in force is not to be taken for what is.
    pub(super) fn turn_away(&mut self, id: u32) {
        let name = self.state.record_by_id(id).map(|record| record.name.clone());
        if let Some(Err(failure)) = name.map(|name| self.remove(&name)) {
            error!("container #{id} is not in force, and cannot be let go: {failure}");
        }
    }

    fn restore_rules_of(&mut self, template: &Template, name: &Name) -> Result<(), NodeError> {
        for (family, text) in template.rules.clone() {
            let restore = Restore { name: name.clone(), family, text, check: false, confirm: None };
            self.restore_rules(restore)?;
        }
        Ok(())
    }

    /// The template that means an LXC container of this name, and the container.
    pub(super) fn meant_by_name(&self, lxc: &str) -> Option<(Arc<Template>, Meant)> {
        let is_meant = |template: &&Arc<Template>| {
            template.patterns.iter().any(|pattern| pattern.is_named(Runtime::Lxc, lxc))
        };
        let template = self.templates.iter().find(is_meant)?;
        Some((Arc::clone(template), Meant::named(Runtime::Lxc, lxc.to_owned())))
    }

    /// The template that means the container to which an OCI runtime has given this id, and the container.
    pub(super) fn meant_by_id(&self, oci: &str) -> Result<Option<(Arc<Template>, Meant)>, ContainersError> {
        for template in &self.templates {
            for pattern in &template.patterns {
                if let Some(meant) = self.observer.meant_by_id(pattern, oci)? {
                    return Ok(Some((Arc::clone(template), meant)));
                }
            }
        }
        Ok(None)
    }

    /// Whose container has this cgroup, or these interfaces, or a part of them.
    pub(super) fn is_anothers(&self, found: &Recognised) -> bool {
        let mut attachment = Attachment::default();
        attachment.include(found.clone());
        self.check_places(NOBODY, &Definition::default(), &attachment).is_err()
    }

    /// The container that has the same name in a runtime, or the same cgroup.
    pub(super) fn taken_in_as(&self, definition: &Definition) -> Option<&Record> {
        self.state.containers.iter().find(|record| {
            record.definition.as_ref().is_some_and(|known| {
                let mut names = definition.runtimes.iter();
                names.any(|(runtime, name)| known.runtimes.get(runtime) == Some(name))
                    || definition.cgroups.iter().any(|path| known.cgroups.contains(path))
            })
        })
    }

    /// Its own name, with `_` for what cannot stand in names here; with something after it that tells it from others where that is no
    /// name, or is taken, be it only that ports are reserved for whoever will have it.
    fn name_for(&self, meant: &Meant) -> Result<Name, NodeError> {
        let fit = |sign: char| {
            if sign.is_ascii_alphanumeric() || matches!(sign, '_' | '.' | '-') { sign } else { '_' }
        };
        let text: String = meant.name.chars().map(fit).collect();
        match text.parse() {
            Ok(name) if self.state.record(&name).is_none() => return Ok(name),
            _ => {}
        }
        let mut hasher = DefaultHasher::new();
        meant.to_string().hash(&mut hasher);
        let begin: String = text.chars().take(MAX_LENGTH - SUFFIX).collect();
        let name = format!("{begin}-{:08x}", hasher.finish() & 0xffff_ffff);
        name.parse().map_err(|error| NodeError::NoName(meant.name.clone(), error))
    }
}
