//! Answers to questions.

use std::collections::HashSet;

use berth_common::abi::{self, units::ContainerId};

use super::{Attachment, Enforcer, Node, NodeError, Observer, spec::settings};
use crate::{
    api::{
        container::{Container, Presence},
        name::Name,
        port::{Maker, Port},
        protocol::Protocol,
        quota::Quota,
        response::Response,
        status::{Daemon, Status},
    },
    state::{Definition, Record},
};

impl<E: Enforcer, O: Observer> Node<E, O> {
    pub(super) fn list(&self) -> Result<Vec<Container>, NodeError> {
        let containers = self.state.containers.iter();
        containers
            .filter_map(|record| Some((record, record.definition.as_ref()?)))
            .map(|(record, definition)| self.container(record, definition))
            .collect()
    }

    pub(super) fn show(&self, name: &Name) -> Result<Response, NodeError> {
        let (record, definition) = self.known(name)?;
        Ok(Response::Container(Box::new(self.container(record, definition)?)))
    }

    pub(super) fn status(&self, daemon: &Daemon) -> Result<Response, NodeError> {
        let memory = self.kernel.memory()?;
        let problem = daemon.problem.clone().or_else(|| self.problem.clone());
        Ok(Response::Status(Box::new(Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            abi: abi::VERSION,
            kernel: self.observer.kernel().to_owned(),
            uplinks: self.state.uplinks.clone(),
            containers: self.list()?,
            host: (&self.kernel.counters(ContainerId::HOST)?).into(),
            unowned: (&self.kernel.unowned()?).into(),
            non_ip: (&self.kernel.non_ip()?).into(),
            memory: memory.into_iter().map(|(map, bytes)| (map.to_owned(), bytes)).collect(),
            daemon: Daemon { problem, ..daemon.clone() },
        })))
    }

    pub(super) fn list_ports(&self) -> Result<Vec<Port>, NodeError> {
        let published = self.state.reservations.iter().filter(|one| one.is_published());
        let published: HashSet<_> = published.map(|one| (one.id, one.key())).collect();
        let mut ports = self.kernel.ports()?;
        ports.sort_by_key(|(key, _)| (key.protocol.0, key.port, key.address));
        Ok(ports
            .into_iter()
            .map(|(key, claim)| Port {
                owner: self.owner(claim.owner()),
                protocol: Protocol(key.protocol).to_string(),
                address: key.address.into(),
                port: key.port.0,
                by: if published.contains(&(claim.owner().0, key)) {
                    Maker::Publish
                } else if claim.is_permanent() {
                    Maker::Operator
                } else {
                    Maker::Bind
                },
                permanent: claim.is_permanent(),
            })
            .collect())
    }

    fn container(&self, record: &Record, definition: &Definition) -> Result<Container, NodeError> {
        let id = ContainerId(record.id);
        let none = Attachment::default();
        let attachment = self.attachments.get(&record.id).unwrap_or(&none);
        let there = !attachment.is_empty();
        let (usage, settings) = (self.kernel.usage(id)?, settings(record));
        Ok(Container {
            id: record.id,
            name: record.name.clone(),
            mode: self.mode(&settings),
            state: if there { Presence::Active } else { Presence::Gone },
            recognised_by: recognised_by(definition, attachment),
            template: record.template.clone(),
            features: self.allowance(&settings).effective().iter().map(|one| one.to_string()).collect(),
            plane: (&self.kernel.counters(id)?).into(),
            rules: self.rule_quota(record),
            flows: Quota::new(usage.flows, self.flow_limit(&settings)),
            flows_guaranteed: usage.flows.held.guaranteed(),
            flows_evicted: usage.evicted,
            max_flow_rate: self.flow_rate(&settings),
            flow_events: settings.flow_events.unwrap_or_default(),
            timeouts: settings.timeouts.clone().unwrap_or_default(),
            ports: Quota::new(usage.ports, self.port_limit(&settings)),
            set_entries: self.set_quota(record),
            guards: Quota::new(usage.guards, self.guard_limit(&settings)),
            addresses: settings.addresses.unwrap_or_default(),
            macs: settings.macs.unwrap_or_default(),
            routes: settings.routes.unwrap_or_default(),
            spoofing: settings.spoofing.unwrap_or_default(),
            masquerade: settings.masquerade.unwrap_or_default(),
            allowed_ports: settings.ports.unwrap_or_default(),
            packet_sockets: settings.packet_sockets.unwrap_or_default(),
        })
    }
}

/// What the operator named, and what was found through LXC at present.
fn recognised_by(definition: &Definition, attachment: &Attachment) -> Vec<String> {
    let mut all = definition.recognised_by();
    let found = Definition {
        cgroups: attachment.cgroups.iter().map(|cgroup| cgroup.path.clone()).collect(),
        interfaces: attachment.interfaces.iter().map(|link| link.name.clone()).collect(),
        ..Definition::default()
    };
    for one in found.recognised_by() {
        if !all.contains(&one) {
            all.push(one);
        }
    }
    all
}
