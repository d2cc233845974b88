//! Flows in output.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{flow_filter::FlowFilter, traffic::Traffic};

/// A conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    /// Whose it is: who opened it, or else who holds the other end.
    pub owner: String,
    /// The address space it lives in.
    pub zone: u32,
    /// The protocol.
    pub protocol: String,
    /// Address of the side that opened it.
    pub src: IpAddr,
    /// Port of the side that opened it.
    pub sport: u16,
    /// Address of the other side.
    pub dst: IpAddr,
    /// Port of the other side.
    pub dport: u16,
    /// Where it stands.
    pub state: String,
    /// Whether both sides have taken part in it in earnest.
    pub assured: bool,
    /// From the side that opened it.
    pub out: Traffic,
    /// To the side that opened it.
    #[serde(rename = "in")]
    pub back: Traffic,
    /// How long ago it began, to 17 ms.
    pub age_ms: u64,
    /// When it ends unless more packets come.
    pub expires_in_ms: u64,
    /// How it is translated.
    pub nat: Option<Nat>,
}

/// How a flow is translated: the container's end, as seen from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nat {
    /// The address.
    pub address: IpAddr,
    /// The port, or what plays its part.
    pub port: u16,
}

/// Of which flows one wants to know which are busiest, and for how long they are watched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Top {
    /// A container's name, or `host` or `unowned`.
    pub owner: Option<String>,
    /// Which of them.
    #[serde(default)]
    pub filter: FlowFilter,
    /// For how long, in milliseconds.
    pub milliseconds: u64,
    /// How many at most.
    pub limit: usize,
}

/// A flow that was watched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Busy {
    /// The flow.
    #[serde(flatten)]
    pub flow: Flow,
    /// From the side that opened it, in a second.
    pub out_per_second: Traffic,
    /// To that side.
    pub in_per_second: Traffic,
}
