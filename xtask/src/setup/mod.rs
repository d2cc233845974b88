//! Finding, or installing, what the other commands need. Says what it installs, and is quick when
//! nothing is missing.

mod choice;
mod compiler;
pub mod cross;
mod debian;
mod ebpf;
mod host;
mod linker;
mod nightly;
mod runtime;

use anyhow::Result;

use crate::arch::Arch;
use crate::command;

pub use ebpf::BpfToolchain;
pub use host::HostLint;

/// `cargo xtask setup`: all of it.
pub fn run() -> Result<()> {
    let bpf = ebpf_toolchain(Lint::Yes)?;
    let host = host_lint()?;
    runtime_packages()?;
    emulator(Arch::of(None)?)?;
    println!("eBPF object: {}", bpf.describe());
    println!("lints:       {}", host.describe());
    println!("tests, demo: {}", runtime::describe());
    Ok(())
}

/// Whether the eBPF crate's lints will be run too, which takes one program more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lint {
    Yes,
    No,
}

/// What builds the eBPF object.
pub fn ebpf_toolchain(lint: Lint) -> Result<BpfToolchain> {
    ebpf::provide(lint)
}

/// What formats and lints the host's crates.
pub fn host_lint() -> Result<HostLint> {
    host::provide()
}

/// What the privileged tests, the demo and the benchmarks run.
pub fn runtime_packages() -> Result<()> {
    runtime::provide()
}

/// What boots a machine's kernels, and unpacks their modules.
pub fn emulator(arch: Arch) -> Result<()> {
    runtime::emulator(arch)
}

fn rustup_present() -> bool {
    command::find("rustup").is_some()
}

/// One line for each thing that is installed.
fn say(what: &str) {
    eprintln!("setup: {what}");
}
