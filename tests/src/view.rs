//! What berth's reading commands print with `--json`.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::{Add, Sub};

use serde::Deserialize;
use serde_json::{Map, Value};

/// Segments and bytes.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
pub struct Traffic {
    /// Segments.
    pub packets: u64,
    /// Bytes on the wire.
    pub bytes: u64,
}

/// Both directions, as the owner sees them.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
pub struct Both {
    /// Towards the owner.
    #[serde(rename = "in")]
    pub incoming: Traffic,
    /// From the owner.
    #[serde(rename = "out")]
    pub outgoing: Traffic,
}

/// How much of something is held.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub struct Quota {
    /// Now.
    pub held: u64,
    /// At most, so far.
    pub maxheld: u64,
    /// At most, ever.
    pub limit: u64,
    /// How often more was wanted.
    pub failcnt: u64,
}

/// `berth container show`, and each of `container list` and `status`.
#[derive(Clone, Debug, Deserialize)]
pub struct Container {
    /// Its number.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// Its mode.
    pub mode: String,
    /// `active` or `gone`.
    pub state: String,
    /// How its packets are known.
    pub recognised_by: Value,
    /// What it may hold and holds.
    pub rules: Quota,
    /// See `rules`.
    pub flows: Quota,
    /// See `rules`.
    pub ports: Quota,
    /// What was dropped, by reason.
    #[serde(default)]
    pub drops: BTreeMap<String, u64>,
    /// Its traffic.
    #[serde(flatten)]
    pub traffic: Both,
    /// Fields without a type here.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// `berth status`
#[derive(Clone, Debug, Deserialize)]
pub struct Status {
    /// Of berth.
    pub version: String,
    /// Of the maps.
    pub abi: u32,
    /// Of the kernel.
    pub kernel: String,
    /// Interfaces that lead to other hosts.
    pub uplinks: Vec<Value>,
    /// Every container.
    pub containers: Vec<Container>,
    /// The node's own traffic.
    pub host: Both,
    /// Nobody's traffic.
    pub unowned: Both,
    /// Frames that are not IP.
    pub non_ip: Both,
    /// What maps take.
    pub memory: BTreeMap<String, u64>,
    /// Fields without a type here.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// Each of `berth flows list`.
#[derive(Clone, Debug, Deserialize)]
pub struct Flow {
    /// Whose it is.
    pub owner: String,
    /// The address space it lives in.
    pub zone: u64,
    /// By name.
    pub protocol: String,
    /// Of the side that opened it.
    pub src: IpAddr,
    /// Of the side that opened it.
    pub sport: u16,
    /// Of the other side.
    pub dst: IpAddr,
    /// Of the other side.
    pub dport: u16,
    /// Where in its life it is.
    pub state: String,
    /// Whether it is safe from eviction.
    pub assured: bool,
    /// `out` is from the side that opened it.
    #[serde(flatten)]
    pub traffic: Both,
    /// How long it lives without another packet.
    pub expires_in_ms: u64,
    /// How it is translated, if it is.
    #[serde(default)]
    pub nat: Value,
}

/// Each of `berth ports list`.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Port {
    /// Whose it is.
    pub owner: String,
    /// By name.
    pub protocol: String,
    /// Where; the wildcard for everywhere.
    pub address: IpAddr,
    /// The port, echo id or key.
    pub port: u32,
    /// `bind`, `operator` or `publish`.
    pub by: String,
    /// Whether it outlives its sockets.
    pub permanent: bool,
}

impl Status {
    /// A container by name.
    pub fn container(&self, name: &str) -> Option<&Container> {
        self.containers.iter().find(|container| container.name == name)
    }

    /// All traffic of every owner and of none. With what was dropped, it is every frame.
    pub fn total(&self) -> Both {
        let containers = self.containers.iter().map(|container| container.traffic);
        containers.fold(self.host + self.unowned + self.non_ip, Add::add)
    }
}

impl Container {
    /// How often it lost a packet for this reason.
    pub fn drops_for(&self, reason: &str) -> u64 {
        self.drops.get(reason).copied().unwrap_or(0)
    }
}

impl Add for Traffic {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { packets: self.packets + other.packets, bytes: self.bytes + other.bytes }
    }
}

impl Sub for Traffic {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self { packets: self.packets - earlier.packets, bytes: self.bytes - earlier.bytes }
    }
}

impl Add for Both {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { incoming: self.incoming + other.incoming, outgoing: self.outgoing + other.outgoing }
    }
}

impl Sub for Both {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self { incoming: self.incoming - earlier.incoming, outgoing: self.outgoing - earlier.outgoing }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_shape_of_a_container() -> serde_json::Result<()> {
        let container: Container = serde_json::from_str(
            r#"{"id": 1, "name": "a", "mode": "stateless", "state": "active", "recognised_by": [], "addresses": [],
                "features": [], "in": {"packets": 1, "bytes": 60}, "out": {"packets": 2, "bytes": 120},
                "drops": {"hijack": 3},
                "rules": {"held": 0, "maxheld": 0, "limit": 16, "failcnt": 0},
                "flows": {"held": 1, "maxheld": 2, "limit": 64, "failcnt": 0},
                "ports": {"held": 0, "maxheld": 0, "limit": 64, "failcnt": 0}}"#,
        )?;
        assert_eq!(container.traffic.outgoing, Traffic { packets: 2, bytes: 120 });
        assert_eq!((container.drops_for("hijack"), container.drops_for("spoof")), (3, 0));
        assert!(container.rest.contains_key("features"));
        Ok(())
    }
}
