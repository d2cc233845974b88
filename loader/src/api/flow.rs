//! Flows in output.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::traffic::Traffic;

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
    pub nat: Option<serde_json::Value>,
}
