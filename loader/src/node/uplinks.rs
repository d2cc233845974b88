//! Which interfaces carry traffic to other hosts.

use berth_common::abi::config::MAX_UPLINKS;
use log::{error, info, warn};

use super::{Enforcer, Interfaces, Node, NodeError, Observer};
use crate::{containers::Link, state::State};

/// How uplinks are chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Uplinks {
    /// These, as long as they exist.
    Named(Vec<String>),
    /// Those that a default route leads over. One that has lost its route stays while it exists: traffic may come.
    Automatic,
    /// Those that are in force stay.
    Kept,
}

impl<E: Enforcer, O: Observer> Node<E, O> {
    /// Attaches to uplinks that have appeared, and forgets those that have gone.
    pub(super) fn refresh_uplinks(&mut self, interfaces: &Interfaces) -> Result<(), NodeError> {
        let chosen = match &self.uplinks {
            Uplinks::Kept => return Ok(()),
            Uplinks::Named(names) => {
                names.iter().filter_map(|name| interfaces.named(name).cloned()).collect()
            }
            Uplinks::Automatic => self.automatic(interfaces)?,
        };
        if self.links.as_ref() == Some(&chosen) {
            return Ok(());
        }
        self.attach_uplinks(chosen)?;
        let uplinks: Vec<_> = self.links.iter().flatten().map(|link| link.name.clone()).collect();
        if uplinks.is_empty() {
            warn!("there is no uplink yet; what the node exchanges with other hosts is not seen");
        } else {
            info!("uplinks: {}", uplinks.join(" "));
        }
        let automatic_uplinks = self.uplinks == Uplinks::Automatic;
        self.save(State { uplinks, automatic_uplinks, ..self.state.clone() })?;
        self.push_translation()
    }

    /// The addresses of each are known for as long as anything is translated there.
    fn attach_uplinks(&mut self, chosen: Vec<Link>) -> Result<(), NodeError> {
        let former = self.links.take();
        let gone = former.iter().flatten().filter(|link| !chosen.contains(link));
        self.links = Some(chosen.iter().chain(gone).cloned().collect());
        // Enforcement does not wait for translation.
        if let Err(error) = self.push_translation() {
            error!("{error}");
        }
        let attached = self.kernel.set_uplinks(&chosen).map_err(NodeError::from);
        self.links = if attached.is_ok() { Some(chosen) } else { former };
        attached
    }

    fn automatic(&self, interfaces: &Interfaces) -> Result<Vec<Link>, NodeError> {
        let mut wanted = self.observer.default_uplinks()?;
        wanted.retain(|link| !self.is_containers(link));
        for link in interfaces.all() {
            if self.was_automatic(link) && !wanted.contains(link) && !self.is_containers(link) {
                wanted.push(link.clone());
            }
        }
        if wanted.len() > MAX_UPLINKS {
            warn!(
                "default routes lead over {} interfaces, and a node has at most {MAX_UPLINKS} uplinks; name them in berth.toml",
                wanted.len()
            );
            wanted.truncate(MAX_UPLINKS);
        }
        wanted.sort_by_key(|link| link.ifindex);
        Ok(wanted)
    }

    /// Whether a default route led over the interface before, in an earlier run too.
    fn was_automatic(&self, link: &Link) -> bool {
        match &self.links {
            Some(links) => links.contains(link),
            None => self.state.automatic_uplinks && self.state.uplinks.contains(&link.name),
        }
    }

    fn is_containers(&self, link: &Link) -> bool {
        self.attachments.values().any(|attachment| attachment.interfaces.contains(link))
    }

    /// Whether uplinks depend on routes.
    pub fn follows_routes(&self) -> bool {
        self.uplinks == Uplinks::Automatic
    }
}
