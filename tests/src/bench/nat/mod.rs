//! What it costs that a node translates: berth beside nft, iptables, and iptables as Docker uses it.

mod guard;
mod node;

use anyhow::Result;

use self::guard::Guard;
use self::node::{Load, Node, Way};
use super::report::{Case, Hook, Ratio, Report};
use super::samples::Samples;

/// Where the guest serves, where the node publishes that, and where the remote host serves.
const INSIDE: u16 = 80;
const OUTSIDE: u16 = 8_080;
const THERE: u16 = 7_777;

/// Where in [`Guard::ALL`] they are.
const BERTH: usize = 1;
const FAST: usize = 2;
const NFT: usize = 3;

/// How to measure.
#[derive(clap::Args, Debug)]
pub struct Options {
    /// How often everything is measured
    #[arg(long, value_name = "N", default_value = "7")]
    rounds: u32,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What is measured is called so of each guard, in the order of [`Guard::ALL`].
macro_rules! named {
    ($what:literal) => {
        [
            concat!($what, ": no filter"),
            concat!($what, ": berth"),
            concat!($what, ": berth, fast path"),
            concat!($what, ": nft"),
            concat!($what, ": iptables"),
            concat!($what, ": as Docker has it"),
        ]
    };
}

/// What is measured of each guard.
const RUNS: [(Way, Load, Hook, [&str; 6]); 8] = [
    (Way::Out, Load::Datagrams, Hook::Forwarded, named!("out, one flow")),
    (Way::In, Load::Datagrams, Hook::Forwarded, named!("in, one flow")),
    (Way::Out, Load::NewFlows, Hook::Forwarded, named!("out, each begins a flow")),
    (Way::In, Load::NewFlows, Hook::Forwarded, named!("in, each begins a flow")),
    (Way::Out, Load::Stream, Hook::Stream, named!("out")),
    (Way::In, Load::Stream, Hook::Stream, named!("in")),
    (Way::Out, Load::Segments, Hook::Stream, named!("out, segment by segment")),
    (Way::In, Load::Segments, Hook::Stream, named!("in, segment by segment")),
];

/// Measures and prints.
pub fn run(options: &Options) -> Result<()> {
    let mut nodes = Guard::ALL.into_iter().map(Node::new).collect::<Result<Vec<_>>>()?;
    let mut samples = RUNS.map(|(.., names)| names.map(|name| (name, Samples::default())));
    let mut ratios = RUNS.map(|(.., names)| [BERTH, FAST].map(|guard| (names[guard], Samples::default())));
    for round in 0..=options.rounds {
        for (((way, load, ..), samples), ratios) in RUNS.iter().zip(&mut samples).zip(&mut ratios) {
            let taken: Vec<f64> =
                nodes.iter_mut().map(|node| node.measure(*way, *load)).collect::<Result<_>>()?;
            // The first round warms up.
            if round > 0 {
                for ((_, samples), taken) in samples.iter_mut().zip(&taken) {
                    samples.add(*taken);
                }
                for ((_, ratios), guard) in ratios.iter_mut().zip([BERTH, FAST]) {
                    ratios.add(100. * taken[guard] / taken[NFT]);
                }
            }
        }
    }
    let cases = RUNS.iter().zip(samples).flat_map(|((_, _, hook, _), samples)| {
        samples
            .into_iter()
            .filter_map(|(name, samples)| Some(Case { hook: *hook, name, flows: 1, ns: samples.summary()? }))
    });
    let ratio = |(name, samples): (&'static str, Samples)| Some(Ratio { name, percent: samples.summary()? });
    Report::new("Translation", options.rounds, cases.collect())
        .with_ratios("of what nft takes", ratios.into_iter().flatten().filter_map(ratio).collect())
        .print(options.json)
}
