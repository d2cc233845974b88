//! Benchmarks of the loaded programs: `cargo xtask bench NAME`.

use clap::{Parser, Subcommand};

use berth_tests::bench::{attribution, rules};

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
    /// What rules cost, by how many there are
    Rules(rules::Options),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().benchmark {
        Benchmark::Attribution(options) => attribution::run(&options),
        Benchmark::Rules(options) => rules::run(&options),
    }
}
