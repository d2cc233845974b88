//! What a container is recognised by at present.

use std::path::Path;

use super::{NodeError, Observer};
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
    pub fn present(observer: &impl Observer, definition: &Definition, links: &[Link]) -> Self {
        let mut attachment = Self {
            cgroups: existing(observer, definition.cgroups.iter().map(AsRef::as_ref)),
            interfaces: links
                .iter()
                .filter(|link| definition.interfaces.contains(&link.name))
                .cloned()
                .collect(),
        };
        let found = definition.lxc.as_ref().and_then(|lxc| observer.of_lxc(lxc).ok());
        if let Some(recognised) = found {
            attachment.include(recognised);
        }
        attachment
    }

    /// Whether all of it still exists, and `definition` names nothing that it lacks. Much cheaper than finding
    /// containers anew.
    pub fn holds(&self, observer: &impl Observer, definition: &Definition, links: &[Link]) -> bool {
        let wanted = definition.cgroups.iter().map(AsRef::as_ref);
        let by_path = self.cgroups.iter().map(|cgroup| cgroup.path.as_path());
        let complete = definition.lxc.is_none() || self.len() > self.named(definition);
        complete
            && existing(observer, by_path) == self.cgroups
            && self.interfaces.iter().all(|link| links.contains(link))
            && existing(observer, wanted).iter().all(|cgroup| self.cgroups.contains(cgroup))
            && links
                .iter()
                .filter(|link| definition.interfaces.contains(&link.name))
                .all(|link| self.interfaces.contains(link))
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

    fn len(&self) -> usize {
        self.cgroups.len() + self.interfaces.len()
    }

    /// How much of it the definition names by itself, rather than through LXC.
    fn named(&self, definition: &Definition) -> usize {
        let cgroups = self.cgroups.iter().filter(|one| definition.cgroups.contains(&one.path));
        let interfaces = self.interfaces.iter().filter(|one| definition.interfaces.contains(&one.name));
        cgroups.count() + interfaces.count()
    }
}

fn existing<'a>(observer: &impl Observer, paths: impl Iterator<Item = &'a Path>) -> Vec<Cgroup> {
    paths.filter_map(|path| observer.cgroup(path).ok()).collect()
}
