//! What berth says: the left end is a container of the router's.

use std::fmt::Write as _;

use anyhow::{Context, Result, ensure};
use berth_common::abi::{
    flow::State,
    units::{ContainerId, Nanos, Protocol, Zone},
};
use berth_common::engine::headers::Place;
use berth_common::memory::Bytes;
use berth_tests::object::FlowMaps;
use berth_tests::{Berth, Host};
use nix::time::{ClockId, clock_gettime};

use crate::router::{Connection, INTERFACES, MARKS, SCTP_TIMEOUTS};

/// The only container.
const CONTAINER: ContainerId = ContainerId(1);

/// An instance, and its flows.
pub struct Berthed {
    berth: Berth,
    flows: FlowMaps,
}

impl Berthed {
    /// Berth on the router, with rules for the left end that pass all, but mark what that sends by its state, and drop what it
    /// is sent if netfilter has marked it otherwise.
    pub fn new(host: &Host) -> Result<Self> {
        let berth = Berth::builder_on(host).uplinks(&[INTERFACES[1]]).start()?;
        let [left, _] = INTERFACES;
        let timeouts = SCTP_TIMEOUTS.map(|(name, seconds)| format!("sctp_{name}={seconds}"));
        berth.ok([
            "container",
            "add",
            "left",
            "--interface",
            left,
            "--mode",
            "stateful",
            "--max-flows",
            "60000",
            "--features",
            "all",
            "--timeouts",
            &timeouts.join(","),
        ])?;
        let mut rules = String::from("*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n");
        for (mark, _, state) in MARKS {
            writeln!(
                rules,
                "-A INPUT -m tos --tos {mark:#x} -m conntrack ! --ctstate {state} -j DROP\n\
                 -A OUTPUT -m conntrack --ctstate {state} -j MARK --set-mark {mark}"
            )?;
        }
        let file = berth.state_dir().join("left.rules");
        std::fs::write(&file, rules + "COMMIT\n")?;
        berth.ok(["rules", "restore", "left", &file.to_string_lossy()])?;
        let flows = FlowMaps::pinned(&berth.pin_dir().join("maps"))?;
        Ok(Self { berth, flows })
    }

    /// How long states last, in seconds.
    pub fn set_timeouts(&self, timeouts: &[(&str, u32)]) -> Result<()> {
        let timeouts: Vec<_> = timeouts.iter().map(|(name, seconds)| format!("{name}={seconds}")).collect();
        self.berth.ok(["container", "set", "left", "--timeouts", &timeouts.join(",")]).map(drop)
    }

    /// The connection that a packet is in, if it is in one.
    pub fn connection(&self, packet: &[u8]) -> Result<Option<Connection>> {
        let headers = Bytes(packet).in_packet().context("no packet")?;
        let key = Place::in_zone(Zone::of(CONTAINER)).key(&headers);
        let Some(flow) = self.flows.get(&key)? else { return Ok(None) };
        let has_phase = matches!(headers.protocol, Protocol::TCP | Protocol::SCTP);
        let left = flow.expires.0.saturating_sub(now()?.0);
        if left == 0 || flow.state.has(State::OVER) {
            return Ok(None);
        }
        ensure!(flow.opener == CONTAINER || flow.responder == CONTAINER, "a flow of nobody: {flow:?}");
        Ok(Some(Connection {
            phase: if has_phase { flow.state.name(headers.protocol) } else { "" }.to_owned(),
            is_assured: flow.state.has(State::ASSURED),
            is_answered: flow.state.has(State::REPLIED),
            lasts: u32::try_from(left / Nanos::seconds(1).0)?,
        }))
    }
}

fn now() -> Result<Nanos> {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC)?;
    Ok(Nanos(u64::try_from(time.tv_sec())? * 1_000_000_000 + u64::try_from(time.tv_nsec())?))
}
