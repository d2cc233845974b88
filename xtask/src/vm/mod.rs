//! `cargo xtask vm`: the privileged tests, and the verifier's opinion, on kernels that this machine does not run.

mod apt;
mod budget;
mod cpio;
mod files;
mod fixtures;
pub mod guest;
mod image;
mod kernel;
mod matrix;
mod mirrors;
mod modules;
mod protocol;
mod qemu;
mod report;
mod suite;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use nix::fcntl::{Flock, FlockArg};

use crate::build::{self, Built};
use crate::object::{programs, stack};
use crate::setup::{self, Lint};
use crate::test;
use crate::workspace::Workspace;
use budget::Budget;
use image::Base;
use kernel::{Kernel, Store};
use matrix::{Matrix, Wanted};
use protocol::Share;
use qemu::{Accel, End, Machine};
use report::Report;
use suite::Suite;

/// Seconds for a kernel, and for a test.
const LIMIT: u64 = 3000;
const TEST_LIMIT: u64 = 360;

/// How many lines of the kernel's messages are shown of a machine that crashed.
const CONSOLE_LINES: usize = 40;

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
}

pub fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    let matrix = Matrix::read(workspace)?;
    let wanted = matrix.select(&args.kernel, args.all)?;
    let toolchain = setup::ebpf_toolchain(Lint::No)?;
    setup::emulator()?;
    if args.fixtures {
        let object = crate::object::build::fixtures(workspace, &toolchain)?;
        let built = Built { berth: PathBuf::new(), object };
        let session = Session::open(workspace, args, matrix, &built, &Suite::default())?;
        return fixtures::check(&Budget::read(workspace, budget::FIXTURES)?, &session.kernels(&wanted)?);
    }
    let built = build::build(workspace, &toolchain, None, false)?;
    let suite = if args.verify_only {
        Suite::default()
    } else {
        setup::runtime_packages()?;
        suite::build(workspace)?
    };
    let session = Session::open(workspace, args, matrix, &built, &suite)?;
    let object = fs::read(&built.object)?;
    let depths = stack::depths(&object, &programs::expected()?)?;
    finish(workspace, args, &session.kernels(&wanted)?, depths)
}

/// All that is the same for every kernel.
struct Session<'a> {
    args: &'a Args,
    matrix: Matrix,
    store: Store,
    base: Base,
    accel: Accel,
    directory: PathBuf,
    /// Held while the files in the directory are ours.
    _lock: Flock<File>,
}

impl<'a> Session<'a> {
    fn open(
        workspace: &Workspace,
        args: &'a Args,
        matrix: Matrix,
        built: &Built,
        suite: &Suite,
    ) -> Result<Self> {
        let directory = workspace.target.join("vm");
        fs::create_dir_all(&directory)?;
        let lock = Flock::lock(File::create(directory.join("lock"))?, FlockArg::LockExclusive);
        let lock = lock.map_err(|(_, error)| error).context("cannot wait for another run to end")?;
        let mut base = Base::gather(built, suite, &directory)?;
        base.plan.verify = true;
        base.plan.filter.clone_from(&args.filter);
        base.plan.limit = args.test_limit;
        base.plan.again = args.brief;
        for setting in &args.sysctl {
            let (name, value) = setting.split_once('=').with_context(|| format!("no value: {setting}"))?;
            base.plan.sysctls.push((name.to_owned(), value.to_owned()));
        }
        let accel = args.accel.unwrap_or_else(Accel::detect);
        println!("vm: machines run by {accel:?}");
        let (patience, cases) = if accel == Accel::Tcg { (PATIENCE, CASES) } else { (1, 100) };
        let cases = args.cases.unwrap_or(cases);
        for (name, value) in [("BERTH_PATIENCE", patience), (test::CASES, cases)] {
            base.plan.environment.push((name.to_owned(), value.to_string()));
        }
        Ok(Self { args, store: Store::open(&matrix)?, matrix, base, accel, directory, _lock: lock })
    }

    /// As many machines at a time as there are processors: one test of each seldom has work for two.
    fn kernels(&self, wanted: &[Wanted]) -> Result<Vec<Report>> {
        let kernels: Vec<Kernel> =
            wanted.iter().map(|wanted| self.store.get(wanted)).collect::<Result<_>>()?;
        let at_once = thread::available_parallelism()?.get().min(kernels.len());
        let next = AtomicUsize::new(0);
        let reports = Mutex::new(BTreeMap::new());
        thread::scope(|scope| {
            for _ in 0..at_once {
                scope.spawn(|| {
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        let Some(kernel) = kernels.get(index) else { break };
                        let report = self.kernel(kernel, self.share(index, kernels.len()));
                        reports.lock().unwrap_or_else(PoisonError::into_inner).insert(index, report);
                    }
                });
            }
        });
        reports.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect()
    }

    fn share(&self, number: usize, of: usize) -> Share {
        match (self.args.brief, u32::try_from(number), u32::try_from(of)) {
            (true, Ok(number), Ok(of)) => Share { number, of, everywhere: self.matrix.everywhere.clone() },
            _ => Share::default(),
        }
    }

    fn kernel(&self, kernel: &Kernel, share: Share) -> Result<Report> {
        let modules = modules::collect(&kernel.modules, &self.matrix.modules)?;
        let mut plan = self.base.plan.clone();
        plan.modules = modules.iter().map(image::module_path).collect();
        plan.cannot = self.matrix.cannot(&kernel.name, self.args.brief);
        plan.share = share;
        let initramfs = self.directory.join(format!("{}.cpio", kernel.name));
        fs::write(&initramfs, self.base.archive(&modules, &plan)?)?;
        let start = Instant::now();
        let mut report = self.boot(kernel, &initramfs)?;
        if !report.alive {
            println!("{:<7} no sign of life, which may be the emulator's fault: once more", kernel.name);
            for problem in &report.problems {
                println!("{:<7} {problem}", kernel.name);
            }
            report = self.boot(kernel, &initramfs)?;
        }
        fs::remove_file(&initramfs)?;
        println!("{:<7} took {:.0} s", kernel.name, start.elapsed().as_secs_f64());
        Ok(report)
    }

    fn boot(&self, kernel: &Kernel, initramfs: &Path) -> Result<Report> {
        println!("{:<7} starting {}", kernel.name, kernel.release);
        let console = self.directory.join(format!("{}.console.log", kernel.name));
        let machine = Machine {
            accel: self.accel,
            image: &kernel.image,
            initramfs,
            console: &console,
            limit: Duration::from_secs(self.args.limit),
            append: &self.args.append,
        };
        let mut report = Report::new(&kernel.name, self.args.verbose);
        let silence = Duration::from_secs(self.args.test_limit + 60);
        let end = machine.run(silence, |line| report.line(line))?;
        // QEMU succeeds whatever happens inside: only the machine's own word counts.
        if !report.done {
            let how = match end {
                End::Exited => "crashed",
                End::TooLong => "took too long",
                End::Silent => "went silent",
            };
            let last = last_lines(&console, CONSOLE_LINES);
            report.problems.push(format!("the machine {how}; its kernel's last messages:\n{last}"));
        }
        Ok(report)
    }
}

/// Prints what came of it, and fails if that is not good.
fn finish(
    workspace: &Workspace,
    args: &Args,
    reports: &[Report],
    depths: BTreeMap<String, u64>,
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
        budget.set_stack(depths);
        budget.write(workspace)?;
    } else if args.sysctl.is_empty() {
        let budget = Budget::read(workspace, budget::FILE)?;
        let mut over = budget.stack_problems(&depths);
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

fn last_lines(file: &Path, count: usize) -> String {
    let text = fs::read(file).unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}
