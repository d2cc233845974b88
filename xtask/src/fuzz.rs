//! `cargo xtask fuzz`.

use std::fs;

use anyhow::{Context as _, Result};

use crate::command;
use crate::workspace::Workspace;

#[derive(clap::Args)]
pub struct Args {
    /// Which fuzzer: a file in fuzz/targets
    name: String,
    /// For libFuzzer, as -max_total_time=600
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// What has the compiler note which branches are taken, and what numbers are compared with, as libFuzzer wants it. Any
/// compiler can; nightly's sanitizers, which `cargo fuzz` adds, look for what safe code cannot do.
const INSTRUMENTED: &[&str] = &[
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];

pub fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    let own = workspace.root.join("fuzz");
    let target = workspace.target.join("fuzz");
    let found = target.join("found").join(&args.name);
    fs::create_dir_all(&found).with_context(|| format!("make {}", found.display()))?;
    let version = command::output(workspace.cargo().arg("-vV"))?;
    let triple = version.lines().find_map(|line| line.strip_prefix("host: "));
    let triple = triple.with_context(|| format!("cargo does not say what it builds for:\n{version}"))?;
    let mut cargo = workspace.cargo();
    cargo.current_dir(&own).env("CARGO_TARGET_DIR", &target).env("RUSTFLAGS", INSTRUMENTED.join(" "));
    // With a target, build scripts are not instrumented.
    cargo.args(["run", "--release", "--target", triple, "--bin", &args.name, "--"]);
    cargo.arg(format!("-artifact_prefix={}/", target.display())).args(&args.arguments);
    // What is new goes to the first.
    cargo.arg(found).arg(own.join("corpus").join(&args.name));
    command::become_it(&mut cargo)
}
