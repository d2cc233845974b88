//! `cargo xtask bench`.

use anyhow::Result;

use crate::build;
use crate::command;
use crate::privilege::Privilege;
use crate::setup::{self, Lint};
use crate::workspace::Workspace;

#[derive(clap::Args)]
pub struct Args {
    /// Which benchmark
    name: String,
    /// For the benchmark itself
    #[arg(last = true)]
    arguments: Vec<String>,
}

pub fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    let privilege = Privilege::required("a benchmark")?;
    let toolchain = setup::ebpf_toolchain(Lint::No)?;
    setup::runtime_packages()?;
    let built = build::build(workspace, &toolchain, None, true)?;
    let bench = build::tests_binary(workspace, true, "berth-bench")?;
    command::become_it(
        privilege.command(&bench).envs(built.variables()).arg(&args.name).args(&args.arguments),
    )
}
