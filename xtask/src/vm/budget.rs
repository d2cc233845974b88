//! What the programs cost each kernel, held against what they have cost before: `tests/budget.toml`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::workspace::Workspace;

/// Where it is kept.
pub const FILE: &str = "tests/budget.toml";
/// That of the fixtures.
pub const FIXTURES: &str = "tests/fixtures.toml";

/// Growth that passes, in hundredths.
const TOLERANCE: u64 = 10;

const HEAD: &str = "\
# What each program costs each kernel: instructions that its verifier walks through (of a million) and bytes of machine
# code. `cargo xtask vm` fails if either has grown by more than a tenth; `cargo xtask vm --all --bless` writes this
# file, for the same commit as the growth and with a reason in its message.
";

/// What a program costs a kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cost {
    pub instructions: u32,
    pub jited: u32,
}

/// By kernel, by program.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Budget(BTreeMap<String, BTreeMap<String, Cost>>);

impl Budget {
    pub fn read(workspace: &Workspace, file: &str) -> Result<Self> {
        let path = workspace.root.join(file);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        toml::from_str(&text).with_context(|| format!("{} is wrong", path.display()))
    }

    pub fn write(&self, workspace: &Workspace) -> Result<()> {
        Ok(fs::write(workspace.root.join(FILE), self.text())?)
    }

    /// Takes over what a kernel has found.
    pub fn set(&mut self, kernel: &str, costs: BTreeMap<String, Cost>) {
        self.0.insert(kernel.to_owned(), costs);
    }

    /// What is too much, or unknown, each as one line.
    pub fn problems(&self, kernel: &str, costs: &BTreeMap<String, Cost>) -> Vec<String> {
        let empty = BTreeMap::new();
        let known = self.0.get(kernel).unwrap_or(&empty);
        let mut problems = Vec::new();
        for (program, cost) in costs {
            let Some(budget) = known.get(program) else {
                problems.push(format!("{kernel}: {program} is not in tests/budget.toml"));
                continue;
            };
            let counts = [
                ("instructions", cost.instructions, budget.instructions),
                ("jited bytes", cost.jited, budget.jited),
            ];
            for (what, now, before) in counts {
                if u64::from(now) * 100 > u64::from(before) * (100 + TOLERANCE) {
                    problems.push(format!("{kernel}: {program} has grown from {before} to {now} {what}"));
                }
            }
        }
        problems
    }

    fn text(&self) -> String {
        let mut text = HEAD.to_owned();
        for (kernel, programs) in &self.0 {
            let _ = writeln!(text, "\n[\"{kernel}\"]");
            for (program, cost) in programs {
                let Cost { instructions, jited } = cost;
                let _ = writeln!(text, "{program} = {{ instructions = {instructions}, jited = {jited} }}");
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn costs(instructions: u32, jited: u32) -> BTreeMap<String, Cost> {
        [("berth_send".to_owned(), Cost { instructions, jited })].into()
    }

    #[test]
    fn a_tenth_more_passes_and_no_more_than_that() {
        let mut budget = Budget::default();
        budget.set("6.1", costs(1000, 500));
        assert!(budget.problems("6.1", &costs(1100, 500)).is_empty());
        assert!(budget.problems("6.1", &costs(10, 5)).is_empty());
        let problems = budget.problems("6.1", &costs(1101, 600));
        assert_eq!(
            problems,
            [
                "6.1: berth_send has grown from 1000 to 1101 instructions",
                "6.1: berth_send has grown from 500 to 600 jited bytes",
            ]
        );
    }

    #[test]
    fn what_has_no_budget_is_told() {
        let problems = Budget::default().problems("6.1", &costs(1, 1));
        assert_eq!(problems, ["6.1: berth_send is not in tests/budget.toml"]);
    }

    #[test]
    fn what_is_written_is_read() {
        let mut budget = Budget::default();
        budget.set("6.1", costs(1, 2));
        budget.set("newest", costs(3, 4));
        assert_eq!(toml::from_str::<Budget>(&budget.text()).unwrap(), budget);
    }
}
