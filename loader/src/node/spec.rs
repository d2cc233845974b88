//! Containers as the kernel takes them.

use super::{Attachment, Enforcer, Node, Observer};
use crate::{
    api::{
        allowance::Allowance, mode::Mode, packet_sockets::PacketSockets, settings::Settings,
        spoofing::Spoofing,
    },
    control::Spec,
    rules::feature::Feature,
    state::Record,
};

impl<E: Enforcer, O: Observer> Node<E, O> {
    pub(super) fn spec(&self, record: &Record, attachment: &Attachment) -> Spec {
        let settings = settings(record);
        Spec {
            generation: record.generation,
            mode: self.mode(&settings).into(),
            flow_limit: self.flow_limit(&settings),
            flow_rate: self.flow_rate(&settings),
            flow_events: settings.flow_events.unwrap_or_default().number(),
            timeouts: settings.timeouts.clone().unwrap_or_default().resolved(&self.config.timeouts),
            port_limit: self.port_limit(&settings),
            guard_limit: self.guard_limit(&settings),
            ranges: settings.ports.as_ref().map(Allowance::ranges).unwrap_or_default(),
            has_rules: self.rules.get(&record.id).is_some_and(|loaded| !loaded.pair.is_empty()),
            translates: self.rules.get(&record.id).is_some_and(|loaded| loaded.pair.translates()),
            asks_address_types: self
                .rules
                .get(&record.id)
                .is_some_and(|loaded| loaded.pair.asks_address_types()),
            helper_ftp: self.allowance(&settings).effective().contains(Feature::HelperFtp),
            deny_packet_sockets: settings.packet_sockets == Some(PacketSockets::Deny),
            cgroups: attachment.cgroups.clone(),
            interfaces: attachment.interfaces.clone(),
            routes: settings.routes.unwrap_or_default(),
            may_spoof: settings.spoofing == Some(Spoofing::Allow),
            addresses: settings.addresses.unwrap_or_default(),
            macs: settings.macs.unwrap_or_default().into_iter().map(Into::into).collect(),
        }
    }

    pub(super) fn mode(&self, settings: &Settings) -> Mode {
        settings.mode.unwrap_or(self.config.defaults.mode)
    }

    pub(super) fn flow_limit(&self, settings: &Settings) -> u32 {
        settings.max_flows.unwrap_or(self.config.defaults.max_flows)
    }

    pub(super) fn flow_rate(&self, settings: &Settings) -> u32 {
        settings.max_flow_rate.unwrap_or(self.config.defaults.max_flow_rate)
    }

    pub(super) fn set_limit(&self, settings: &Settings) -> u32 {
        settings.max_set_entries.unwrap_or(self.config.defaults.max_set_entries)
    }

    pub(super) fn port_limit(&self, settings: &Settings) -> u32 {
        settings.max_ports.unwrap_or(self.config.defaults.max_ports)
    }

    pub(super) fn guard_limit(&self, settings: &Settings) -> u32 {
        settings.max_guards.unwrap_or(self.config.defaults.max_guards)
    }
}

/// What is set about a container; nothing for one that has only reservations yet.
pub(super) fn settings(record: &Record) -> Settings {
    record.definition.as_ref().map(|definition| definition.settings.clone()).unwrap_or_default()
}
