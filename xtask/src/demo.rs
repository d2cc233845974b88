//! `cargo xtask demo`.

use std::process::Command;

use anyhow::Result;

use crate::build;
use crate::command;
use crate::privilege::Privilege;
use crate::setup::{self, BpfToolchain, Lint};
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
    let mut demo = ready(workspace, &toolchain, privilege, args.release)?;
    command::become_it(demo.args(&args.arguments))
}

/// The demo with all that it needs, to be run.
pub fn ready(
    workspace: &Workspace,
    toolchain: &BpfToolchain,
    privilege: Privilege,
    release: bool,
) -> Result<Command> {
    let built = build::build(workspace, toolchain, None, release)?;
    let demo = build::tests_binary(workspace, release, "berth-demo")?;
    let mut command = privilege.command(&demo);
    command.envs(built.variables());
    Ok(command)
}
