//! What came of all the kernels.

use std::collections::{BTreeMap, BTreeSet};

use super::budget::Cost;
use super::protocol::{Event, Outcome};

/// What came of one kernel.
#[derive(Debug, Default)]
pub struct Report {
    pub kernel: String,
    pub release: Option<String>,
    pub costs: BTreeMap<String, Cost>,
    pub tests: BTreeMap<String, (Outcome, u64)>,
    /// What is wrong with it as a whole, each as one text.
    pub problems: Vec<String>,
    /// Whether it has told us anything.
    pub alive: bool,
    pub done: bool,
    /// The present test, and what it has said.
    output: Vec<String>,
    verbose: bool,
}

impl Report {
    pub fn new(kernel: &str, verbose: bool) -> Self {
        Self { kernel: kernel.to_owned(), verbose, ..Self::default() }
    }

    /// Takes a line that the machine has printed, and shows what the user wants to see of it.
    pub fn line(&mut self, line: &str) {
        match Event::parse(line) {
            Some(event) => {
                self.alive = true;
                self.event(event);
            }
            None if line.is_empty() => {}
            None => {
                if self.verbose {
                    println!("{:<10} | {line}", self.kernel);
                }
                self.output.push(line.to_owned());
            }
        }
    }

    /// What failed, with the kernel in front.
    pub fn failures(&self) -> Vec<String> {
        let kernel = &self.kernel;
        let tests = self
            .tests
            .iter()
            .filter(|(_, (outcome, _))| matches!(outcome, Outcome::Failed | Outcome::TooSlow));
        let tests = tests.map(|(test, _)| format!("{kernel} {test}"));
        tests.chain(self.problems.iter().map(|problem| format!("{kernel}: {problem}"))).collect()
    }

    pub fn failed(&self) -> bool {
        let failed = |(outcome, _): &(Outcome, u64)| matches!(outcome, Outcome::Failed | Outcome::TooSlow);
        !self.problems.is_empty() || self.tests.values().any(failed)
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Booted { release } => {
                println!("{:<10} booted {release}", self.kernel);
                self.release = Some(release);
            }
            Event::Verified { program, instructions, jited } => {
                self.costs.insert(program, Cost { instructions: instructions.unwrap_or(0), jited });
            }
            Event::RefusedHere { program, reason } => {
                self.problem(format!("takes no program of the kind of {program}: {reason}"));
            }
            Event::Rejected { program, log } => self.problem(format!("{program} is REJECTED: {log}")),
            Event::Trouble { what } => self.problem(what),
            Event::Begin { .. } => self.output.clear(),
            Event::End { test, outcome, millis } => self.end(test, outcome, millis),
            Event::Done => self.done = true,
        }
    }

    fn problem(&mut self, text: String) {
        println!("{:<10} {text}", self.kernel);
        self.problems.push(text);
    }

    fn end(&mut self, test: String, outcome: Outcome, millis: u64) {
        let outcome = match outcome {
            Outcome::Passed => self.reason().map_or(Outcome::Passed, |reason| Outcome::NotRun { reason }),
            other => other,
        };
        let failed = matches!(outcome, Outcome::Failed | Outcome::TooSlow | Outcome::PassedAtLast);
        if failed && !self.verbose {
            for line in &self.output {
                println!("{:<10} | {line}", self.kernel);
            }
        }
        println!("{:<10} {} {test}", self.kernel, shown(&outcome, millis));
        self.output.clear();
        self.tests.insert(test, (outcome, millis));
    }

    /// Why a test that has not failed did not run after all: it says so, or is marked in the source.
    fn reason(&self) -> Option<String> {
        self.output.iter().find_map(|line| {
            let said = line.split_once("NOT RUN: ").map(|(_, reason)| reason.to_owned());
            said.or_else(|| line.contains("1 ignored").then(|| "marked as ignored".to_owned()))
        })
    }
}

/// Tests by kernel, then why some did not run.
pub fn table(reports: &[Report]) -> String {
    let tests: BTreeSet<&String> = reports.iter().flat_map(|report| report.tests.keys()).collect();
    let width = tests.iter().map(|test| test.len()).max().unwrap_or(0);
    let mut lines = vec![row("", width, reports.iter().map(|report| report.kernel.clone()))];
    let mut reasons = Vec::new();
    for test in tests {
        let cells = reports.iter().map(|report| match report.tests.get(test) {
            Some((outcome, millis)) => {
                if let Outcome::NotRun { reason } = outcome {
                    reasons.push(format!("not run on {}: {test}: {reason}", report.kernel));
                }
                shown(outcome, *millis)
            }
            None => "?".to_owned(),
        });
        let cells: Vec<String> = cells.collect();
        lines.push(row(test, width, cells.into_iter()));
    }
    lines.extend(reasons);
    lines.join("\n")
}

/// What the programs cost each kernel: instructions walked, and bytes.
pub fn costs(reports: &[Report]) -> String {
    let programs: BTreeSet<&String> = reports.iter().flat_map(|report| report.costs.keys()).collect();
    let width = programs.iter().map(|program| program.len()).max().unwrap_or(0);
    let mut lines = vec![row("", width, reports.iter().map(|report| report.kernel.clone()))];
    for program in programs {
        let cells = reports.iter().map(|report| match report.costs.get(program) {
            Some(cost) => format!("{} {}", cost.instructions, cost.jited),
            None => "REFUSED".to_owned(),
        });
        lines.push(row(program, width, cells));
    }
    lines.join("\n")
}

fn row(name: &str, width: usize, cells: impl Iterator<Item = String>) -> String {
    let cells: Vec<String> = cells.map(|cell| format!("{cell:>14}")).collect();
    format!("{name:<width$} {}", cells.join(" "))
}

fn shown(outcome: &Outcome, millis: u64) -> String {
    match outcome {
        Outcome::Passed => format!("ok {:>5}.{} s", millis / 1000, millis % 1000 / 100),
        Outcome::PassedAtLast => "SECOND TRY".to_owned(),
        Outcome::Failed => "FAILED    ".to_owned(),
        Outcome::TooSlow => "TOO SLOW  ".to_owned(),
        Outcome::NotRun { .. } => "not run   ".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(lines: &[&str]) -> Report {
        let mut report = Report::new("6.1", false);
        for line in lines {
            report.line(line);
        }
        report
    }

    fn end(test: &str, outcome: Outcome) -> String {
        Event::End { test: test.to_owned(), outcome, millis: 1500 }.line().trim().to_owned()
    }

    #[test]
    fn a_test_that_says_so_did_not_run() {
        let report = report(&["NOT RUN: a::b: no LSM", &end("a::b", Outcome::Passed)]);
        assert!(!report.failed());
        let text = table(&[report]);
        assert!(text.contains("not run on 6.1: a::b: a::b: no LSM"), "{text}");
    }

    #[test]
    fn failures_are_failures() {
        assert!(report(&[&end("a", Outcome::Failed)]).failed());
        assert!(report(&[&end("a", Outcome::TooSlow)]).failed());
        assert!(!report(&[&end("a", Outcome::Passed)]).failed());
        let refused = Event::Rejected { program: "p".to_owned(), log: "why".to_owned() };
        assert!(report(&[refused.line().trim()]).failed());
    }

    #[test]
    fn every_test_has_a_cell_for_every_kernel() {
        let one = report(&[&end("a", Outcome::Passed)]);
        let other = report(&[&end("b", Outcome::Failed)]);
        let text = table(&[one, other]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[1].contains("ok     1.5 s") && lines[1].ends_with('?'), "{text}");
        assert!(lines[2].contains("FAILED"), "{text}");
    }
}
