//! `cargo xtask vm`: the privileged tests, and the verifier's opinion, on kernels that this machine does not run.

mod apt;
mod budget;
mod cpio;
mod elf;
mod files;
mod fixtures;
pub mod guest;
mod image;
mod kernel;
mod kit;
mod matrix;
mod mirrors;
mod modules;
mod protocol;
mod qemu;
mod report;
mod session;
mod source;
mod userland;

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};

use crate::arch::Arch;
use crate::setup::{self, Lint};
use crate::test;
use crate::workspace::Workspace;
use budget::Budget;
use kit::Purpose;
use matrix::Matrix;
use protocol::Plan;
use qemu::Accel;
use report::Report;
use session::Session;

/// Seconds for a kernel, and for a test. All tests took an emulated machine 2,700 s when nothing else ran beside the two
/// that run at a time, and over 3,000 when something did.
const LIMIT: u64 = 7200;
const TEST_LIMIT: u64 = 600;

/// How many times as long as usual the tests wait in an emulated machine.
const PATIENCE: u32 = 16;
/// How many cases they try there, in percent.
const CASES: u32 = 5;

#[derive(clap::Args)]
#[allow(clippy::struct_excessive_bools, reason = "they are switches")]
pub struct Args {
    /// A kernel of tests/kernels.toml; the oldest and the newest unless told
    #[arg(long, value_name = "NAME", conflicts_with = "all")]
    kernel: Vec<String>,
    /// Every kernel of tests/kernels.toml
    #[arg(long)]
    all: bool,
    /// Leave out the tests that tell nothing of a kernel, divide most others among the kernels, and try once more what
    /// fails
    #[arg(long)]
    brief: bool,
    /// Only load every program, and hold what that costs against tests/budget.toml
    #[arg(long)]
    verify_only: bool,
    /// Load programs that must be refused, and fail if they are not
    #[arg(long, conflicts_with_all = ["bless", "filter"])]
    fixtures: bool,
    /// Write what the programs cost to tests/budget.toml instead
    #[arg(long)]
    bless: bool,
    /// Show all that the tests print
    #[arg(long, short)]
    verbose: bool,
    /// What runs the machine; KVM where it works unless told
    #[arg(long)]
    accel: Option<Accel>,
    /// Seconds that a kernel may take for everything
    #[arg(long, value_name = "SECONDS", default_value_t = LIMIT)]
    limit: u64,
    /// Seconds that a test may take
    #[arg(long, value_name = "SECONDS", default_value_t = TEST_LIMIT)]
    test_limit: u64,
    /// How many cases the tests that try many are to try, in percent of the usual; 5 where the processor is emulated
    #[arg(long, value_name = "PERCENT")]
    cases: Option<u32>,
    /// Settings for the machines, under /proc/sys, as net/core/bpf_jit_harden=2; the budget is left aside then
    #[arg(long, value_name = "NAME=VALUE")]
    sysctl: Vec<String>,
    /// More for the kernels' command lines
    #[arg(long, value_name = "WORDS", default_value = "", allow_hyphen_values = true)]
    append: String,
    /// Names of tests (program::test), or parts of them
    #[arg(last = true)]
    filter: Vec<String>,
}

impl Args {
    /// The oldest and the newest kernel, in the time that CI has.
    pub fn for_ci() -> Self {
        Self {
            kernel: Vec::new(),
            all: false,
            brief: true,
            verify_only: false,
            fixtures: false,
            bless: false,
            verbose: false,
            accel: None,
            limit: LIMIT,
            test_limit: TEST_LIMIT,
            cases: None,
            sysctl: Vec::new(),
            append: String::new(),
            filter: Vec::new(),
        }
    }

    fn purpose(&self) -> Purpose {
        match (self.fixtures, self.verify_only) {
            (true, _) => Purpose::Fixtures,
            (false, true) => Purpose::Verify,
            (false, false) => Purpose::Test,
        }
    }

    /// What a machine's plan has from the command line.
    fn complete(&self, plan: &mut Plan, accel: Accel) -> Result<()> {
        plan.verify = true;
        plan.filter.clone_from(&self.filter);
        plan.limit = self.test_limit;
        plan.again = self.brief || self.all;
        for setting in &self.sysctl {
            let (name, value) = setting.split_once('=').with_context(|| format!("no value: {setting}"))?;
            plan.sysctls.push((name.to_owned(), value.to_owned()));
        }
        let (patience, cases) = if accel == Accel::Tcg { (PATIENCE, CASES) } else { (1, 100) };
        let cases = self.cases.unwrap_or(cases);
        for (name, value) in [("BERTH_PATIENCE", patience), (test::CASES, cases)] {
            plan.environment.push((name.to_owned(), value.to_string()));
        }
        Ok(())
    }
}

pub fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    let matrix = Matrix::read(workspace)?;
    let wanted = matrix.select(&args.kernel, args.all, Arch::of(None)?)?;
    let toolchain = setup::ebpf_toolchain(Lint::No)?;
    let session = Session::open(workspace, &toolchain, args, matrix, &wanted)?;
    let reports = session.kernels(&wanted)?;
    if args.fixtures {
        return fixtures::check(&Budget::read(workspace, budget::FIXTURES)?, &reports);
    }
    finish(workspace, args, &reports, &session.depths())
}

/// Prints what came of it, and fails if that is not good.
fn finish(
    workspace: &Workspace,
    args: &Args,
    reports: &[Report],
    depths: &BTreeMap<String, u64>,
) -> Result<()> {
    println!("\ninstructions verified, bytes of machine code:\n{}", report::costs(reports));
    if !args.verify_only {
        println!("\n{}", report::table(reports));
    }
    println!();
    let mut failures = 0;
    for report in reports {
        for problem in &report.problems {
            println!("{}: {problem}", report.kernel);
        }
        failures += usize::from(report.failed());
    }
    if args.bless {
        let mut budget = Budget::read(workspace, budget::FILE).unwrap_or_default();
        for report in reports {
            budget.set(&report.kernel, report.costs.clone());
        }
        budget.set_stack(depths.clone());
        budget.write(workspace)?;
    } else if args.sysctl.is_empty() {
        let budget = Budget::read(workspace, budget::FILE)?;
        let mut over = budget.stack_problems(depths);
        for report in reports {
            over.extend(budget.problems(&report.kernel, &report.costs));
        }
        for problem in &over {
            println!("{problem}");
        }
        if !over.is_empty() {
            bail!("{} costs are above what tests/budget.toml allows (--bless writes it anew)", over.len());
        }
    }
    if failures > 0 {
        let failed: Vec<String> = reports.iter().flat_map(Report::failures).collect();
        bail!("{failures} of {} kernels failed: {}", reports.len(), failed.join(", "));
    }
    Ok(())
}
