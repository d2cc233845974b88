//! `cargo xtask build`, and what the other commands build.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::arch::Arch;
use crate::command;
use crate::object::build as object;
use crate::setup::cross::{self, Cross};
use crate::setup::{self, BpfToolchain, Lint};
use crate::workspace::Workspace;

#[derive(clap::Args)]
pub struct Args {
    /// Optimise `berth` (the eBPF object always is)
    #[arg(long)]
    release: bool,
    /// The machine to build for, as a Rust target triple
    #[arg(long, value_name = "TRIPLE")]
    target: Option<String>,
}

pub fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    let toolchain = setup::ebpf_toolchain(Lint::No)?;
    let built = build(workspace, &toolchain, args.target.as_deref(), args.release)?;
    println!("{}", built.berth.display());
    Ok(())
}

/// What the tests, the demo and the benchmarks need to know.
pub struct Built {
    pub berth: PathBuf,
    pub object: PathBuf,
}

impl Built {
    /// As they are told to a program.
    pub fn variables(&self) -> [(&'static str, &Path); 2] {
        [("BERTH_BIN", &self.berth), ("BERTH_OBJECT", &self.object)]
    }
}

/// The eBPF object, then `berth` with it embedded.
pub fn build(
    workspace: &Workspace,
    toolchain: &BpfToolchain,
    triple: Option<&str>,
    release: bool,
) -> Result<Built> {
    let object = object::build(workspace, toolchain, Arch::of(triple)?)?;
    let Cross { mut cargo, arguments } = cross::provide(workspace, toolchain, triple)?;
    cargo.args(["build", "--package", "berth", "--bin", "berth"]);
    if !release {
        // With what the tests ask of dependencies, which are not built twice then.
        cargo.args(["--package", "berth-tests"]);
    }
    command::run(cargo.args(profile(release)).args(arguments))?;
    Ok(Built { berth: workspace.binary(triple, release, "berth"), object })
}

/// A program of the `berth-tests` package. All of them are built: some start others, which they look for beside
/// themselves.
pub fn tests_binary(workspace: &Workspace, release: bool, name: &str) -> Result<PathBuf> {
    command::run(
        workspace.cargo().args(["build", "--package", "berth-tests", "--bins"]).args(profile(release)),
    )?;
    Ok(workspace.binary(None, release, name))
}

pub fn profile(release: bool) -> Option<&'static str> {
    release.then_some("--release")
}
