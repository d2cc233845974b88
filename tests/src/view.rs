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

/// What was counted for the host, for nobody, or for frames that are not IP; containers have the same.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
pub struct Plane {
    /// On uplinks (and a container's own interface).
    #[serde(flatten)]
    pub traffic: Both,
    /// Within the node.
    pub local: Both,
    /// The part of the traffic that was dropped at an uplink.
    pub dropped: Both,
    /// On uplinks, but counted at the owner's own interface already.
    pub forwarded: Both,
    /// What was dropped and refused, by reason.
    pub drops: BTreeMap<String, u64>,
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
    /// Flows that it may have however many others have.
    pub flows_guaranteed: u32,
    /// Flows that had to go for newer ones.
    pub flows_evicted: u64,
    /// See `rules`.
    pub ports: Quota,
    /// See `rules`.
    pub guards: Quota,
    /// What was counted for it.
    #[serde(flatten)]
    pub plane: Plane,
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
    pub host: Plane,
    /// Nobody's traffic.
    pub unowned: Plane,
    /// Frames that are not IP.
    pub non_ip: Plane,
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

    /// Everything the uplinks' hooks have counted, for every owner and for none, what was dropped there included.
    pub fn total(&self) -> Both {
        let planes = self.containers.iter().map(|container| &container.plane);
        planes
            .chain([&self.host, &self.unowned, &self.non_ip])
            .fold(Both::default(), |total, plane| total + plane.traffic + plane.forwarded)
    }
}

impl Plane {
    /// How often a packet was lost, or a call refused, for this reason.
    pub fn drops_for(&self, reason: &str) -> u64 {
        self.drops.get(reason).copied().unwrap_or(0)
    }
}

impl Sub for &Plane {
    type Output = Plane;

    /// Reasons that have not occurred since are left out.
    fn sub(self, earlier: Self) -> Plane {
        let drops =
            self.drops.iter().map(|(reason, count)| (reason.clone(), count - earlier.drops_for(reason)));
        Plane {
            traffic: self.traffic - earlier.traffic,
            local: self.local - earlier.local,
            dropped: self.dropped - earlier.dropped,
            forwarded: self.forwarded - earlier.forwarded,
            drops: drops.filter(|&(_, count)| count > 0).collect(),
        }
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
                "local": {"in": {"packets": 0, "bytes": 0}, "out": {"packets": 7, "bytes": 700}},
                "dropped": {"in": {"packets": 0, "bytes": 0}, "out": {"packets": 1, "bytes": 60}},
                "forwarded": {"in": {"packets": 0, "bytes": 0}, "out": {"packets": 0, "bytes": 0}},
                "drops": {"hijack": 3},
                "rules": {"held": 0, "maxheld": 0, "limit": 16, "failcnt": 0},
                "flows": {"held": 1, "maxheld": 2, "limit": 64, "failcnt": 0},
                "ports": {"held": 0, "maxheld": 0, "limit": 64, "failcnt": 0},
                "guards": {"held": 0, "maxheld": 0, "limit": 64, "failcnt": 0},
                "flows_guaranteed": 0, "flows_evicted": 0}"#,
        )?;
        let plane = &container.plane;
        assert_eq!(plane.traffic.outgoing, Traffic { packets: 2, bytes: 120 });
        assert_eq!(plane.local.outgoing, Traffic { packets: 7, bytes: 700 });
        assert_eq!((plane.drops_for("hijack"), plane.drops_for("spoof")), (3, 0));
        assert!(container.rest.contains_key("features"));
        Ok(())
    }
}
