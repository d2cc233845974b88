//! What the benchmark prints.

use std::fmt::Write as _;

use anyhow::Result;
use serde::Serialize;

use super::machine;
use super::samples::Summary;

/// Where a packet is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hook {
    /// It arrives at an uplink.
    UplinkIngress,
    /// A socket sends it.
    SocketEgress,
    /// It leaves by an uplink.
    UplinkEgress,
    /// From an interface to a socket.
    Stack,
    /// To another host and back.
    RoundTrip,
    /// By a node from one interface to another.
    Forwarded,
    /// The same, of a connection: not one packet, but 1,000,000 bytes.
    Stream,
    /// Calls of sockets that talk to each other.
    Sockets,
}

impl Hook {
    const ALL: [Self; 8] = [
        Self::UplinkIngress,
        Self::SocketEgress,
        Self::UplinkEgress,
        Self::Stack,
        Self::RoundTrip,
        Self::Forwarded,
        Self::Stream,
        Self::Sockets,
    ];

    fn title(self) -> &'static str {
        match self {
            Self::UplinkIngress => "arriving at an uplink (test runs)",
            Self::SocketEgress => "sent by a container's socket (live, cgroup hook)",
            Self::UplinkEgress => "leaving by an uplink (live, TC hook)",
            Self::Stack => "from an interface to a socket, above nothing",
            Self::RoundTrip => "a byte to another host and back, the whole",
            Self::Forwarded => "a datagram forwarded by a node, the whole",
            Self::Stream => "1,000,000 bytes forwarded (iperf3), the whole",
            Self::Sockets => "sockets that talk by loopback, the whole",
        }
    }
}

/// One way to find a packet's owner, measured.
#[derive(Clone, Debug, Serialize)]
pub struct Case {
    /// Where.
    pub hook: Hook,
    /// Which way.
    #[serde(rename = "case")]
    pub name: &'static str,
    /// How many flows were in the table; the packets came from as many sources.
    pub flows: u32,
    /// Nanoseconds, above those of an empty program; for the empty program itself, all that were measured.
    pub ns: Summary,
}

/// A command of berth's, measured from its start to its end.
#[derive(Clone, Debug, Serialize)]
pub struct Command {
    /// Its arguments.
    #[serde(rename = "command")]
    pub name: &'static str,
    /// How many flows were in the table.
    pub flows: u32,
    /// Milliseconds.
    pub ms: Summary,
}

/// One measurement held against another of the same round.
#[derive(Clone, Debug, Serialize)]
pub struct Ratio {
    /// Which one.
    pub name: &'static str,
    /// In hundredths of the other.
    pub percent: Summary,
}

/// All that was measured in one run.
#[derive(Debug, Serialize)]
pub struct Report {
    title: &'static str,
    kernel: String,
    processor: String,
    rounds: u32,
    cases: Vec<Case>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    commands: Vec<Command>,
    /// Against what, and how it compares.
    #[serde(skip_serializing_if = "Option::is_none")]
    ratios: Option<(&'static str, Vec<Ratio>)>,
}

impl Report {
    /// Of a run on this machine.
    pub fn new(title: &'static str, rounds: u32, cases: Vec<Case>) -> Self {
        Self {
            title,
            kernel: machine::kernel(),
            processor: machine::name(),
            rounds,
            cases,
            commands: Vec::new(),
            ratios: None,
        }
    }

    /// With commands, too.
    pub fn with_commands(self, commands: Vec<Command>) -> Self {
        Self { commands, ..self }
    }

    /// With some of it held against other of it, which `against` tells.
    pub fn with_ratios(self, against: &'static str, ratios: Vec<Ratio>) -> Self {
        Self { ratios: Some((against, ratios)), ..self }
    }

    /// Prints it, for people or programs.
    pub fn print(&self, json: bool) -> Result<()> {
        if json {
            println!("{}", serde_json::to_string_pretty(self)?);
        } else {
            print!("{}", self.table());
        }
        Ok(())
    }

    fn table(&self) -> String {
        let Self { title, kernel, processor, rounds, .. } = self;
        let mut text = format!(
            "{title}: ns per packet above an empty program, but for the whole of something; median of {rounds} rounds (least to most)\n\
             Linux {kernel}, {processor}\n"
        );
        for hook in Hook::ALL {
            let cases = self.cases.iter().filter(|case| case.hook == hook);
            section(
                hook.title(),
                &cases.map(|case| (case.name, case.flows, case.ns)).collect::<Vec<_>>(),
                &mut text,
            );
        }
        let commands = self.commands.iter().map(|command| (command.name, command.flows, command.ms));
        section("berth, from start to end, in milliseconds", &commands.collect::<Vec<_>>(), &mut text);
        if let Some((against, ratios)) = &self.ratios {
            let _ = writeln!(text, "\nin hundredths {against}");
            for Ratio { name, percent } in ratios {
                let _ = writeln!(text, "  {name:<48}{:>24}", percent.to_string());
            }
        }
        text
    }
}

/// Adds what was measured of each name with each number of flows.
fn section(title: &str, cases: &[(&str, u32, Summary)], text: &mut String) {
    if cases.is_empty() {
        return;
    }
    let (mut names, mut columns) = (Vec::new(), Vec::new());
    for (name, flows, _) in cases {
        if !names.contains(name) {
            names.push(*name);
        }
        if !columns.contains(flows) {
            columns.push(*flows);
        }
    }
    let _ = write!(text, "\n{title:<50}");
    for flows in &columns {
        let _ = write!(text, "{:>24}", if *flows == 1 { "1 flow".into() } else { format!("{flows} flows") });
    }
    text.push('\n');
    for name in names {
        let _ = write!(text, "  {name:<48}");
        for flows in &columns {
            let found = cases.iter().find(|(other, number, _)| *other == name && number == flows);
            let _ =
                write!(text, "{:>24}", found.map_or_else(String::new, |(_, _, summary)| summary.to_string()));
        }
        text.push('\n');
    }
}
