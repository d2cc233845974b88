//! The node: carries out requests, in the kernel and in the state, whole or not at all.
//!
//! A request is checked against everything first. Then the state is saved and the kernel changed; if that fails, both
//! are put back. If berth dies in between, the next start makes the kernel what the state says.

mod addresses;
mod attachment;
mod conflicts;
mod declared;
mod define;
mod enforcer;
mod error;
mod events;
mod features;
mod flows;
mod forwarding;
mod interfaces;
mod least;
mod local_ports;
mod lock;
mod membership;
mod nat;
mod observer;
mod open;
mod presence;
mod publications;
mod refused;
mod reservations;
mod restore;
mod rules;
mod sets;
mod spec;
mod take_down;
mod templates;
mod top;
mod translatable;
mod uplinks;
mod views;

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, net::IpAddr, path::PathBuf, sync::Arc};

use berth_common::abi::units::ContainerId;

pub use attachment::Attachment;
pub use enforcer::Enforcer;
pub use error::NodeError;
pub use forwarding::Forwarding;
pub use local_ports::LocalPorts;
pub use lock::{Lock, LockError};
pub use observer::Observer;
pub(crate) use open::instance;
pub use open::{Paths, Purpose};
pub use take_down::take_down;
pub use uplinks::Uplinks;

use self::{interfaces::Interfaces, nat::Clash, publications::Destination};
use crate::{
    api::{
        name::Name,
        request::Request,
        response::Response,
        rules::{Edit, Restore},
        status::Daemon,
    },
    config::{Config, Template},
    containers::{Host, Link},
    control::{Kernel, Nat},
    sets::Sets,
    state::{State, Store},
};

/// A node under berth's care.
pub struct Node<E = Kernel, O = Host> {
    kernel: E,
    observer: O,
    store: Store,
    state: State,
    config: Config,
    config_path: PathBuf,
    local_ports: LocalPorts,
    forwarding: Forwarding,
    uplinks: Uplinks,
    /// The uplinks that this run has attached to.
    links: Option<Vec<Link>>,
    /// The containers that are in the kernel, and what they are attached to there.
    attachments: BTreeMap<u32, Attachment>,
    /// What containers were called that have been removed: events of them may still come.
    former: BTreeMap<u32, Name>,
    /// The rules of containers, as they are in the kernel.
    rules: BTreeMap<u32, rules::Loaded>,
    /// The named sets of containers, as they are in the kernel.
    sets: BTreeMap<u32, Sets>,
    addresses: Addresses,
    /// What is translated, as it is in the kernel; none if that is not known.
    nat: Option<Nat>,
    /// What is left out of it, and was told.
    clashes: Vec<Clash>,
    /// Highest id that the kernel's tables have room for.
    most: u32,
    /// By which containers are taken in as they start.
    templates: Vec<Arc<Template>>,
    /// Why one of the files that declare containers was not understood: nobody knows whom it means.
    unread: Option<String>,
    /// What could not be taken in when last looked.
    failures: templates::Failures,
    problem: Option<String>,
}

/// The node's addresses, and those of containers alone, as they are in the kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Addresses {
    node: Vec<IpAddr>,
    owned: Vec<(IpAddr, ContainerId, u32)>,
}

impl<E: Enforcer, O: Observer> Node<E, O> {
    /// Carries out a request. `daemon` is what `status` says about whoever does it.
    pub fn execute(&mut self, request: Request, daemon: &Daemon) -> Result<Response, NodeError> {
        match request {
            Request::ContainerAdd { name, target, settings } => self.add(name, &target, settings),
            Request::ContainerSet { name, target, settings, drop_rules } => {
                self.set(&name, &target, &settings, drop_rules)
            }
            Request::ContainerRemove { name } => self.remove(&name),
            Request::Announce { lxc, interface } => self.announce_interface(&lxc, &interface),
            Request::AnnounceProcess { oci, pid } => self.announce_process(&oci, pid),
            Request::ContainerList => self.list().map(Response::Containers),
            Request::ContainerShow { name } => self.show(&name),
            Request::RulesRestore(Restore { confirm: Some(_), .. })
            | Request::RulesEdit(Edit { confirm: Some(_), .. })
                if !daemon.running =>
            {
                Err(NodeError::NeedsDaemon("the daemon undoes what is not confirmed"))
            }
            Request::RulesRestore(restore) => self.restore_rules(restore),
            Request::RulesEdit(edit) => self.edit_rules(&edit),
            Request::RulesSave { name, family, counters } => self.save_rules(&name, family, counters),
            Request::RulesList { name, family } => self.list_rules(&name, family),
            Request::RulesDiff { name, family, text } => self.diff_rules(&name, family, &text),
            Request::RulesFlush { name, family } => self.flush_rules(&name, family),
            Request::RulesConfirm { name } => self.confirm_rules(&name),
            Request::SetsChange { name, commands, exist } => self.change_sets(&name, &commands, exist),
            Request::SetsList { name, set } => self.list_sets(&name, set.as_deref()),
            Request::SetsSave { name, set } => self.save_sets(&name, set.as_deref()),
            Request::SetTest { name, set, entry } => self.test_set(&name, &set, &entry),
            Request::Features { name } => self.list_features(name.as_ref()).map(Response::Features),
            Request::PortsList => self.list_ports().map(Response::Ports),
            Request::PortReserve { name, service, address, raw } => {
                self.reserve(&name, service, address, raw)
            }
            Request::PortRelease { name, service, address } => self.release(&name, service, address),
            Request::PublishAdd { name, services, address, to_address, to_port } => {
                let to = Destination { address: to_address, port: to_port };
                self.publish_ports(&name, services, address, to)
            }
            Request::PublishRemove { name, services, address } => {
                self.unpublish_ports(&name, services, address)
            }
            Request::PublishList => Ok(Response::Publications(self.list_publications())),
            Request::FlowsList { owner, filter, page } => {
                self.list_flows(owner.as_deref(), &filter, page).map(Response::Flows)
            }
            Request::FlowsTop(asked) => self.watch_flows(&asked),
            Request::FlowsFlush { owner, filter } => self.flush_flows(owner.as_ref(), &filter),
            Request::FlowsResize { flows } => self.resize_flows(flows),
            Request::Status => self.status(daemon),
            Request::Events { .. } => Err(NodeError::NeedsDaemon("events are kept by the daemon")),
            Request::Shutdown => Err(NodeError::NeedsDaemon("only a daemon can be shut down")),
        }
    }

    /// Deletes what has expired in the kernel.
    pub fn sweep(&mut self) -> Result<(), NodeError> {
        self.kernel.sweep()?;
        Ok(())
    }

    /// The kernel.
    pub fn kernel(&self) -> &E {
        &self.kernel
    }

    fn save(&mut self, after: State) -> Result<(), NodeError> {
        self.store.save(&after)?;
        self.state = after;
        Ok(())
    }
}
