//! Random rules, of the kinds that operators write, and packets for them.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddrV4};

use anyhow::{Result, anyhow};
use berth::compile::{Bounds, Compiled, compile};
use berth::lower::{Lowered, Names, Source, lower};
use berth::rules::{family::Family, parse::parse, ruleset::Ruleset};
use berth_common::memory::generate::Random;

use super::super::tuple::Tuple;

/// The container's address.
pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);
/// Nobody's, and in no rule.
const STRANGER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);
/// Rules name ports below; the last rule names this one.
const LAST_PORT: u16 = 60_000;
const TCP: u8 = 6;
const UDP: u8 = 17;

/// Whether rules know of flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// They do not.
    Stateless,
    /// What is established is accepted first, and all other rules are for new packets.
    Stateful,
    /// The same, and flows keep verdicts.
    Kept,
}

/// Rules, all of which accept, as does the policy: what a drop costs beyond them is not the rules'.
#[derive(Clone, Debug)]
pub struct Rules {
    /// As iptables-save would write them.
    pub text: String,
    /// For each random rule, in order, a packet that it matches, if none before does.
    pub packets: Vec<Tuple>,
}

impl Rules {
    /// So many rules, at least eight, drawn from a seed.
    pub fn new(kind: Kind, count: usize, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut text =
            String::from("*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n");
        let state = match kind {
            Kind::Stateless => "",
            Kind::Stateful | Kind::Kept => {
                text += "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n\
                         -A INPUT -m conntrack --ctstate INVALID -j ACCEPT\n";
                " -m conntrack --ctstate NEW"
            }
        };
        let random_rules = count.saturating_sub(kind.states());
        let mut packets = Vec::with_capacity(random_rules);
        for number in 1..=random_rules {
            let (matches, packet) = if number == random_rules { last() } else { rule(&mut random) };
            let _ = writeln!(text, "-A INPUT{matches}{state} -j ACCEPT");
            packets.push(packet);
        }
        text += "COMMIT\n";
        Self { text, packets }
    }
}

impl Kind {
    /// How many rules come before the random ones.
    pub const fn states(self) -> usize {
        match self {
            Self::Stateless => 0,
            Self::Stateful | Self::Kept => 2,
        }
    }
}

/// A packet that no rule matches.
pub fn stranger() -> Tuple {
    packet(STRANGER, UDP, LAST_PORT + 1)
}

fn last() -> (String, Tuple) {
    (format!(" -s {STRANGER}/24 -p udp -m udp --dport {LAST_PORT}"), packet(STRANGER, UDP, LAST_PORT))
}

/// What a rule matches, and a packet that it does.
fn rule(random: &mut Random) -> (String, Tuple) {
    let source = Ipv4Addr::from(0x1000_0000 | u32::from_ne_bytes([0; 4].map(|_: u8| random.byte())) >> 4);
    let length = random.pick(&[16, 20, 24, 24, 28, 32, 32, 32]).unwrap_or(32);
    let network = Ipv4Addr::from(u32::from(source) & u32::MAX << (32 - length));
    let (name, protocol) = if random.once_in(2) { ("tcp", TCP) } else { ("udp", UDP) };
    let port = 1 + u16::try_from(random.below(40_000)).unwrap_or(0);
    let ports = match random.below(8) {
        0 => format!(" -p {name} -m multiport --dports {port},{},{}", port / 2 + 40_001, port / 3 + 40_001),
        1 | 2 => format!(" -p {name} -m {name} --dport {port}:{}", port + 99),
        _ => format!(" -p {name} -m {name} --dport {port}"),
    };
    let matches = match random.below(8) {
        0 => format!(" -s {network}/{length}"),
        1 => ports,
        2 => format!(" -s {network}/{length} -d {ADDRESS}/32{ports}"),
        _ => format!(" -s {network}/{length}{ports}"),
    };
    (matches, packet(source, protocol, port))
}

fn packet(source: Ipv4Addr, protocol: u8, port: u16) -> Tuple {
    let source = SocketAddrV4::new(source, 50_000);
    Tuple { source, destination: SocketAddrV4::new(ADDRESS, port), protocol }
}

/// Reads a text of rules for IPv4.
pub fn read(text: &str) -> Result<Ruleset> {
    parse(Family::Ipv4, text).map_err(|errors| anyhow!("{errors}"))
}

/// What the rules mean.
pub fn lowered(ruleset: &Ruleset) -> Result<Lowered> {
    Ok(lower(&Source { ipv4: Some(ruleset), ipv6: None }, &Names::default())?)
}

/// The rules as tables.
pub fn compiled(lowered: &Lowered) -> Result<Compiled> {
    Ok(compile(&lowered.ruleset, &Bounds::DEFAULT)?)
}
