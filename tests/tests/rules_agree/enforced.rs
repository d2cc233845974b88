//! The same rules by berth, on the node's side of the wire.

use std::fs;

use anyhow::{Context, Result};
use berth::rules::{family::Family, parse::parse, ruleset::Ruleset, save::to_save};
use berth_tests::{Berth, Topology};

use crate::packet::{Packet, Way};
use crate::side::{INTERFACE, LOCAL_V4, Side};

const NAME: &str = "guest";

/// A container whose packets berth judges.
pub struct Enforced {
    // Before what it runs on.
    berth: Berth,
    side: Side,
    _topology: Topology,
}

impl Enforced {
    /// A node with berth and such a container.
    pub fn new() -> Result<Self> {
        let topology = Topology::builder().with_known_neighbours().build()?;
        let side = Side::join(&topology.node)?;
        let berth = Berth::builder(&topology).shows_log(false).start()?;
        let add = ["container", "add", NAME, "--interface", INTERFACE, "--mode", "stateful"];
        let mut add: Vec<String> = add.map(str::to_owned).to_vec();
        let (first, bits) = LOCAL_V4;
        for offset in 0..1_u32 << (32 - bits) {
            let address = std::net::Ipv4Addr::from_bits(first.to_bits() + offset);
            add.extend(["--address".to_owned(), address.to_string()]);
        }
        // The packets are from anywhere, of routers and servers, and for anybody.
        add.extend(["--spoofing", "allow", "--routes", "yes"].map(str::to_owned));
        berth.ok(add)?;
        Ok(Self { berth, side, _topology: topology })
    }

    /// Where its packets are.
    pub fn side(&self) -> &Side {
        &self.side
    }

    /// Puts rules in force, with nothing counted and no flows.
    pub fn restore(&self, ruleset: &Ruleset) -> Result<()> {
        let family = option(ruleset.family);
        let file = self.berth.run_dir().join("rules-under-test");
        let text = to_save(ruleset, false);
        fs::write(&file, &text)?;
        let file = file.to_str().context("a path that is not UTF-8")?;
        // What is the same in the next ruleset would go on counting.
        self.berth.ok([&["rules", "flush", NAME], family].concat())?;
        self.berth.ok([&["rules", "restore", NAME, file], family].concat()).context(text)?;
        self.berth.ok(["flows", "flush", "--owner", NAME])?;
        Ok(())
    }

    /// Makes named sets.
    pub fn make_sets(&self, text: &str) -> Result<()> {
        let file = self.berth.run_dir().join("sets-under-test");
        fs::write(&file, text)?;
        let file = file.to_str().context("a path that is not UTF-8")?;
        self.berth.ok(["set", "restore", NAME, file, "--exist"]).map(drop)
    }

    /// Sends a packet, and returns when it has been judged.
    pub fn send(&self, packet: &Packet) -> Result<()> {
        self.side.send(packet)?;
        if packet.way == Way::Out { self.side.wait_for(packet) } else { Ok(()) }
    }

    /// The rules with what they have counted.
    pub fn save(&self, family: Family) -> Result<Ruleset> {
        let text = self.berth.ok([&["rules", "save", NAME, "--counters"], option(family)].concat())?;
        parse(family, &text).with_context(|| format!("what berth printed:\n{text}"))
    }
}

fn option(family: Family) -> &'static [&'static str] {
    if family == Family::Ipv6 { &["--ipv6"] } else { &[] }
}
