//! Making the kernel what the state says.

use std::{collections::BTreeMap, path::Path};

use berth_common::abi::units::ContainerId;
use log::{error, info, warn};

use super::{Attachment, Enforcer, Interfaces, Node, NodeError, Observer};

impl<E: Enforcer, O: Observer> Node<E, O> {
    /// Makes the kernel what the state says. What fails for one container does not keep the others from coming into
    /// force.
    pub(super) fn restore(&mut self) -> Result<(), NodeError> {
        let mut in_force: BTreeMap<u32, u32> =
            self.kernel.containers()?.into_iter().map(|(id, generation)| (id.0, generation)).collect();
        let interfaces = Interfaces::from(self.observer.links()?);
        for record in self.state.containers.clone() {
            let id = record.id;
            match in_force.remove(&id) {
                Some(generation) if generation == record.generation => {
                    self.attachments.insert(id, Attachment::default());
                }
                Some(_) => self.kernel.remove_container(ContainerId(id))?,
                None => {}
            }
            let attachment = match &record.definition {
                Some(definition) => {
                    Attachment::restored(&self.observer, definition, &interfaces, &record.attached)
                }
                None => Attachment::default(),
            };
            let there = !attachment.is_empty();
            if let Err(failure) = self.settle(id, attachment) {
                self.report(format!("container {} is not in force: {failure}", record.name));
            } else if record.definition.is_some() && !there {
                warn!("container {} is gone: nothing it is recognised by is there", record.name);
            }
            self.reserve_again(id);
        }
        for id in in_force.into_keys() {
            warn!("container #{id} is in the kernel but not in the state: it is removed");
            self.kernel.remove_container(ContainerId(id))?;
        }
        self.tidy_sets()?;
        self.remove_stray_sets();
        self.release_strays()?;
        self.push_network()?;
        self.serve_node();
        self.restore_local_ports();
        self.store.save(&self.state)?;
        info!("{} containers", self.attachments.len());
        Ok(())
    }

    /// Refuses pins with containers in them that no state file tells about.
    pub(super) fn check_pins(&self, pin_dir: &Path) -> Result<(), NodeError> {
        match self.kernel.containers()?.len() {
            0 => Ok(()),
            count => {
                Err(NodeError::UnknownPins { pin_dir: pin_dir.to_owned(), count, state: self.store.path() })
            }
        }
    }

    /// Logs what keeps something from being in force, and keeps the first such thing for `status`.
    pub(super) fn report(&mut self, problem: String) {
        error!("{problem}");
        self.problem.get_or_insert(problem);
    }
}
