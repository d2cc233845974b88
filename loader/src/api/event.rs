//! Events in output.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// Something that was dropped or refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When (RFC 3339, UTC).
    pub time: String,
    /// `drop` for packets, `bind` for calls of bind(), `bypass` for socket options and families that go round checks.
    pub kind: String,
    /// Whose packet or call it was.
    pub container: String,
    /// Why.
    pub reason: String,
    /// For a bind conflict, the container that holds the port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<String>,
    /// The packet, or what was to be bound.
    pub packet: Packet,
    /// How many like it were not reported since the last that was.
    pub suppressed: u64,
}

/// Where a packet came from and went to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packet {
    /// The protocol.
    pub protocol: String,
    /// Source address.
    pub src: IpAddr,
    /// Source port.
    pub sport: u16,
    /// Destination address.
    pub dst: IpAddr,
    /// Destination port.
    pub dport: u16,
    /// Index of the interface.
    pub ifindex: u32,
}
