//! Answers to questions.

use berth_common::abi::{self, event::Event, units::ContainerId};

use super::{Attachment, Enforcer, Node, NodeError, Observer, flows::far_port, spec::settings};
use crate::{
    api::{
        self,
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
        let mut ports = self.kernel.ports()?;
        ports.sort_by_key(|(key, _)| (key.protocol.0, key.port, key.address));
        Ok(ports
            .into_iter()
            .map(|(key, claim)| Port {
                owner: self.owner(claim.owner()),
                protocol: Protocol(key.protocol).to_string(),
                address: key.address.into(),
                port: key.port.0,
                by: if claim.is_permanent() { Maker::Operator } else { Maker::Bind },
                permanent: claim.is_permanent(),
            })
            .collect())
    }

    /// An event in words. `time` is when it happened.
    pub fn event(&self, event: &Event, time: String) -> api::event::Event {
        use abi::reason::Reason as R;
        let reason = R::ALL.iter().find(|reason| **reason as u8 == event.reason);
        let kind = match reason {
            Some(R::BindConflict | R::BindDenied | R::PortQuota) => "bind",
            Some(R::BypassDenied) => "bypass",
            _ => "drop",
        };
        let conflict = reason == Some(&R::BindConflict);
        let protocol = abi::units::Protocol(event.protocol);
        api::event::Event {
            time,
            kind: kind.to_owned(),
            container: self.owner(event.container),
            reason: reason.map_or_else(|| format!("#{}", event.reason), |one| one.name().to_owned()),
            holder: conflict.then(|| self.owner(event.holder)),
            packet: api::event::Packet {
                protocol: Protocol(protocol).to_string(),
                src: event.source.into(),
                sport: event.source_port.0,
                dst: event.destination.into(),
                dport: far_port(protocol, event.source_port, event.destination_port),
                ifindex: event.ifindex,
            },
            suppressed: event.suppressed,
        }
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
            features: self.allowance(&settings).effective().iter().map(|one| one.to_string()).collect(),
            plane: (&self.kernel.counters(id)?).into(),
            rules: self.rule_quota(record),
            flows: Quota::new(usage.flows, self.flow_limit(&settings)),
            ports: Quota::new(usage.ports, self.port_limit(&settings)),
            set_entries: self.set_quota(record),
            addresses: settings.addresses.unwrap_or_default(),
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
