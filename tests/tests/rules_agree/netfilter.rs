//! The rules in the container's own network namespace, by iptables and ip6tables.

use std::process::Command;

use anyhow::{Context, Result};
use berth::rules::{
    family::Family,
    feature::Feature,
    parse::parse,
    ruleset::Ruleset,
    save::to_save,
    table::{Table, TableName},
};
use berth_tests::{Conntrack, Endpoint, process, sysctl};

use crate::packet::Packet;
use crate::rulesets::has;
use crate::side::Side;

/// A container whose packets netfilter judges.
pub struct Netfilter {
    side: Side,
    tools: &'static str,
    conntrack: Conntrack,
}

/// The kernel's own matches in the order of the rules, and the same translated to another language, which has its own
/// arithmetic for some.
const TOOLS: [&str; 2] = ["tables-legacy", "tables"];

impl Netfilter {
    /// Takes over a container.
    pub fn new(side: Side) -> Result<Self> {
        let conntrack = Conntrack::open(&side.container)?;
        let works = |tools: &&str| {
            let mut made = Self::restore_command(&side, tools, Family::Ipv4);
            made.as_mut().is_ok_and(|command| process::ok_with_input(command, "").is_ok())
        };
        let tools = TOOLS.into_iter().find(works).context("no iptables-restore works here")?;
        let netfilter = Self { side, tools, conntrack };
        // Its settings are not there before it is.
        netfilter.restore_text(Family::Ipv4, "*filter\n-A INPUT -m conntrack --ctstate NEW\nCOMMIT\n")?;
        sysctl::set(netfilter.side.container.netns(), "netfilter/nf_conntrack_checksum", "0")?;
        Ok(netfilter)
    }

    /// Puts rules in force, with nothing counted and no flows.
    pub fn restore(&mut self, ruleset: &Ruleset) -> Result<()> {
        let mut whole = ruleset.clone();
        for name in [TableName::Mangle, TableName::Filter] {
            whole.tables.entry(name).or_insert_with(|| Table::empty(name));
        }
        if has(ruleset, Feature::Recent) {
            // A list that the rules before had too would stay as it is.
            let mut none = Ruleset::new(ruleset.family);
            none.tables = whole.tables.keys().map(|&name| (name, Table::empty(name))).collect();
            self.restore_text(ruleset.family, &to_save(&none, false))?;
        }
        self.restore_text(ruleset.family, &to_save(&whole, false))?;
        self.conntrack.forget()
    }

    /// Makes named sets; false if there are none to be had here.
    pub fn make_sets(&self, text: &str) -> Result<bool> {
        let ipset = |arguments: &[&str]| -> Result<Command> {
            let mut command = self.side.container.command("ipset")?;
            command.args(arguments);
            Ok(command)
        };
        let mut made = ipset(&["restore"])?;
        if process::ok_with_input(&mut made, "create probe hash:ip\n").is_err() {
            return Ok(false);
        }
        // The kernel may have sets, and nothing to match them with.
        let probe = "*filter\n-A INPUT -m set --match-set probe src\nCOMMIT\n";
        if self.restore_text(Family::Ipv4, probe).is_err() {
            return Ok(false);
        }
        process::ok_with_input(&mut ipset(&["restore", "-exist"])?, text).with_context(|| text.to_owned())?;
        Ok(true)
    }

    /// Where its packets are.
    pub fn side(&self) -> &Side {
        &self.side
    }

    /// Sends a packet, and returns when it has been judged.
    pub fn send(&self, packet: &Packet) -> Result<()> {
        self.side.send(packet)?;
        if packet.way == crate::packet::Way::In { self.side.wait_for(packet) } else { Ok(()) }
    }

    /// The rules with what they have counted.
    pub fn save(&self, family: Family) -> Result<Ruleset> {
        let mut command = self.side.container.command(&self.program(family, "save"))?;
        let text = process::ok(command.arg("-c"))?;
        parse(family, &text).with_context(|| format!("what iptables-save printed:\n{text}"))
    }

    fn restore_text(&self, family: Family, text: &str) -> Result<()> {
        let mut command = Self::restore_command(&self.side, self.tools, family)?;
        process::ok_with_input(&mut command, text).with_context(|| text.to_owned())
    }

    fn restore_command(side: &Side, tools: &str, family: Family) -> Result<Command> {
        Ok(side.container.command(&program(tools, family, "restore"))?)
    }

    fn program(&self, family: Family, what: &str) -> String {
        program(self.tools, family, what)
    }
}

fn program(tools: &str, family: Family, what: &str) -> String {
    let ip = if family == Family::Ipv4 { "ip" } else { "ip6" };
    format!("{ip}{tools}-{what}")
}
