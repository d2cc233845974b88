//! `cargo xtask demo`.

use anyhow::Result;

use crate::build;
use crate::command;
use crate::privilege::Privilege;
use crate::setup::{self, Lint};
use crate::workspace::Workspace;

#[derive(clap::Args)]
pub struct Args {
    /// Optimise `berth`: the first build takes longer
    #[arg(long)]
    release: bool,
    /// For the demo itself
    #[arg(last = true)]
    arguments: Vec<String>,
}

pub fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    let privilege = Privilege::required("the demo")?;
    let toolchain = setup::ebpf_toolchain(Lint::No)?;
    setup::runtime_packages()?;
    let built = build::build(workspace, &toolchain, None, args.release)?;
    let demo = build::tests_binary(workspace, args.release, "berth-demo")?;
    command::become_it(privilege.command(&demo).envs(built.variables()).args(&args.arguments))
}
