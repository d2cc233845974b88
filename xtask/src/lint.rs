//! Formatting, lints and documentation, as they have to be.

use anyhow::Result;

use crate::command;
use crate::object::build as object;
use crate::setup::{BpfToolchain, HostLint};
use crate::workspace::Workspace;

/// The crates that are built for the host.
const HOST: [&str; 3] = ["--workspace", "--exclude", "berth-ebpf"];

pub fn fmt(workspace: &Workspace, host: &HostLint) -> Result<()> {
    command::run(host.fmt(workspace).args(["--all", "--check"]))
}

pub fn clippy(workspace: &Workspace, host: &HostLint) -> Result<()> {
    command::run(host.clippy(workspace).args(HOST).args(["--all-targets", "--", "-D", "warnings"]))
}

pub fn clippy_ebpf(workspace: &Workspace, toolchain: &BpfToolchain) -> Result<()> {
    object::clippy(workspace, toolchain)
}

pub fn docs(workspace: &Workspace) -> Result<()> {
    command::run(workspace.cargo().args(["doc", "--no-deps"]).args(HOST).env("RUSTDOCFLAGS", "-Dwarnings"))
}
