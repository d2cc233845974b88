//! Running tests, each in a process of its own.

use std::process::Command;
use std::time::Instant;

use anyhow::Result;

use super::Guest;
use super::run::{self, Ended};
use crate::vm::protocol::{Event, Outcome, Plan};

/// Runs one program's tests, as far as they are wanted.
pub fn program(guest: &mut Guest, plan: &Plan, name: &str, path: &str) -> Result<()> {
    let listed = command(plan, path).args(["--list", "--format=terse"]).output()?;
    if !listed.status.success() {
        let what = format!("{name} does not list its tests: {}", String::from_utf8_lossy(&listed.stderr));
        return guest.tell(&Event::Trouble { what });
    }
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    for own in listed.lines().filter_map(|line| line.strip_suffix(": test")) {
        let test = format!("{name}::{own}");
        if plan.is_wanted(&test) {
            one(guest, plan, path, own, test)?;
        }
    }
    Ok(())
}

fn one(guest: &mut Guest, plan: &Plan, path: &str, own: &str, test: String) -> Result<()> {
    if let Some(reason) = plan.reason_against(&test) {
        let outcome = Outcome::NotRun { reason: reason.to_owned() };
        return guest.tell(&Event::End { test, outcome, millis: 0 });
    }
    guest.tell(&Event::Begin { test: test.clone() })?;
    let start = Instant::now();
    let mut outcome = once(guest, plan, path, own)?;
    // An emulated processor may stand still for seconds while its host does something else.
    if plan.again && !matches!(outcome, Outcome::Passed) && once(guest, plan, path, own)? == Outcome::Passed {
        outcome = Outcome::PassedAtLast;
    }
    let millis = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    guest.tell(&Event::End { test, outcome, millis })
}

fn once(guest: &Guest, plan: &Plan, path: &str, own: &str) -> Result<Outcome> {
    let mut command = command(plan, path);
    // The host looks into the output of tests that succeed, too.
    command.args(["--exact", own, "--nocapture", "--test-threads=1"]);
    Ok(match run::for_at_most(&mut command, &guest.output, plan.limit())? {
        Ended::Well => Outcome::Passed,
        Ended::Badly => Outcome::Failed,
        Ended::TooLate => Outcome::TooSlow,
    })
}

fn command(plan: &Plan, path: &str) -> Command {
    let mut command = Command::new(path);
    command
        .env_clear()
        .env("PATH", "/usr/bin:/usr/sbin")
        .env("HOME", "/root")
        .env("RUST_BACKTRACE", "0")
        .envs(plan.environment.iter().map(|(name, value)| (name, value)))
        .current_dir("/tmp");
    command
}
