//! What rules cost: a packet, room, and the time until they are in force.

mod cost;
pub mod guest;
mod publish;
mod report;
pub mod ruleset;

use anyhow::{Context, Result};

use self::report::Report;
use super::machine::stay_on_one;

/// How to measure.
#[derive(clap::Args, Debug)]
pub struct Options {
    /// Numbers of rules
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "16,256,1024,4096")]
    rules: Vec<usize>,
    /// How many rules are put in force to see how long that takes
    #[arg(long, value_name = "N", default_value = "4096")]
    replaced: usize,
    /// How often everything is measured
    #[arg(long, value_name = "N", default_value = "11")]
    rounds: u32,
    /// What the random rules are drawn from
    #[arg(long, value_name = "N", default_value = "1")]
    seed: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Measures and prints.
pub fn run(options: &Options) -> Result<()> {
    let publishing = publish::measure(options.replaced, options.rounds, options.seed)?;
    stay_on_one().context("stay on one processor")?;
    let costs = cost::measure(&options.rules, options.rounds, options.seed)?;
    let report = Report::new(options, costs, publishing);
    if options.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{}", report.table());
    }
    Ok(())
}
