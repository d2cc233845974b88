//! What the benchmark prints.

use std::fmt::Write as _;

use serde::Serialize;

use super::super::machine;
use super::super::samples::Summary;
use super::Options;
use super::cost::Cost;
use super::publish::Publishing;
use super::ruleset::Kind;

/// All that was measured in one run.
#[derive(Debug, Serialize)]
pub struct Report {
    kernel: String,
    processor: String,
    rounds: u32,
    seed: u64,
    costs: Vec<Cost>,
    publishing: Publishing,
}

impl Report {
    /// Of a run on this machine.
    pub fn new(options: &Options, costs: Vec<Cost>, publishing: Publishing) -> Self {
        let Options { rounds, seed, .. } = *options;
        Self { kernel: machine::kernel(), processor: machine::name(), rounds, seed, costs, publishing }
    }

    /// For people.
    pub fn table(&self) -> String {
        let Self { kernel, processor, rounds, seed, .. } = self;
        let mut text = format!(
            "Rules: median of {rounds} rounds (least to most); seed {seed}\nLinux {kernel}, {processor}\n"
        );
        for (kind, name) in [
            (Kind::Stateless, "stateless"),
            (Kind::Stateful, "stateful"),
            (Kind::Kept, "stateful, verdicts kept"),
        ] {
            let costs: Vec<&Cost> = self.costs.iter().filter(|cost| cost.kind == kind).collect();
            let what = "ns per packet above an empty program";
            section(&mut text, &format!("{name}: {what}"), &costs, |cost| cost.ns);
            let what = "ns of that which rules add";
            section(&mut text, &format!("{name}: {what}"), &costs, |cost| cost.added);
            sizes(&mut text, &costs);
        }
        let Publishing { rules, bytes, steps } = &self.publishing;
        let _ = writeln!(text, "\n{rules} stateful rules, {bytes} bytes, in the place of others: ms");
        let _ = writeln!(text, "  {:<48}{:>26}{:>26}", "", "passed", "of a processor");
        for step in steps {
            let [passed, processor] = [step.ms, step.processor_ms]
                .map(|Summary { median, least, most }| format!("{median:.1} ({least:.1} to {most:.1})"));
            let _ = writeln!(text, "  {:<48}{passed:>26}{processor:>26}", step.name);
        }
        text
    }
}

fn section(text: &mut String, title: &str, costs: &[&Cost], number: impl Fn(&Cost) -> Summary) {
    let (mut names, mut columns) = (Vec::new(), Vec::new());
    for cost in costs {
        if !names.contains(&cost.name) {
            names.push(cost.name);
        }
        if !columns.contains(&cost.rules) {
            columns.push(cost.rules);
        }
    }
    let _ = write!(text, "\n{title:<50}");
    for rules in &columns {
        let _ = write!(text, "{:>20}", format!("{rules} rules"));
    }
    text.push('\n');
    for name in names {
        let _ = write!(text, "  {name:<48}");
        for rules in &columns {
            let found = costs.iter().find(|cost| cost.name == name && cost.rules == *rules);
            let cell = found.map_or_else(String::new, |cost| number(cost).to_string());
            let _ = write!(text, "{cell:>20}");
        }
        text.push('\n');
    }
}

/// The line of how much room the rules take.
fn sizes(text: &mut String, costs: &[&Cost]) {
    let _ = write!(text, "  {:<48}", "bytes");
    let name = costs.first().map(|cost| cost.name);
    for cost in costs.iter().filter(|cost| Some(cost.name) == name) {
        let _ = write!(text, "{:>20}", cost.bytes);
    }
    text.push('\n');
}
