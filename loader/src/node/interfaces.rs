//! The interfaces that exist.

use std::collections::HashMap;

use crate::containers::Link;

/// The interfaces that exist, by name: there may be one for each of thousands of containers.
pub struct Interfaces(HashMap<String, Link>);

impl Interfaces {
    /// The interface called `name`.
    pub fn named(&self, name: &str) -> Option<&Link> {
        self.0.get(name)
    }

    /// Whether this very interface exists, rather than another one of its name.
    pub fn hold(&self, link: &Link) -> bool {
        self.named(&link.name) == Some(link)
    }

    /// All of them, in the order of their indices.
    pub fn all(&self) -> Vec<&Link> {
        let mut all: Vec<_> = self.0.values().collect();
        all.sort_by_key(|link| link.ifindex);
        all
    }
}

impl From<Vec<Link>> for Interfaces {
    fn from(links: Vec<Link>) -> Self {
        Self(links.into_iter().map(|link| (link.name.clone(), link)).collect())
    }
}
