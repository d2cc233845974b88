//! Containers that the operator has declared in files.

use log::{info, warn};

use super::{Attachment, Enforcer, Interfaces, Node, NodeError, Observer};
use crate::{
    config::{ConfigError, Declared},
    state::Definition,
};

impl<E: Enforcer, O: Observer> Node<E, O> {
    /// Adds declared containers, and makes those that are there already what their files say; what a file does not
    /// mention stays as it was set. One that cannot be had does not keep the others from it.
    pub(super) fn declare(&mut self, declared: Vec<Result<Declared, ConfigError>>) {
        for one in declared {
            let done = one.map_err(|error| error.to_string()).and_then(|one| {
                let path = one.path.clone();
                self.declare_one(one).map_err(|error| format!("{}: {error}", path.display()))
            });
            if let Err(problem) = done {
                self.report(problem);
            }
        }
    }

    fn declare_one(&mut self, declared: Declared) -> Result<(), NodeError> {
        let interfaces = Interfaces::from(self.observer.links()?);
        let present = |node: &Self, definition: &Definition| {
            Attachment::present(&node.observer, definition, &interfaces)
        };
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
        let (id, _) = self.introduce(declared.name.clone(), definition, attachment)?;
        info!("container {} added as #{id}", declared.name);
        Ok(())
    }
}
