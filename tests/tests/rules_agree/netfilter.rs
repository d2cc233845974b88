//! The rules in the container's own network namespace, by iptables and ip6tables.

use std::io::{Read, Write};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use berth::rules::{
    family::Family,
    feature::Feature,
    parse::parse,
    ruleset::Ruleset,
    save::to_save,
    table::{Table, TableName},
};
use berth_tests::{Endpoint, process, sysctl};
use socket2::{Domain, Protocol, Socket, Type};

use crate::packet::Packet;
use crate::rulesets::has;
use crate::side::Side;

/// A container whose packets netfilter judges.
pub struct Netfilter {
    side: Side,
    tools: &'static str,
    conntrack: Socket,
}

/// The kernel's own matches in the order of the rules, and the same translated to another language, which has its own
/// arithmetic for some.
const TOOLS: [&str; 2] = ["tables-legacy", "tables"];

/// nfnetlink: the request to forget every flow, and its answer's length (include/uapi/linux/netfilter/nfnetlink.h).
const FORGET_FLOWS: [u8; 20] = [20, 0, 0, 0, 2, 1, 5, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
const NFNETLINK: i32 = 12;

impl Netfilter {
    /// Takes over a container.
    pub fn new(side: Side) -> Result<Self> {
        let conntrack = side.container.socket(
            Domain::from(libc::AF_NETLINK),
            Type::RAW,
            Some(Protocol::from(NFNETLINK)),
        )?;
        let works = |tools: &&str| {
            let mut made = Self::restore_command(&side, tools, Family::Ipv4);
            made.as_mut().is_ok_and(|command| run_with_input(command, "").is_ok())
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
        self.conntrack.write_all(&FORGET_FLOWS)?;
        let mut answer = [0; 256];
        let length = self.conntrack.read(&mut answer)?;
        ensure!(length >= 20 && answer[16..20] == [0; 4], "flows stay: {:?}", &answer[..length]);
        Ok(())
    }

    /// Makes named sets; false if there are none to be had here.
    pub fn make_sets(&self, text: &str) -> Result<bool> {
        let ipset = |arguments: &[&str]| -> Result<Command> {
            let mut command = self.side.container.command("ipset")?;
            command.args(arguments);
            Ok(command)
        };
        let mut made = ipset(&["restore"])?;
        if run_with_input(&mut made, "create probe hash:ip\n").is_err() {
            return Ok(false);
        }
        // The kernel may have sets, and nothing to match them with.
        let probe = "*filter\n-A INPUT -m set --match-set probe src\nCOMMIT\n";
        if self.restore_text(Family::Ipv4, probe).is_err() {
            return Ok(false);
        }
        run_with_input(&mut ipset(&["restore", "-exist"])?, text).with_context(|| text.to_owned())?;
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
        run_with_input(&mut command, text).with_context(|| text.to_owned())
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

fn run_with_input(command: &mut Command, text: &str) -> Result<()> {
    let mut input = tempfile::tempfile()?;
    input.write_all(text.as_bytes())?;
    std::io::Seek::rewind(&mut input)?;
    let output = process::Process::spawn_with_stdin(command, input)?.wait(berth_tests::wait::LIMIT)?;
    ensure!(output.success(), "{}{}", output.stdout, output.stderr);
    Ok(())
}
