//! Events in words.

use berth_common::abi::{
    event::Event,
    flow_event::{Change, FlowEvent},
    reason::Reason,
    rules::BuiltIn,
    units::{ContainerId, Protocol},
};

use super::{Enforcer, Node, Observer, flows::far_port};
use crate::{
    api::{
        self,
        event::{Logged, Packet},
    },
    control::Record,
    lower::Report,
};

impl<E: Enforcer, O: Observer> Node<E, O> {
    /// A record in words. `time` is when it happened.
    pub fn event(&self, record: &Record, time: String) -> api::event::Event {
        match record {
            Record::Incident(event) => self.incident(event, time),
            Record::Flow(event) => self.change(event, time),
        }
    }

    /// A flow that has begun or ended.
    fn change(&self, event: &FlowEvent, time: String) -> api::event::Event {
        let (change, flow) = (Change::from_number(event.change), self.flow(&event.flow, None, event.time));
        let packet = Packet {
            protocol: flow.protocol.clone(),
            src: flow.src,
            sport: flow.sport,
            dst: flow.dst,
            dport: flow.dport,
            ifindex: 0,
        };
        api::event::Event {
            time,
            kind: if change == Change::Begun { "flow-start" } else { "flow-end" }.to_owned(),
            container: flow.owner.clone(),
            reason: change.name().to_owned(),
            holder: None,
            packet,
            log: None,
            flow: Some(flow),
            suppressed: event.lost.into(),
        }
    }

    fn incident(&self, event: &Event, time: String) -> api::event::Event {
        let (kind, reason, log) = if event.log == 0 {
            let (kind, reason) = refusal(event);
            (kind, reason, None)
        } else {
            let (reason, logged) = self.logged(event);
            ("log", reason.to_owned(), Some(logged))
        };
        let conflict = event.reason == Reason::BindConflict as u8;
        let protocol = Protocol(event.protocol);
        api::event::Event {
            time,
            kind: kind.to_owned(),
            container: self.owner(event.container),
            reason,
            holder: conflict.then(|| self.owner(event.holder)),
            packet: Packet {
                protocol: api::protocol::Protocol(protocol).to_string(),
                src: event.source.into(),
                sport: event.source_port.0,
                dst: event.destination.into(),
                dport: far_port(protocol, event.source_port, event.destination_port),
                ifindex: event.ifindex,
            },
            log,
            flow: None,
            suppressed: event.suppressed,
        }
    }

    /// What a rule logs, and the rule's target.
    fn logged(&self, event: &Event) -> (&'static str, Logged) {
        let protocol = Protocol(event.protocol);
        let is_icmp = protocol == Protocol::ICMP || protocol == Protocol::ICMPV6;
        let logged = Logged {
            chain: chain(event.chain).to_owned(),
            mark: event.mark,
            length: event.length,
            ttl: event.ttl,
            tos: event.tos,
            tcp_flags: (protocol == Protocol::TCP).then_some(event.detail),
            icmp_type: is_icmp.then_some(event.detail),
            ..Logged::default()
        };
        match self.logs_what(event.container, event.ruleset, event.log - 1) {
            Some(Report::Log(log)) => {
                ("log", Logged { prefix: log.prefix.clone(), level: Some(log.level.0), ..logged })
            }
            Some(Report::Nflog(nflog)) => {
                ("nflog", Logged { prefix: nflog.prefix.clone(), group: Some(nflog.group), ..logged })
            }
            None => ("log", logged),
        }
    }

    /// What the rule of an id says in a container's ruleset of this stamp; nothing if that is not in force any more.
    fn logs_what(&self, container: ContainerId, stamp: u32, id: u32) -> Option<&Report> {
        let record = self.state.record_by_id(container.0)?;
        let loaded = self.rules.get(&container.0).filter(|_| record.rules.changes == stamp)?;
        Some(&loaded.logs.get(usize::try_from(id).ok()?)?.report)
    }
}

/// What kind of refusal, and why.
fn refusal(event: &Event) -> (&'static str, String) {
    let reason = Reason::ALL.iter().find(|reason| **reason as u8 == event.reason);
    let kind = match reason {
        Some(Reason::BindConflict | Reason::BindDenied | Reason::PortQuota) => "bind",
        Some(Reason::BypassDenied) => "bypass",
        _ => "drop",
    };
    (kind, reason.map_or_else(|| format!("#{}", event.reason), |one| one.name().to_owned()))
}

const fn chain(number: u8) -> &'static str {
    match number {
        number if number == BuiltIn::Input as u8 => "INPUT",
        number if number == BuiltIn::Output as u8 => "OUTPUT",
        _ => "FORWARD",
    }
}
