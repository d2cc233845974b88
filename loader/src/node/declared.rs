//! Containers that the operator has declared in files.

use std::sync::Arc;

use log::{info, warn};

use super::{Attachment, Enforcer, Interfaces, Node, NodeError, Observer};
use crate::{
    config::{ConfigError, Declaration, Declared},
    state::Definition,
};

impl<E: Enforcer, O: Observer> Node<E, O> {
    /// Takes note of templates; without more than that, the rest of what is declared is not looked at.
    pub(super) fn note_templates(&mut self, declared: &[Result<Declaration, ConfigError>]) {
        let templates = declared.iter().filter_map(|one| match one {
            Ok(Declaration::Template(template)) => Some(Arc::new(template.clone())),
            _ => None,
        });
        self.templates = templates.collect();
        self.unread = declared.iter().find_map(|one| one.as_ref().err().map(ToString::to_string));
    }

    /// Adds declared containers, and makes those that are there already what their files say; what a file does not
    /// mention stays as it was set. One that cannot be had does not keep the others from it.
    pub(super) fn declare(&mut self, declared: Vec<Result<Declaration, ConfigError>>) {
        self.note_templates(&declared);
        for one in declared {
            let done = match one {
                Err(error) => Err(error.to_string()),
                Ok(Declaration::Template(_)) => Ok(()),
                Ok(Declaration::Container(one)) => {
                    let path = one.path.clone();
                    self.declare_one(one).map_err(|error| format!("{}: {error}", path.display()))
                }
            };
            if let Err(problem) = done {
                self.report(problem);
            }
        }
        self.follow_changed_templates();
    }

    /// What a template has taken in is not its own any more where a file is about it alone.
    fn take_over(&mut self, declared: &Declared) -> Result<(), NodeError> {
        let definition = self.define_ahead(&declared.target, declared.settings.clone())?;
        let taken_in = self.taken_in_as(&definition).filter(|record| record.template.is_some());
        if let Some(other) = taken_in.map(|record| record.name.clone()).filter(|name| *name != declared.name)
        {
            self.remove(&other)?;
        }
        let id = self.state.record(&declared.name).map(|record| record.id);
        if let Some(record) = id.and_then(|id| self.state.record_by_id_mut(id)) {
            record.template = None;
        }
        Ok(())
    }

    fn declare_one(&mut self, declared: Declared) -> Result<(), NodeError> {
        let interfaces = Interfaces::from(self.observer.links()?);
        let present = |node: &Self, definition: &Definition| {
            Attachment::present(&node.observer, definition, &interfaces)
        };
        self.take_over(&declared)?;
        let known = self.known(&declared.name).ok();
        if let Some((id, old)) = known.map(|(record, definition)| (record.id, definition.clone())) {
            let settings = old.settings.overlaid(&declared.settings);
            let definition = self.define_ahead(&declared.target, settings)?;
            if definition != old {
                let attachment = present(self, &definition);
                self.check_translation((id, &declared.name), &definition, &attachment)?;
                self.redefine(id, definition, attachment)?;
                info!("container {} is now as {} says", declared.name, declared.path.display());
            }
            return Ok(());
        }
        let definition = self.define_ahead(&declared.target, declared.settings)?;
        let attachment = present(self, &definition);
        if attachment.is_empty() {
            warn!("container {} is declared, but not there yet", declared.name);
        }
        let (id, _) = self.introduce(declared.name.clone(), definition, attachment, None)?;
        info!("container {} added as #{id}", declared.name);
        Ok(())
    }
}
