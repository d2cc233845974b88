//! What it costs to ask whether a packet is in a named set.

use std::net::{IpAddr, Ipv4Addr};

use anyhow::{Context, Result, ensure};
use berth::compile::{Bounds, compile};
use berth::lower::{Names, Source, lower};
use berth::rules::{family::Family, parse::parse};
use berth::sets::{Form, Table};
use berth_common::abi::{
    container::Container,
    rules::Family as Addresses,
    set::{Entry, Kind, Parts},
};

use super::samples::{Samples, Summary};
use super::turnstile::{Target, Turnstile};
use super::world::{PLAIN, PLAIN_PORT, World};
use crate::frame::{Packet, ethernet_ip};
use crate::netns::Netns;
use crate::topology::{NODE_MAC, NODE_V4, REMOTE_MAC, at};
use crate::{in_netns, name};

/// How to measure.
#[derive(clap::Args, Debug)]
pub struct Options {
    /// How many entries a set has
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "1,1000,100000")]
    entries: Vec<u32>,
    /// Measure only those sets whose name begins so
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    /// How often everything is measured
    #[arg(long, value_name = "N", default_value = "11")]
    rounds: u32,
}

const LO: u32 = 1;
const RUNS: u32 = 1 << 18;

/// What rules there are.
struct Case {
    name: String,
    rules: String,
    set: Option<(Kind, u32, u8)>,
    samples: Samples,
}

/// Measures and prints.
pub fn run(options: &Options) -> Result<()> {
    let mut cases = vec![case("no rules", "", None), case("one rule on the address", "-s 203.0.113.1", None)];
    for &entries in &options.entries {
        let mut with = |name, directions: &str, kind, lengths| {
            let rule = format!("-m set --match-set s {directions}");
            cases.push(case(&format!("{name} of {entries}"), &rule, Some((kind, entries, lengths))));
        };
        with("hash:ip", "src", Kind::HashIp, 1);
        with("hash:ip,port", "src,dst", Kind::HashIpPort, 1);
        with("hash:net, 1 length", "src", Kind::HashNet, 1);
        with("hash:net, 4 lengths", "src", Kind::HashNet, 4);
        with("hash:net, 16 lengths", "src", Kind::HashNet, 16);
    }
    cases.retain(|case| case.set.is_none() || case.name.starts_with(&options.only));
    let netns = Netns::create(&name::unique())?;
    in_netns(&netns, || measure(&mut cases, options.rounds))??;
    println!("ns per packet above an empty program; median of {} rounds (least to most)", options.rounds);
    for Case { name, samples, .. } in &cases {
        if let Some(Summary { median, least, most }) = samples.summary() {
            println!("  {name:<32} {median:>6.0} ({least:.0} to {most:.0})");
        }
    }
    Ok(())
}

fn case(name: &str, rules: &str, set: Option<(Kind, u32, u8)>) -> Case {
    Case { name: name.to_owned(), rules: rules.to_owned(), set, samples: Samples::default() }
}

fn measure(cases: &mut [Case], rounds: u32) -> Result<()> {
    let mut stands = Vec::new();
    for case in cases.iter() {
        stands.push(Stand::new(case).with_context(|| case.name.clone())?);
    }
    for round in 0..=rounds {
        for (case, stand) in cases.iter_mut().zip(&stands) {
            let empty = stand.run(Target::Empty)?;
            let before = stand.world.packets(PLAIN)?;
            let taken = stand.run(Target::Measured)?;
            let counted = stand.world.packets(PLAIN)? - before;
            ensure!(counted == u64::from(RUNS), "{counted} packets were counted");
            // The first round warms up.
            if round > 0 {
                case.samples.add(taken - empty);
            }
        }
    }
    Ok(())
}

/// A loaded object with rules for a container, whose packets come from many addresses.
struct Stand {
    world: World,
    turnstile: Turnstile,
}

impl Stand {
    fn new(case: &Case) -> Result<Self> {
        let mut world = World::load(&["berth_up_in"], 1 << 16, LO, None)?;
        if !case.rules.is_empty() {
            let text = format!("*filter\n-A INPUT {} -j DROP\nCOMMIT\n", case.rules);
            let ruleset = parse(Family::Ipv4, &text)?;
            let names = Names { sets: vec![("s".to_owned(), 5, None)], ..Names::default() };
            let lowered = lower(&Source { ipv4: Some(&ruleset), ipv6: None }, &names)?;
            let lines = compile(&lowered.ruleset, &Bounds::DEFAULT)?.lines;
            world.put_rules(PLAIN, &lines)?;
            world.add_flags(PLAIN, Container::HAS_RULES)?;
        }
        if let Some((kind, entries, lengths)) = case.set {
            world.put_set(5, &table(kind, entries, lengths)?.lines(1))?;
        }
        Ok(Self { turnstile: Turnstile::of_addresses(world.object().program("berth_up_in")?)?, world })
    }

    /// Nanoseconds that a packet takes.
    fn run(&self, target: Target) -> Result<f64> {
        let packet = Packet::udp(at(IpAddr::V4(Ipv4Addr::new(11, 0, 0, 0)), 7), at(NODE_V4, PLAIN_PORT));
        let packet = ethernet_ip(REMOTE_MAC, NODE_MAC, &packet.payload([0; 18]).build()?);
        self.turnstile.run(target, &packet, RUNS)
    }
}

/// A set none of whose entries the packets match, but that is full of such as come near: 10.0.0.0/8, where packets come
/// from 11.0.0.0/8.
fn table(kind: Kind, entries: u32, lengths: u8) -> Result<Table> {
    let form = Form::of(kind, Addresses::Ipv4);
    let entry = |number: u32| {
        let prefix = 32 - u8::try_from(number % u32::from(lengths)).unwrap_or(0);
        let address = 0x0a00_0000 + number.wrapping_mul(163).wrapping_mul(0x101) % 0x0100_0000;
        let parts = Parts { first: [0, address.into()], prefix, port: 80, protocol: 6, second: [0; 2] };
        Entry::new(
            kind,
            form.family,
            &if kind.has_port() { parts } else { Parts { port: 0, protocol: 0, ..parts } },
        )
    };
    let mut all: Vec<Entry> = (0..entries).map(entry).collect();
    all.sort_unstable();
    all.dedup();
    Ok(Table::of(form, &all)?)
}
