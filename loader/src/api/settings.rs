//! What can be set about a container.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{
    allowance::Allowance, feature::Mask, flow_events::FlowEvents, mac::Mac, masquerade::Masquerade,
    mode::Mode, packet_sockets::PacketSockets, spoofing::Spoofing, timeouts::Timeouts,
};

/// What can be set about a container. What is not given keeps its value, or the node's default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// What its rules may do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// Features that its rules may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub features: Option<Mask>,
    /// Most rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_rules: Option<u32>,
    /// Most flows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_flows: Option<u32>,
    /// Most flows begun in a second; zero for any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_flow_rate: Option<u32>,
    /// Of which of its flows events tell when they begin and end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow_events: Option<FlowEvents>,
    /// How long its flows last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeouts: Option<Timeouts>,
    /// Most port reservations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_ports: Option<u32>,
    /// Most entries of named sets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_set_entries: Option<u32>,
    /// Most addresses and flows that its rules may remember.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_guards: Option<u32>,
    /// Ports it may bind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ports: Option<Allowance>,
    /// Whether it may have packet sockets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packet_sockets: Option<PacketSockets>,
    /// Addresses that are its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addresses: Option<Vec<IpAddr>>,
    /// Hardware addresses that are its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub macs: Option<Vec<Mac>>,
    /// Whether it routes for others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routes: Option<bool>,
    /// Whether it may use other addresses than its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spoofing: Option<Spoofing>,
    /// Whether it goes out under an address of the node's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub masquerade: Option<Masquerade>,
}

impl Settings {
    /// These, with what `other` gives instead.
    #[must_use]
    pub fn overlaid(&self, other: &Self) -> Self {
        Self {
            mode: other.mode.or(self.mode),
            features: other.features.or(self.features),
            max_rules: other.max_rules.or(self.max_rules),
            max_flows: other.max_flows.or(self.max_flows),
            max_flow_rate: other.max_flow_rate.or(self.max_flow_rate),
            flow_events: other.flow_events.or(self.flow_events),
            timeouts: match (&self.timeouts, &other.timeouts) {
                (Some(own), Some(other)) => Some(own.overlaid(other)),
                (own, other) => other.clone().or_else(|| own.clone()),
            },
            max_ports: other.max_ports.or(self.max_ports),
            max_set_entries: other.max_set_entries.or(self.max_set_entries),
            max_guards: other.max_guards.or(self.max_guards),
            ports: other.ports.clone().or_else(|| self.ports.clone()),
            packet_sockets: other.packet_sockets.or(self.packet_sockets),
            addresses: other.addresses.clone().or_else(|| self.addresses.clone()),
            macs: other.macs.clone().or_else(|| self.macs.clone()),
            routes: other.routes.or(self.routes),
            spoofing: other.spoofing.or(self.spoofing),
            masquerade: other.masquerade.or(self.masquerade),
        }
    }

    /// Whether nothing is given.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
