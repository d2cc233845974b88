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
# What each program costs each kernel: bytes of stack (of 512), instructions that its verifier walks through (of a
# million), and bytes of machine code. `cargo xtask vm` fails if one has grown by more than a tenth;
# `cargo xtask vm --all --bless` writes this file, for the same commit as the growth and with a reason in its message.
";

/// What a program costs a kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cost {
    pub instructions: u32,
    pub jited: u32,
}

/// What is known of all programs.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Budget {
    /// Bytes of stack, by program.
    #[serde(default)]
    stack: BTreeMap<String, u64>,
    /// By kernel, by program.
    #[serde(flatten)]
    kernels: BTreeMap<String, BTreeMap<String, Cost>>,
}

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
        self.kernels.insert(kernel.to_owned(), costs);
    }

    /// Takes over what the object needs on every kernel.
    pub fn set_stack(&mut self, depths: BTreeMap<String, u64>) {
        self.stack = depths;
    }

    /// Like [`Budget::problems`], of the stack.
    pub fn stack_problems(&self, depths: &BTreeMap<String, u64>) -> Vec<String> {
        let mut problems = Vec::new();
        for (program, now) in depths {
            match self.stack.get(program) {
                Some(before) if grown(*now, *before) => {
                    problems.push(format!("{program} has grown from {before} to {now} bytes of stack"));
                }
                Some(_) => {}
                None => problems.push(format!("the stack of {program} is not in {FILE}")),
            }
        }
        problems
    }

    /// What is too much, or unknown, each as one line.
    pub fn problems(&self, kernel: &str, costs: &BTreeMap<String, Cost>) -> Vec<String> {
        let empty = BTreeMap::new();
        let known = self.kernels.get(kernel).unwrap_or(&empty);
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
                if grown(now.into(), before.into()) {
                    problems.push(format!("{kernel}: {program} has grown from {before} to {now} {what}"));
                }
            }
        }
        problems
    }

    fn text(&self) -> String {
        let mut text = HEAD.to_owned();
        let _ = writeln!(text, "\n[stack]");
        for (program, depth) in &self.stack {
            let _ = writeln!(text, "{program} = {depth}");
        }
        for (kernel, programs) in &self.kernels {
            let _ = writeln!(text, "\n[\"{kernel}\"]");
            for (program, cost) in programs {
                let Cost { instructions, jited } = cost;
                let _ = writeln!(text, "{program} = {{ instructions = {instructions}, jited = {jited} }}");
            }
        }
        text
    }
}

fn grown(now: u64, before: u64) -> bool {
    now * 100 > before * (100 + TOLERANCE)
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
    fn the_stack_has_a_budget() {
        let depths = |depth| BTreeMap::from([("berth_send".to_owned(), depth)]);
        let mut budget = Budget::default();
        assert_eq!(
            budget.stack_problems(&depths(1)),
            ["the stack of berth_send is not in tests/budget.toml"]
        );
        budget.set_stack(depths(320));
        assert!(budget.stack_problems(&depths(352)).is_empty());
        assert_eq!(
            budget.stack_problems(&depths(384)),
            ["berth_send has grown from 320 to 384 bytes of stack"]
        );
    }

    #[test]
    fn what_is_written_is_read() {
        let mut budget = Budget::default();
        budget.set("6.1", costs(1, 2));
        budget.set("newest", costs(3, 4));
        budget.set_stack([("berth_send".to_owned(), 480)].into());
        assert_eq!(toml::from_str::<Budget>(&budget.text()).unwrap(), budget);
    }
}
