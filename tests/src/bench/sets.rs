//! What it costs to ask whether a packet is in a named set.

use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

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
use super::world::{PLAIN, PLAIN_PORT, World};
use crate::bpf::asm::{
    Insn, Reg, add, and, call, copy, exit, first_value_of, load_u32, load_u64, map_itself, set, shift_right,
    skip_if_above, store_u8, store_u16, store_u64,
};
use crate::bpf::sys;
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
    /// How often everything is measured
    #[arg(long, value_name = "N", default_value = "11")]
    rounds: u32,
}

const LO: u32 = 1;
const RUNS: i32 = 1 << 18;
const NEXT: i32 = -1;
const TAIL_CALL: i32 = 12;

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
            let empty = stand.run(0)?;
            let before = stand.world.packets(PLAIN)?;
            let taken = stand.run(1)?;
            let counted = stand.world.packets(PLAIN)? - before;
            ensure!(counted == u64::try_from(RUNS)?, "{counted} packets were counted");
            // The first round warms up.
            if round > 0 {
                case.samples.add(taken - empty);
            }
        }
    }
    Ok(())
}

/// A loaded object with rules for a container, and a program before it that gives each packet another source.
struct Stand {
    world: World,
    program: OwnedFd,
    state: OwnedFd,
    _targets: OwnedFd,
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
            world.put_inner("RULESETS", PLAIN.0, &lines)?;
            world.add_flags(PLAIN, Container::HAS_RULES)?;
        }
        if let Some((kind, entries, lengths)) = case.set {
            world.put_inner("SETS", 5, &table(kind, entries, lengths)?.lines(1))?;
        }
        let empty = sys::load_classifier("bench_empty", &[set(Reg::R0, NEXT), exit()])?;
        let state = sys::create_array("bench_state", 16, 1).context("make a map")?;
        let targets = sys::create_program_array("bench_targets", 2).context("make an array of programs")?;
        let program = sys::load_classifier("bench_addresses", &instructions(state.as_fd(), targets.as_fd()))?;
        let measured = world.object().program("berth_up_in")?;
        for (target, program) in (0..).zip([empty.as_fd(), measured]) {
            sys::set_program(targets.as_fd(), target, program).context("fill an array of programs")?;
        }
        Ok(Self { program, state, _targets: targets, world })
    }

    /// Nanoseconds that a packet takes.
    fn run(&self, target: u64) -> Result<f64> {
        sys::set_first_value(self.state.as_fd(), &[0, target])?;
        let packet = Packet::udp(at(IpAddr::V4(Ipv4Addr::new(11, 0, 0, 0)), 7), at(NODE_V4, PLAIN_PORT));
        let packet = ethernet_ip(REMOTE_MAC, NODE_MAC, &packet.payload([0; 18]).build()?);
        let (returned, taken) =
            sys::test_run(self.program.as_fd(), &packet, RUNS.cast_unsigned()).context("run a program")?;
        ensure!(returned.cast_signed() == NEXT, "a program returned {returned}: was the packet in the set?");
        Ok(f64::from(taken))
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
    Table::of(form, &all).context("too many lengths")
}

/// Gives each packet another of 65,536 sources, in an order that is not theirs, and calls the program that is wanted.
fn instructions(state: BorrowedFd<'_>, targets: BorrowedFd<'_>) -> Vec<Insn> {
    // Where things are in a `struct __sk_buff`, in an Ethernet frame, and in the state.
    const DATA: i16 = 76;
    const DATA_END: i16 = 80;
    const ADDRESS: i16 = 27;
    const LENGTH: i32 = 42;
    const COUNT: i16 = 0;
    const TARGET: i16 = 8;
    let (context, words, number) = (Reg::R6, Reg::R7, Reg::R8);
    let mut next = vec![store_u16(Reg::R2, ADDRESS, number), shift_right(number, 8)];
    next.extend([
        store_u8(Reg::R2, ADDRESS + 2, number),
        load_u64(Reg::R3, words, TARGET),
        copy(Reg::R1, context),
    ]);
    next.extend(map_itself(Reg::R2, targets));
    next.push(call(TAIL_CALL));
    let mut program = vec![copy(context, Reg::R1)];
    program.extend(first_value_of(words, state));
    program.extend([
        load_u64(number, words, COUNT),
        copy(Reg::R9, number),
        add(Reg::R9, 1),
        store_u64(words, COUNT, Reg::R9),
        and(number, 0xffff),
        load_u32(Reg::R2, context, DATA),
        load_u32(Reg::R3, context, DATA_END),
        copy(Reg::R4, Reg::R2),
        add(Reg::R4, LENGTH),
        skip_if_above(Reg::R4, Reg::R3, i16::try_from(next.len()).unwrap_or(i16::MAX)),
    ]);
    program.extend(next);
    program.extend([set(Reg::R0, 0), exit()]);
    program
}
