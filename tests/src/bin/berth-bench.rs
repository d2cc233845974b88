//! Benchmarks of the loaded programs: `cargo xtask bench NAME`.

use clap::{Parser, Subcommand};

use berth_tests::bench::{attribution, flood, flows, nat, rules, sets, sockets};

/// Measures what berth's programs cost
#[derive(Parser)]
#[command(name = "berth-bench")]
struct Arguments {
    #[command(subcommand)]
    benchmark: Benchmark,
}

#[derive(Subcommand)]
enum Benchmark {
    /// What it costs to find out whose a packet is, by way of finding it
    Attribution(attribution::Options),
    /// What the flow table costs, by how many flows there are
    Flows(flows::Options),
    /// How long a container's packets take while another one is flooded
    Flood(flood::Options),
    /// What it costs that a node translates, and nft and iptables beside it
    Nat(nat::Options),
    /// What rules cost, by how many there are
    Rules(rules::Options),
    /// What it costs to ask whether a packet is in a named set
    Sets(sets::Options),
    /// What it costs other sockets that the node's own reach published ports
    Sockets(sockets::Options),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().benchmark {
        Benchmark::Attribution(options) => attribution::run(&options),
        Benchmark::Flows(options) => flows::run(&options),
        Benchmark::Flood(options) => flood::run(&options),
        Benchmark::Nat(options) => nat::run(&options),
        Benchmark::Rules(options) => rules::run(&options),
        Benchmark::Sets(options) => sets::run(&options),
        Benchmark::Sockets(options) => sockets::run(&options),
    }
}
