//! Events in output.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::flow::Flow;

/// Something that was dropped, refused or logged, or a flow that has begun or ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When (RFC 3339, UTC).
    pub time: String,
    /// `drop` for packets, `bind` for calls of bind(), `bypass` for socket options and families that go round checks, `log`
    /// for packets that a rule logs, `flow-start` and `flow-end` for flows.
    pub kind: String,
    /// Whose packet, call or flow it was.
    pub container: String,
    /// Why; of what a rule logs, its target (`log` or `nflog`); of a flow `begun`, `expired`, `evicted` (it had to go for a newer
    /// one), `flushed` (it was deleted) or `replaced` (another began between the same ends).
    pub reason: String,
    /// For a bind conflict, the container that holds the port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<String>,
    /// The packet, or what was to be bound; of a flow, one from the end that opened it.
    pub packet: Packet,
    /// What the rule that logs it says, and more of the packet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<Logged>,
    /// The flow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow: Option<Flow>,
    /// How many like it were not reported since the last that was.
    pub suppressed: u64,
}

/// What a rule logs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logged {
    /// `--log-prefix` or `--nflog-prefix`; empty too where the rules have been replaced since.
    pub prefix: String,
    /// `--log-level`, from 0 to 7.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<u8>,
    /// `--nflog-group`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<u16>,
    /// The built-in chain that the packet met: `INPUT`, `OUTPUT` or `FORWARD`.
    pub chain: String,
    /// The packet's mark.
    pub mark: u32,
    /// Its length from the IP header on, in bytes.
    pub length: u32,
    /// Time to live, or hop limit.
    pub ttl: u8,
    /// Type of service, or traffic class.
    pub tos: u8,
    /// The flags of a TCP segment (RFC 9293 §3.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp_flags: Option<u8>,
    /// The type of an ICMP message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icmp_type: Option<u8>,
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
