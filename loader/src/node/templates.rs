//! Containers that nobody has named: taken in as they start, let go when they are gone.

use std::collections::BTreeSet;

use log::{error, info};

use super::{Attachment, Enforcer, Interfaces, Node, NodeError, Observer};
use crate::{
    api::{
        name::{Name, NameError},
        rules::Restore,
        runtime::Runtime,
    },
    config::Template,
    containers::{ContainersError, Meant},
};

/// No container's number.
const NOBODY: u32 = 0;

impl<E: Enforcer, O: Observer> Node<E, O> {
    /// Makes those that were taken in before what their templates say by now; what a template does not mention stays as it was
    /// set.
    pub(super) fn follow_changed_templates(&mut self) {
        for template in self.templates.clone() {
            let of_template =
                |record: &&crate::state::Record| record.template.as_ref() == Some(&template.name);
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
        self.let_go();
        let mut problems = BTreeSet::new();
        for template in self.templates.clone() {
            for pattern in &template.patterns {
                let found = match self.observer.meant(pattern) {
                    Ok(found) => found,
                    Err(error) => {
                        problems.insert(format!("{}: {error}", template.path.display()));
                        continue;
                    }
                };
                for one in found {
                    let name = one.name.clone();
                    if let Err(error) = self.take_in_if_there(&template, one, interfaces) {
                        problems.insert(format!("{}: {name}: {error}", template.path.display()));
                    }
                }
            }
        }
        for problem in problems.difference(&self.told) {
            error!("{problem}");
        }
        self.told = problems;
    }

    fn let_go(&mut self) {
        let is_gone = |id: &u32| self.attachments.get(id).is_none_or(Attachment::is_empty);
        let taken_in = self.state.containers.iter().filter(|record| record.template.is_some());
        let gone: Vec<_> =
            taken_in.filter(|record| is_gone(&record.id)).map(|record| record.name.clone()).collect();
        for name in gone {
            match self.remove(&name) {
                Ok(_) => info!("container {name} is let go"),
                Err(failure) => error!("container {name} is gone, but cannot be let go: {failure}"),
            }
        }
    }

    fn take_in_if_there(
        &mut self,
        template: &Template,
        meant: Meant,
        interfaces: &Interfaces,
    ) -> Result<(), NodeError> {
        if self.is_known(&meant) {
            return Ok(());
        }
        let definition = self.define_ahead(&meant.target, template.settings.clone())?;
        let attachment = Attachment::present(&self.observer, &definition, interfaces);
        if attachment.is_empty() {
            return Ok(());
        }
        self.check_conflicts(NOBODY, &definition, &attachment)?;
        let id = self.take_in(template, meant)?;
        let done = self
            .settle(id, attachment)
            .and_then(|()| Ok(self.push_network()?))
            .and_then(|()| Ok(self.store.save(&self.state)?));
        if done.is_err() {
            // What is not in force is not to be taken for what is.
            let name = self.state.record_by_id(id).map(|record| record.name.clone());
            name.map_or(Ok(()), |name| self.remove(&name).map(drop))?;
        }
        done
    }

    /// Makes a container of what a template means, with its rules, but attached to nothing yet. Returns its id.
    pub(super) fn take_in(&mut self, template: &Template, meant: Meant) -> Result<u32, NodeError> {
        if let Some(why) = self.refused_templates.get(&template.name) {
            return Err(NodeError::TemplateRefused(why.clone()));
        }
        let name = name_for(&meant.name).map_err(|error| NodeError::NoName(meant.name, error))?;
        let definition = self.define_ahead(&meant.target, template.settings.clone())?;
        let by = Some(template.name.clone());
        let (id, _) = self.introduce(name.clone(), definition, Attachment::default(), by)?;
        if let Err(error) = self.restore_rules_of(template, &name) {
            // They would be the next time, too.
            self.refused_templates.insert(template.name.clone(), error.to_string());
            self.remove(&name)?;
            return Err(error);
        }
        info!("container {name} added as #{id}, as {} says", template.path.display());
        Ok(id)
    }

    fn restore_rules_of(&mut self, template: &Template, name: &Name) -> Result<(), NodeError> {
        for (family, text) in template.rules.clone() {
            let restore = Restore { name: name.clone(), family, text, check: false, confirm: None };
            self.restore_rules(restore)?;
        }
        Ok(())
    }

    /// The template that means an LXC container of this name, and the container.
    pub(super) fn meant_by_name(&self, lxc: &str) -> Option<(Template, Meant)> {
        let is_meant = |template: &&Template| {
            template.patterns.iter().any(|pattern| pattern.is_named(Runtime::Lxc, lxc))
        };
        let template = self.templates.iter().find(is_meant)?;
        Some((template.clone(), Meant::named(Runtime::Lxc, lxc.to_owned())))
    }

    /// The template that means the container to which an OCI runtime has given this id, and the container.
    pub(super) fn meant_by_id(&self, oci: &str) -> Result<Option<(Template, Meant)>, ContainersError> {
        for template in &self.templates {
            for pattern in &template.patterns {
                if let Some(meant) = self.observer.meant_by_id(pattern, oci)? {
                    return Ok(Some((template.clone(), meant)));
                }
            }
        }
        Ok(None)
    }

    /// Whether it is a container's already, by the same name or cgroup.
    fn is_known(&self, meant: &Meant) -> bool {
        let mut definitions = self.state.containers.iter().filter_map(|record| record.definition.as_ref());
        definitions.any(|definition| {
            let mut names = meant.target.runtimes.iter();
            names.any(|(runtime, name)| definition.runtimes.get(runtime) == Some(name))
                || meant.target.cgroups.iter().any(|path| definition.cgroups.contains(path))
        })
    }
}

/// Its own name, with `_` for what cannot stand in names here.
fn name_for(text: &str) -> Result<Name, NameError> {
    let fit = |sign: char| {
        if sign.is_ascii_alphanumeric() || matches!(sign, '_' | '.' | '-') { sign } else { '_' }
    };
    text.chars().map(fit).collect::<String>().parse()
}
