//! Set-up, build, tests, demo and benchmarks of berth: `cargo xtask <command>`.

mod arch;
mod bench;
mod build;
mod check_object;
mod ci;
mod command;
mod demo;
mod fuzz;
mod lint;
mod object;
mod privilege;
mod selection;
mod setup;
mod suite;
mod test;
mod vm;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use workspace::Workspace;

#[derive(Parser)]
#[command(name = "cargo xtask", about, disable_version_flag = true)]
struct Cli {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Find or install everything the other commands need
    Setup,
    /// Build the eBPF object, then `berth` with the object embedded
    Build(build::Args),
    /// Check the built eBPF object, and have this kernel verify its programs
    CheckObject,
    /// Run the unit tests, then the privileged tests
    Test(test::Args),
    /// Run the privileged tests on other kernels, in virtual machines
    Vm(vm::Args),
    /// Build and run the demo
    Demo(demo::Args),
    /// Build in release and run one benchmark
    Bench(bench::Args),
    /// Build and run a fuzzer
    Fuzz(fuzz::Args),
    /// Everything that has to pass before a change goes in
    Ci,
}

fn main() -> ExitCode {
    if vm::guest::is_here() {
        vm::guest::main();
    }
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        // One line: a backtrace of ours, which an error returned from here might bring, helps nobody.
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<()> {
    let workspace = Workspace::locate()?;
    match &cli.command {
        Task::Setup => setup::run(),
        Task::Build(args) => build::run(&workspace, args),
        Task::CheckObject => check_object::run(&workspace),
        Task::Test(args) => test::run(&workspace, args),
        Task::Vm(args) => vm::run(&workspace, args),
        Task::Demo(args) => demo::run(&workspace, args),
        Task::Bench(args) => bench::run(&workspace, args),
        Task::Fuzz(args) => fuzz::run(&workspace, args),
        Task::Ci => ci::run(&workspace),
    }
}
