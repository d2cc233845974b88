//! What it costs to find out whose a packet is.

use anyhow::{Context, Result};

use super::machine::stay_on_one;
use super::report::Report;
use super::{egress, ingress};

/// How to measure.
#[derive(clap::Args, Debug)]
pub struct Options {
    /// How many flows the table is to have for packets that arrive; powers of two
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "1,65536")]
    flows: Vec<u32>,
    /// How often everything is measured
    #[arg(long, value_name = "N", default_value = "11")]
    rounds: u32,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Measures and prints.
pub fn run(options: &Options) -> Result<()> {
    stay_on_one().context("stay on one processor")?;
    let mut cases = ingress::measure(&options.flows, options.rounds)?;
    cases.extend(egress::measure(options.rounds)?);
    Report::new("Attribution", options.rounds, cases).print(options.json)
}
