//! From what a request names to what is remembered.

use std::collections::HashSet;

use super::{Enforcer, Node, NodeError, Observer};
use crate::{
    api::{settings::Settings, target::Target},
    containers::Recognised,
    state::Definition,
};

impl<E: Enforcer, O: Observer> Node<E, O> {
    /// What is remembered of a request for a container that is there.
    pub(super) fn define(&self, target: &Target, settings: Settings) -> Result<Definition, NodeError> {
        let mut definition = Definition { settings, ..Definition::default() };
        for path in &target.cgroups {
            definition.cgroups.push(self.observer.cgroup(path)?.path);
        }
        if let Some(name) = &target.interface {
            definition.interfaces.push(self.observer.link(name)?.name);
        }
        // A process id means nothing once the process is gone: what it led to is remembered in its place.
        if let Some(pid) = target.pid {
            match self.observer.of_pid(pid)? {
                Recognised::Shared(cgroup) => definition.cgroups.push(cgroup.path),
                Recognised::Own(links) => {
                    definition.interfaces.extend(links.into_iter().map(|link| link.name));
                }
            }
        }
        definition.runtimes.clone_from(&target.runtimes);
        Ok(without_repeats(definition))
    }

    /// What is remembered of a container that need not be there.
    pub(super) fn define_ahead(&self, target: &Target, settings: Settings) -> Result<Definition, NodeError> {
        let paths = target.cgroups.iter();
        let definition = Definition {
            cgroups: paths.map(|path| self.observer.cgroup_path(path)).collect::<Result<_, _>>()?,
            interfaces: target.interface.iter().cloned().collect(),
            runtimes: target.runtimes.clone(),
            settings,
        };
        Ok(without_repeats(definition))
    }
}

fn without_repeats(mut definition: Definition) -> Definition {
    definition.cgroups.sort();
    definition.cgroups.dedup();
    definition.interfaces.sort();
    definition.interfaces.dedup();
    if let Some(addresses) = &mut definition.settings.addresses {
        // In their order: published ports go on to the first.
        let mut seen = HashSet::new();
        addresses.retain(|address| seen.insert(*address));
    }
    if let Some(macs) = &mut definition.settings.macs {
        macs.sort();
        macs.dedup();
    }
    definition
}
