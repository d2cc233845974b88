//! `cargo xtask test`.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};

use crate::build::{self, Built};
use crate::command;
use crate::privilege::{self, Privilege};
use crate::selection;
use crate::setup::cross::Cross;
use crate::setup::{self, BpfToolchain, Lint};
use crate::suite;
use crate::workspace::Workspace;

#[derive(clap::Args)]
pub struct Args {
    /// Only the tests that need no root
    #[arg(long, conflicts_with = "privileged_only")]
    unit_only: bool,
    /// Only the tests that need root
    #[arg(long)]
    privileged_only: bool,
    /// Privileged tests at a time
    #[arg(long, value_name = "N", default_value_t = JOBS)]
    jobs: u32,
    /// Have tests hand their instance of berth to the next, as in the machines of `cargo xtask vm`: it need not be loaded again
    #[arg(long)]
    reuse: bool,
    /// How many cases the tests that try many are to try, in percent of the usual
    #[arg(long, value_name = "PERCENT")]
    cases: Option<u32>,
    /// What random cases are drawn from, if not from the same as always
    #[arg(long)]
    seed: Option<u64>,
    /// Names of tests (privileged ones as program::test), or parts of them, then options for the test programs
    #[arg(last = true)]
    filter: Vec<String>,
}

pub fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    let toolchain = setup::ebpf_toolchain(Lint::No)?;
    // Known before anything is built: otherwise one waits for minutes to be told.
    let privilege = if args.unit_only { None } else { privilege_for_tests()? };
    if privilege.is_some() {
        setup::runtime_packages()?;
    }
    let built = build::build(workspace, &toolchain, None, false)?;
    if !args.privileged_only {
        unit_of(workspace, &args.filter, args.cases)?;
    }
    let Args { jobs, reuse, cases, seed, privileged_only: alone, .. } = *args;
    let effort = Effort { jobs, reuse, cases, seed, alone };
    match privilege {
        Some(privilege) => privileged(workspace, &built, privilege, &effort, &args.filter),
        None if args.unit_only => Ok(()),
        None => {
            println!("privileged tests NOT RUN: there is no root here");
            Ok(())
        }
    }
}

/// How the privileged tests become root. None: they cannot, and the user has agreed to go without.
pub fn privilege_for_tests() -> Result<Option<Privilege>> {
    match Privilege::detect() {
        Privilege::None if privilege::unprivileged_allowed() => Ok(None),
        Privilege::None => bail!(
            "the privileged tests need root: run this as root, or where sudo works; \
             BERTH_ALLOW_UNPRIVILEGED=1 goes without them"
        ),
        found => Ok(Some(found)),
    }
}

/// Everything that a plain `cargo test` runs.
pub fn unit(workspace: &Workspace, filter: &[String]) -> Result<()> {
    unit_of(workspace, filter, None)
}

/// As many cases as that, in percent of the usual.
fn unit_of(workspace: &Workspace, filter: &[String], cases: Option<u32>) -> Result<()> {
    let seed = std::env::var(PROPTEST_SEED).unwrap_or_else(|_| "1".to_owned());
    let cases = cases.map(|cases| (CASES, cases.to_string()));
    command::run(
        workspace
            .cargo()
            .args(["test", "--no-fail-fast", "--"])
            .args(filter)
            .env(PROPTEST_SEED, seed)
            .envs(cases),
    )
}

/// A change must not fail by another's luck: here the random cases are the same each time. Plain `cargo test` draws new
/// ones.
const PROPTEST_SEED: &str = "PROPTEST_RNG_SEED";

/// What all tests read: see `common/src/memory/generate/cases.rs`.
pub const CASES: &str = "BERTH_CASES";
const SEED: &str = "BERTH_SEED";

/// Privileged tests at a time unless told: by two all of them took 450 s, by one 609 s, on two processors.
const JOBS: u32 = 2;

/// Names the run whose tests hand their instances on: see `tests/src/spares.rs`.
const REUSE: &str = "BERTH_REUSE";

/// Builds what the privileged tests run, then runs them all, in the time that CI has.
pub fn privileged_all(workspace: &Workspace, toolchain: &BpfToolchain, privilege: Privilege) -> Result<()> {
    let built = build::build(workspace, toolchain, None, false)?;
    privileged(
        workspace,
        &built,
        privilege,
        &Effort { jobs: JOBS, reuse: true, cases: None, seed: None, alone: true },
        &[],
    )
}

/// How the privileged tests are run.
struct Effort {
    jobs: u32,
    reuse: bool,
    cases: Option<u32>,
    seed: Option<u64>,
    /// Whether no other tests are run: names that none has are mistyped then.
    alone: bool,
}

fn privileged(
    workspace: &Workspace,
    built: &Built,
    privilege: Privilege,
    effort: &Effort,
    filter: &[String],
) -> Result<()> {
    let runner = runner(built, privilege, effort);
    let (names, options) = selection::split(filter);
    let result = if names.is_empty() {
        all(workspace, &runner, effort.jobs, options)
    } else {
        some(workspace, &runner, effort, (names, options))
    };
    if effort.reuse {
        // What the tests came to matters more than whether that can be done.
        result.and(remove_spares(privilege))
    } else {
        result
    }
}

fn all(workspace: &Workspace, runner: &[String], jobs: u32, options: &[String]) -> Result<()> {
    // TOML reads JSON's strings, and arrays of them.
    let runner = serde_json::to_string(runner)?;
    command::run(
        workspace
            .cargo()
            .args(["test", "--no-fail-fast", "--package", "berth-tests", "--lib", "--bins", "--tests"])
            .args(["--config", &format!("target.'cfg(unix)'.runner = {runner}"), "--"])
            .arg(format!("--test-threads={jobs}"))
            .args(options),
    )
}

fn some(
    workspace: &Workspace,
    runner: &[String],
    effort: &Effort,
    (names, options): (&[String], &[String]),
) -> Result<()> {
    let suite = suite::build(Cross { cargo: workspace.cargo(), arguments: Vec::new() })?;
    let (first, rest) = runner.split_first().context("nothing starts the tests")?;
    let selection = selection::select(&suite, names)?;
    if selection.is_empty() {
        let none = format!("no privileged test has {} in its name (program::test)", names.join(" or "));
        if effort.alone {
            bail!(none);
        }
        println!("{none}");
    }
    let mut failures = 0;
    for (program, tests) in selection {
        let mut test = Command::new(first);
        // As cargo runs them.
        test.current_dir(workspace.root.join("tests")).args(rest).arg(program).args(tests).arg("--exact");
        test.arg(format!("--test-threads={}", effort.jobs)).args(options);
        if let Err(error) = command::run(&mut test) {
            eprintln!("{error:#}");
            failures += 1;
        }
    }
    if failures > 0 {
        bail!("{failures} test programs failed");
    }
    Ok(())
}

/// Of this run alone: another may be going on.
fn remove_spares(privilege: Privilege) -> Result<()> {
    let mut find = privilege.command(Path::new("find"));
    find.args(["/sys/fs/bpf", "-maxdepth", "1", "-name", &format!("berth-spare-{}-*", run_name())]);
    command::run(find.args(["-exec", "rm", "-r", "{}", "+"]))
}

/// Names this run, among those that were killed and have left something.
fn run_name() -> &'static str {
    static NAME: OnceLock<String> = OnceLock::new();
    NAME.get_or_init(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        format!("{}-{}", std::process::id(), since.as_millis())
    })
}

/// What starts a test program. Only the test program becomes root: what cargo writes stays the user's.
/// Only it gets the variables: in cargo's own environment they would have crates built again.
fn runner(built: &Built, privilege: Privilege, effort: &Effort) -> Vec<String> {
    let sudo: &[&str] = if privilege == Privilege::Sudo { &["sudo", "-E"] } else { &[] };
    let variables = built.variables().map(|(name, path)| format!("{name}={}", path.display()));
    let cases = effort.cases.map(|cases| format!("{CASES}={cases}"));
    let seed = effort.seed.map(|seed| format!("{SEED}={seed}"));
    let reuse = effort.reuse.then(|| format!("{REUSE}={}", run_name()));
    let variables = variables.into_iter().chain(reuse).chain(cases).chain(seed);
    sudo.iter().map(ToString::to_string).chain(["env".to_owned()]).chain(variables).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_reach_the_tests() {
        let built = Built { berth: "/a b/berth".into(), object: "/o".into() };
        let effort = Effort { jobs: 1, reuse: false, cases: None, seed: None, alone: true };
        assert_eq!(
            runner(&built, Privilege::Sudo, &effort),
            ["sudo", "-E", "env", "BERTH_BIN=/a b/berth", "BERTH_OBJECT=/o"]
        );
        assert_eq!(
            runner(&built, Privilege::Root, &Effort { cases: Some(5), ..effort }),
            ["env", "BERTH_BIN=/a b/berth", "BERTH_OBJECT=/o", "BERTH_CASES=5"]
        );
    }
}
