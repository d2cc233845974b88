//! `cargo xtask ci`: everything that has to pass before a change goes in.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::arch::Arch;
use crate::check_object;
use crate::command;
use crate::demo;
use crate::lint;
use crate::object::build as object;
use crate::setup::{self, Lint};
use crate::test;
use crate::vm;
use crate::workspace::Workspace;

pub fn run(workspace: &Workspace) -> Result<()> {
    let privilege = test::privilege_for_tests()?;
    let mut report = Report::default();
    heading("setup");
    let start = Instant::now();
    let toolchain = setup::ebpf_toolchain(Lint::Yes)?;
    let host = setup::host_lint()?;
    if privilege.is_some() {
        setup::runtime_packages()?;
    }
    eprintln!("{}\n{}", toolchain.describe(), host.describe());
    report.add("setup", "ok", start.elapsed());

    report.step("fmt", || lint::fmt(workspace, &host));
    report.step("clippy", || lint::clippy(workspace, &host));
    report.step("clippy (eBPF)", || lint::clippy_ebpf(workspace, &toolchain));
    report.step("docs", || lint::docs(workspace));
    report.step("unit tests", || test::unit(workspace, &[]));
    report.step("object", || {
        object::build(workspace, &toolchain, Arch::of(None)?)?;
        check_object::run(workspace)
    });
    if let Some(privilege) = privilege {
        report.step("privileged tests", || test::privileged_all(workspace, &toolchain, privilege));
        report.step("other kernels", || vm::run(workspace, &vm::Args::for_ci()));
        report.step("demo", || command::run(&mut demo::ready(workspace, &toolchain, privilege, false)?));
    } else {
        report.add("privileged tests", "NOT RUN", Duration::ZERO);
    }
    report.finish()
}

/// What has been done, how it ended and how long it took.
#[derive(Default)]
struct Report {
    lines: Vec<String>,
    failed: usize,
}

impl Report {
    /// A step that fails does not keep the next ones from being tried: one run tells everything.
    fn step(&mut self, name: &str, run: impl FnOnce() -> Result<()>) {
        heading(name);
        let start = Instant::now();
        let result = run();
        let outcome = match &result {
            Ok(()) => "ok",
            Err(error) => {
                eprintln!("{error:#}");
                self.failed += 1;
                "FAILED"
            }
        };
        self.add(name, outcome, start.elapsed());
    }

    fn add(&mut self, name: &str, outcome: &str, duration: Duration) {
        let line = format!("{name:<20} {outcome:<8} {:>7.1} s", duration.as_secs_f64());
        eprintln!("-- {line}");
        self.lines.push(line);
    }

    fn finish(self) -> Result<()> {
        heading("summary");
        for line in &self.lines {
            eprintln!("{line}");
        }
        if self.failed > 0 {
            bail!("{} of {} steps failed", self.failed, self.lines.len());
        }
        Ok(())
    }
}

fn heading(name: &str) {
    eprintln!("\n== {name} ==");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_told_at_the_end_and_stops_nothing() {
        let mut report = Report::default();
        let mut ran = false;
        report.step("first", || bail!("no"));
        report.step("second", || {
            ran = true;
            Ok(())
        });
        assert!(ran);
        let error = report.finish().unwrap_err();
        assert_eq!(error.to_string(), "1 of 2 steps failed");
    }
}
