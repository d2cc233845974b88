//! What a container is recognised by at present.

use std::path::Path;

use super::{Interfaces, NodeError, Observer};
use crate::{
    containers::{Cgroup, Link, Recognised},
    state::{Attached, Definition},
};

/// Cgroups and interfaces of a container that exist at present.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attachment {
    /// Cgroups.
    pub cgroups: Vec<Cgroup>,
    /// Interfaces.
    pub interfaces: Vec<Link>,
    /// Whether interfaces have been announced of a container that nothing else is known of yet.
    pub is_announced: bool,
}

impl Attachment {
    /// All that `definition` names, each of which must exist.
    pub fn whole(observer: &impl Observer, definition: &Definition) -> Result<Self, NodeError> {
        let mut attachment = Self::default();
        for path in &definition.cgroups {
            attachment.cgroups.push(observer.cgroup(path)?);
        }
        for name in &definition.interfaces {
            attachment.interfaces.push(observer.link(name)?);
        }
        if let Some(lxc) = &definition.lxc {
            attachment.include(observer.of_lxc(lxc)?);
        }
        Ok(attachment)
    }

    /// What `definition` names and exists.
    pub fn present(observer: &impl Observer, definition: &Definition, interfaces: &Interfaces) -> Self {
        let cgroups = definition.cgroups.iter();
        let names = definition.interfaces.iter();
        let mut attachment = Self {
            cgroups: cgroups.filter_map(|path| observer.cgroup(path).ok()).collect(),
            interfaces: names.filter_map(|name| interfaces.named(name).cloned()).collect(),
            is_announced: false,
        };
        let found = definition.lxc.as_ref().and_then(|lxc| observer.of_lxc(lxc).ok());
        if let Some(recognised) = found {
            attachment.include(recognised);
        }
        attachment
    }

    /// Whether all of it still exists, and nothing exists that `definition` names and it lacks. Much cheaper than
    /// finding containers anew.
    pub fn holds(&self, observer: &impl Observer, definition: &Definition, interfaces: &Interfaces) -> bool {
        let exists = |cgroup: &Cgroup| observer.cgroup(&cgroup.path).is_ok_and(|found| found == *cgroup);
        let mut lacking_cgroups = definition.cgroups.iter().filter(|path| !self.has_cgroup(path));
        let mut lacking_interfaces = definition.interfaces.iter().filter(|name| !self.has_interface(name));
        let complete = definition.lxc.is_none() || self.len() > self.named(definition);
        complete
            && self.cgroups.iter().all(exists)
            && self.interfaces.iter().all(|link| interfaces.hold(link))
            && lacking_cgroups.all(|path| observer.cgroup(path).is_err())
            && lacking_interfaces.all(|name| interfaces.named(name).is_none())
    }

    /// Whether nothing of it exists.
    pub fn is_empty(&self) -> bool {
        self.cgroups.is_empty() && self.interfaces.is_empty()
    }

    /// By numbers.
    pub fn attached(&self) -> Attached {
        Attached {
            cgroups: self.cgroups.iter().map(|cgroup| cgroup.id).collect(),
            interfaces: self.interfaces.iter().map(|link| link.ifindex).collect(),
        }
    }

    /// Adds what was recognised, unless it is there.
    pub fn include(&mut self, recognised: Recognised) {
        match recognised {
            Recognised::Shared(cgroup) => {
                if !self.cgroups.contains(&cgroup) {
                    self.cgroups.push(cgroup);
                }
            }
            Recognised::Own(links) => {
                for link in links {
                    if !self.interfaces.contains(&link) {
                        self.interfaces.push(link);
                    }
                }
            }
        }
    }

    fn has_cgroup(&self, path: &Path) -> bool {
        self.cgroups.iter().any(|cgroup| cgroup.path == path)
    }

    fn has_interface(&self, name: &str) -> bool {
        self.interfaces.iter().any(|link| link.name == name)
    }

    fn len(&self) -> usize {
        self.cgroups.len() + self.interfaces.len()
    }

    /// How much of it the definition names by itself, rather than through LXC.
    fn named(&self, definition: &Definition) -> usize {
        let cgroups = definition.cgroups.iter().filter(|path| self.has_cgroup(path));
        let interfaces = definition.interfaces.iter().filter(|name| self.has_interface(name));
        cgroups.count() + interfaces.count()
    }
}
