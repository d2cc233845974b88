//! What a container is recognised by at present.

use std::path::Path;

use super::{Interfaces, NodeError, Observer};
use crate::{
    containers::{Cgroup, Link, Recognised},
    state::{Announced, Attached, Definition},
};

/// Cgroups and interfaces of a container that exist at present.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attachment {
    /// Cgroups.
    pub cgroups: Vec<Cgroup>,
    /// Interfaces.
    pub interfaces: Vec<Link>,
    /// Whether a runtime has announced it, and nothing else is known of the container yet.
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
        for (&runtime, name) in &definition.runtimes {
            attachment.include(observer.of_runtime(runtime, name)?);
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
        for (&runtime, name) in &definition.runtimes {
            if let Ok(recognised) = observer.of_runtime(runtime, name) {
                attachment.include(recognised);
            }
        }
        attachment
    }

    /// What `definition` names and exists, and what a runtime had announced before and still is there, until it has started the
    /// container.
    pub fn restored(
        observer: &impl Observer,
        definition: &Definition,
        interfaces: &Interfaces,
        before: &Attached,
    ) -> Self {
        let mut attachment = Self::present(observer, definition, interfaces);
        let Some(announced) = &before.announced else { return attachment };
        let mut names = definition.runtimes.iter();
        if names.any(|(&runtime, name)| observer.of_runtime(runtime, name).is_ok()) {
            return attachment;
        }
        let known = attachment.len();
        let cgroups = announced.cgroups.iter().filter_map(|path| observer.cgroup(path).ok());
        for cgroup in cgroups.filter(|cgroup| before.cgroups.contains(&cgroup.id)) {
            attachment.include(Recognised::Shared(cgroup));
        }
        let links = announced.interfaces.iter().filter_map(|name| interfaces.named(name));
        let links = links.filter(|link| before.interfaces.contains(&link.ifindex));
        attachment.include(Recognised::Own(links.cloned().collect()));
        attachment.is_announced = attachment.len() > known;
        attachment
    }

    /// Whether all of it still exists, and nothing exists that `definition` names and it lacks. Much cheaper than
    /// finding containers anew.
    pub fn holds(&self, observer: &impl Observer, definition: &Definition, interfaces: &Interfaces) -> bool {
        let mut lacking_cgroups = definition.cgroups.iter().filter(|path| !self.has_cgroup(path));
        let mut lacking_interfaces = definition.interfaces.iter().filter(|name| !self.has_interface(name));
        let complete = definition.runtimes.is_empty() || self.len() > self.named(definition);
        complete
            && self.exists(observer, interfaces)
            && lacking_cgroups.all(|path| observer.cgroup(path).is_err())
            && lacking_interfaces.all(|name| interfaces.named(name).is_none())
    }

    /// Whether all of it still exists.
    pub fn exists(&self, observer: &impl Observer, interfaces: &Interfaces) -> bool {
        let holds = |cgroup: &Cgroup| observer.cgroup(&cgroup.path).is_ok_and(|found| found == *cgroup);
        self.cgroups.iter().all(holds) && self.interfaces.iter().all(|link| interfaces.hold(link))
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
            announced: self.is_announced.then(|| Announced {
                cgroups: self.cgroups.iter().map(|cgroup| cgroup.path.clone()).collect(),
                interfaces: self.interfaces.iter().map(|link| link.name.clone()).collect(),
            }),
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

    /// How much of it the definition names by itself, rather than through a runtime.
    fn named(&self, definition: &Definition) -> usize {
        let cgroups = definition.cgroups.iter().filter(|path| self.has_cgroup(path));
        let interfaces = definition.interfaces.iter().filter(|name| self.has_interface(name));
        cgroups.count() + interfaces.count()
    }
}
